//! What tests need and the repository does not hold: conformance data, servers, other programs' packages.

use std::ffi::OsStr;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};

/// The folder of a set of data, `conformance`, `systems` or `cases`: the one that `$ETL_CONFORMANCE` names for the
/// first, else `shared/conformance` in the project's folder or in one above it. Where there is none, see [`or_skip`].
///
/// Panics when the variable names no folder.
pub fn data(set: &str) -> Option<PathBuf> {
    let variable = format!("ETL_{}", set.to_uppercase());
    if let Some(folder) = std::env::var_os(&variable).map(PathBuf::from) {
        assert!(folder.is_dir(), "{variable} is no folder: {}", folder.display());
        return Some(folder);
    }
    let mut candidates =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1).map(|above| above.join("shared").join(set));
    or_skip(candidates.find(|folder| folder.is_dir()), &format!("the data shared/{set}"), &variable)
}

/// Gives `found` on. Where it is absent, this panics under CI; elsewhere it prints which test is skipped for want of
/// `what`, and which environment variable says where that is.
///
/// CI is where `$CI` is set and neither empty nor `false` nor `0`.
pub fn or_skip<T>(found: Option<T>, what: &str, variable: &str) -> Option<T> {
    if found.is_none() {
        let is_required = is_ci(std::env::var_os("CI").as_deref());
        assert!(!is_required, "{what} is absent, and nothing may be absent under CI; set {variable}");
        skip(&format!("{what} is absent; set {variable}"));
    }
    found
}

/// Prints that the test of this thread is skipped, and why. Past the test harness, which would only show it for tests
/// that fail.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    // A closed stderr is no reason to fail.
    let _ = writeln!(stderr(), "SKIPPED {}: {reason}", thread.name().unwrap_or("a test"));
}

fn is_ci(variable: Option<&OsStr>) -> bool {
    variable.is_some_and(|value| !["", "0", "false"].iter().any(|no| value.eq_ignore_ascii_case(no)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_is_what_the_variable_says() {
        for yes in ["true", "1", "yes"] {
            assert!(is_ci(Some(OsStr::new(yes))), "{yes}");
        }
        for no in ["", "0", "false", "False"] {
            assert!(!is_ci(Some(OsStr::new(no))), "{no}");
        }
        assert!(!is_ci(None));
    }
}
