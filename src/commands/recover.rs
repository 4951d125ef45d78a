//! `recover`: makes visible what runs have committed and did not live to publish.

use super::process_environment;
use super::request::CheckRequest;
use super::run::runtime;
use super::windows::listen;
use crate::commit::lease;
use crate::engine::Pipeline;
use crate::job::load;
use crate::registry::builtin;
use crate::report::{ErrorReport, Outcome};
use crate::run::JobContext;
use crate::screen::Printer;
use crate::text::one_line;
use crate::window::Window;
use etl_sdk::Result;
use serde::Serialize;
use std::fmt::Write as _;

/// What was found, and what became of it.
#[derive(Debug, Serialize)]
struct RecoverReport {
    job: String,
    published: Vec<Commit>,
    /// Left to the runs that hold their windows.
    busy: Vec<Window>,
    failed: Vec<Failed>,
}

#[derive(Debug, Serialize)]
struct Commit {
    commit: u64,
    window: Window,
}

#[derive(Debug, Serialize)]
struct Failed {
    #[serde(flatten)]
    commit: Commit,
    error: ErrorReport,
}

/// Publishes, and prints what was published.
pub fn run(request: &CheckRequest, printer: &Printer) -> Result<Outcome> {
    let stop = listen(printer)?;
    let job = load(&request.job_file, &request.overrides, &process_environment)?;
    let pipeline = Pipeline::build(&job, &builtin())?;
    let runtime = runtime()?;
    let context = JobContext::open(&job, &pipeline, runtime.handle().clone(), stop)?;
    let live = lease::live(context.objects(), context.stores.log.runner())?;
    let recovered = context.recover(None)?;
    let left = context.stores.log.refresh()?;
    let unpublished = left.unpublished.values().map(|commit| commit.window);
    let busy = unpublished.filter(|window| live.iter().any(|holder| holder.window == *window)).collect();
    let commit = |commit: u64, window: Window| Commit { commit, window };
    let report = RecoverReport {
        job: job.config.job.clone(),
        published: recovered.published.into_iter().map(|(version, window)| commit(version, window)).collect(),
        busy,
        failed: recovered
            .failed
            .iter()
            .map(|(version, window, error)| Failed { commit: commit(*version, *window), error: error.into() })
            .collect(),
    };
    drop(context);
    runtime.shutdown_background();
    if printer.is_json() { printer.json(&report) } else { printer.result(&screen(&report)) }?;
    Ok(match (report.failed.is_empty(), report.published.is_empty(), recovered.failed.first()) {
        (false, true, Some((_, _, error))) => Outcome::Stopped(error.kind()),
        (false, _, _) => Outcome::Partly,
        (true, _, _) => Outcome::Done,
    })
}

fn screen(report: &RecoverReport) -> String {
    let mut text = String::new();
    for Commit { commit, window } in &report.published {
        let _ = writeln!(text, "published  {window}  commit {commit}");
    }
    for window in &report.busy {
        let _ = writeln!(text, "left       {window}  its run is at work");
    }
    for Failed { commit, error } in &report.failed {
        let _ = writeln!(text, "FAILED     {}  commit {}: {}", commit.window, commit.commit, one_line(&error.message));
        if let Some(hint) = &error.hint {
            let _ = writeln!(text, "           {hint}");
        }
    }
    if text.is_empty() {
        let _ = writeln!(text, "job {}: every commit is published", report.job);
    }
    text
}
