//! `compare`: two outputs by key, column by column.

use super::session::{RuntimeThreads, listen, watch};
use crate::compare::{CompareRequest, CompareResources, CompareSetting, ComparisonStatus, compare};
use crate::process::memory;
use crate::report::{Outcome, Progress};
use crate::screen::{Printer, ProgressDisplay, Tone};
use etl_sdk::{Error, ErrorKind, Result};
use std::time::Duration;

/// Both sides are read at the same time also on one core: most of that time they wait for a store.
const THREADS: usize = 2;

/// Compares and prints what was found.
pub fn run(request: &CompareRequest, printer: &Printer) -> Result<Outcome> {
    let stop = listen(printer)?;
    let total = memory::bounds(None).unwrap_or(memory::USUAL_TOTAL.max(request.memory.0.saturating_mul(2)));
    watch(total, Duration::ZERO, &stop, printer)?;
    let progress = Progress::default();
    let runtime = RuntimeThreads::start()?;
    let display = ProgressDisplay::start(printer, progress.clone());
    let resources = CompareResources {
        runtime: &runtime.handle,
        threads: THREADS,
        page_bytes: usize::try_from(request.memory.0 / 4).unwrap_or(usize::MAX),
        progress: &progress,
        stop: &stop,
    };
    let result = compare(request, &resources);
    drop(display);
    drop(runtime);
    let report = result.map_err(with_option)?;
    let (outcome, tone) = match report.status {
        ComparisonStatus::Equal => (Outcome::Done, Tone::Good),
        ComparisonStatus::Different => (Outcome::Different, Tone::Bad),
    };
    if printer.is_json() {
        printer.json(&report)?;
    } else {
        printer.result(&format!("{}\n{}", printer.painted(&report.verdict(), tone), report.screen()))?;
    }
    Ok(outcome)
}

/// Adds the option behind the setting that an error is about.
fn with_option(error: Error) -> Error {
    let setting = error.facts().iter().find(|(name, _)| *name == "setting").map(|(_, setting)| setting.parse());
    let options = match (setting, error.kind()) {
        (Some(Ok(CompareSetting::Key)), ErrorKind::Limit) => "--key, --memory",
        (Some(Ok(CompareSetting::Key)), _) => "--key",
        (Some(Ok(CompareSetting::Latest)), _) => "--latest",
        (Some(Ok(CompareSetting::Memory)), _) => "--memory",
        (Some(Ok(CompareSetting::NumberTolerance)), _) => "--number-tolerance",
        _ if error.facts().iter().any(|(_, value)| value == "limits.memory_total") => {
            return error.hint("lower --memory, or raise what the container may take");
        }
        // Sorting names the settings of a job file.
        (Some(Err(_)), ErrorKind::Limit) => {
            return Error::new(ErrorKind::Limit, "sort the rows")
                .hint("limits.memory is --memory here, and limits.spill_folder is --spill-folder")
                .source(error);
        }
        (Some(Err(_)) | None, _) => return error,
    };
    let hint = error.hint_text().map_or_else(|| options.to_owned(), |hint| format!("{hint} ({options})"));
    error.hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_a_setting_names_its_option() {
        let about = |setting: &str, kind: ErrorKind| {
            let error = Error::new(kind, "compare").with("setting", setting).hint("do this");
            with_option(error).hint_text().map(str::to_owned).unwrap_or_default()
        };
        for (setting, kind, hint) in [
            ("key", ErrorKind::Usage, "do this (--key)"),
            ("key", ErrorKind::Limit, "do this (--key, --memory)"),
            ("latest", ErrorKind::Usage, "do this (--latest)"),
            ("number_tolerance", ErrorKind::Usage, "do this (--number-tolerance)"),
            ("limits.memory", ErrorKind::Config, "do this"),
        ] {
            assert_eq!(about(setting, kind), hint, "{setting}");
        }
        assert!(about("limits.memory", ErrorKind::Limit).starts_with("limits.memory is --memory here"));
        let other = with_option(Error::new(ErrorKind::Usage, "compare").hint("as it is"));
        assert_eq!(other.hint_text(), Some("as it is"));
    }
}
