//! Tells the program which commit it is built from, and for which target.
//!
//! `ETL_RUNNER_COMMIT` and `ETL_RUNNER_COMMIT_DATE` name the commit where there is no repository, as in an image. Else git is
//! asked, and where neither answers (the sources of an archive) the version names no commit.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ETL_RUNNER_COMMIT");
    println!("cargo::rerun-if-env-changed=ETL_RUNNER_COMMIT_DATE");
    let target = env::var("TARGET").unwrap_or_default();
    let commit = named().or_else(of_repository).map(|commit| commit + ", ").unwrap_or_default();
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=ETL_RUNNER_VERSION={version} ({commit}{target})");
}

/// The commit that the environment names.
fn named() -> Option<String> {
    let value = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let commit: String = value("ETL_RUNNER_COMMIT")?.trim().chars().take(12).collect();
    let date = value("ETL_RUNNER_COMMIT_DATE").map(|date| format!(" {}", date.trim())).unwrap_or_default();
    Some(commit + &date)
}

/// The commit that is checked out here. A repository that only has these sources somewhere below it is none of theirs.
fn of_repository() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    // It gets a line with each commit and each checkout; a path that does not exist would be taken for one that changed.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["log", "-1", "--format=%h %cs", "--abbrev=12"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
