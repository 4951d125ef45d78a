//! `recover`: publishes and announces what runs have committed and were killed before they finished it.

use super::recover_log;
use super::request::RecoverRequest;
use super::session::{Session, listen};
use super::windows::follow_watermark;
use crate::commit::lease;
use crate::publish::{CommitId, Recovered};
use crate::report::{ErrorReport, Outcome};
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
    /// Announcements that published commits owed.
    announced: Vec<AnnouncedTo>,
    /// Left to the runs that hold their windows.
    busy: Vec<Window>,
    failed: Vec<Failed>,
    /// Announcements that are still owed.
    owed: Vec<OwedTo>,
}

#[derive(Debug, Serialize)]
struct Commit {
    commit: u64,
    window: Window,
}

#[derive(Debug, Serialize)]
struct AnnouncedTo {
    #[serde(flatten)]
    commit: Commit,
    target: String,
}

#[derive(Debug, Serialize)]
struct Failed {
    #[serde(flatten)]
    commit: Commit,
    error: ErrorReport,
}

#[derive(Debug, Serialize)]
struct OwedTo {
    #[serde(flatten)]
    commit: Commit,
    target: String,
    error: ErrorReport,
}

/// Publishes and announces, and prints what was done; or looks at the log, if that is asked for.
pub fn run(request: &RecoverRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, listen(printer)?, printer)?.watched(printer)?;
    if let Some(repair) = request.log {
        return recover_log::run(&session, repair, printer);
    }
    let session = session.build()?;
    let context = session.context()?;
    let live = lease::live(context.objects(), context.stores.log.runner())?;
    let recovered = context.recover(None)?;
    follow_watermark(&context, session.now(), printer)?;
    let left = context.stores.log.refresh()?;
    let unfinished =
        left.unpublished.values().map(|commit| commit.window).chain(left.owing().map(|(window, _)| *window));
    let busy = unfinished.filter(|window| live.iter().any(|holder| holder.window == *window)).collect();
    let report = RecoverReport::new(&session.job().config.job, &recovered, busy);
    if printer.is_json() { printer.json(&report) } else { printer.result(&screen(&report)) }?;
    Ok(outcome(&recovered))
}

fn outcome(recovered: &Recovered) -> Outcome {
    let is_any_done = !recovered.published.is_empty() || !recovered.announced.is_empty();
    match recovered.failed.first() {
        Some(failed) if !is_any_done && recovered.owed.is_empty() => Outcome::Stopped(failed.error.kind()),
        None if recovered.owed.is_empty() => Outcome::Done,
        _ => Outcome::Partly,
    }
}

impl RecoverReport {
    fn new(job: &str, recovered: &Recovered, busy: Vec<Window>) -> Self {
        let announced = recovered.announced.iter();
        let failed = recovered.failed.iter();
        let owed = recovered.owed.iter();
        Self {
            job: job.to_owned(),
            published: recovered.published.iter().copied().map(Commit::from).collect(),
            announced: announced.map(|a| AnnouncedTo { commit: a.commit.into(), target: a.target.clone() }).collect(),
            busy,
            failed: failed.map(|f| Failed { commit: f.commit.into(), error: (&f.error).into() }).collect(),
            owed: owed
                .map(|o| OwedTo { commit: o.commit.into(), target: o.target.clone(), error: (&o.error).into() })
                .collect(),
        }
    }
}

impl From<CommitId> for Commit {
    fn from(commit: CommitId) -> Self {
        Self { commit: commit.version, window: commit.window }
    }
}

fn screen(report: &RecoverReport) -> String {
    let mut text = String::new();
    for Commit { commit, window } in &report.published {
        let _ = writeln!(text, "published  {window}  commit {commit}");
    }
    for AnnouncedTo { commit, target } in &report.announced {
        let _ = writeln!(text, "announced  {}  commit {} to {target}", commit.window, commit.commit);
    }
    for window in &report.busy {
        let _ = writeln!(text, "busy       {window}  its run is still working");
    }
    let mut explain = |what: &str, Commit { commit, window }: &Commit, to: &str, error: &ErrorReport| {
        let _ = writeln!(text, "{what:<11}{window}  commit {commit}{to}: {}", one_line(&error.message));
        if let Some(hint) = &error.hint {
            let _ = writeln!(text, "           {hint}");
        }
    };
    for Failed { commit, error } in &report.failed {
        explain("FAILED", commit, "", error);
    }
    for OwedTo { commit, target, error } in &report.owed {
        explain("owed", commit, &format!(" to {target}"), error);
    }
    if text.is_empty() {
        let _ = writeln!(text, "job {}: every commit is published", report.job);
    }
    text
}
