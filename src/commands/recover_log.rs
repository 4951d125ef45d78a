//! `recover --log`: whether the log of a job is whole, and what can be made of it if not.

use super::request::LogRepair;
use super::session::Session;
use crate::commit::repair::{Damaged, Inspection, Lost, LostOutcome, Repair, UnknownCommit};
use crate::commit::{CommitLog, lease};
use crate::job::Places;
use crate::output::staging::WrittenFile;
use crate::report::Outcome;
use crate::screen::Printer;
use crate::storage::{Storage, store_error};
use crate::text::count;
use etl_sdk::{Error, ErrorKind, Result};
use object_store::ObjectStoreExt;
use serde::Serialize;
use serde_json::json;
use std::fmt::Write as _;

/// Lost entries and unknown commits that are named on the screen; `--output json` names all.
const MAX_SHOWN: usize = 50;

/// What is wrong, and what became of it.
#[derive(Serialize)]
struct LogReport<'a> {
    job: &'a str,
    applied: bool,
    /// Whether the log can be read as it is.
    whole: bool,
    last: u64,
    entries: u64,
    checkpoint: Option<u64>,
    damaged_checkpoints: &'a [Damaged],
    lost: &'a [Lost],
    unknown: &'a [UnknownCommit],
}

/// Prints what is wrong with the log, and repairs it if that is asked for.
pub fn run(session: &Session, asked: LogRepair, printer: &Printer) -> Result<Outcome> {
    let places = Places::open(&session.job)?;
    let log = session.log(&places);
    let is_visible = |file: &WrittenFile| is_visible(session, &places.sink, file);
    let repair = Repair { objects: log.objects(), is_visible: &is_visible };
    let inspection = repair.inspect()?;
    let applied = asked == LogRepair::Apply && !inspection.is_whole();
    if applied {
        refuse_while_runs_work(&log)?;
        repair.apply(&inspection)?;
        // As every command reads it from here on.
        log.refresh()?;
    }
    let report = LogReport {
        job: &session.job.config.job,
        applied,
        whole: inspection.is_whole(),
        last: inspection.last,
        entries: inspection.entries,
        checkpoint: inspection.checkpoint,
        damaged_checkpoints: &inspection.checkpoints,
        lost: &inspection.lost,
        unknown: &inspection.unknown,
    };
    if printer.is_json() {
        printer.json(&json!({"log": report}))?;
    } else {
        printer.result(&screen(&report))?;
        hints(&report, printer);
    }
    Ok(outcome(&inspection, applied))
}

/// A run that works may know an entry that is lost since, and go on from it.
fn refuse_while_runs_work(log: &CommitLog) -> Result<()> {
    match lease::live(log.objects(), log.runner())?.first() {
        None => Ok(()),
        Some(holder) => Err(Error::new(ErrorKind::Held, "repair the commit log")
            .with("window", holder.window)
            .with("by", format!("{}:{}", holder.by.host, holder.by.pid))
            .hint("stop the job's runs first, or wait until their leases have expired")),
    }
}

fn is_visible(session: &Session, sink: &Storage, file: &WrittenFile) -> Result<bool> {
    let key = sink.key_of(&file.pending.path)?;
    let head = session.runtime.block_on(session.stop.unless(async { Ok(sink.store().head(&key).await) }))?;
    match head {
        Ok(meta) => Ok(meta.size == file.pending.bytes),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(store_error("look for a published file", &sink.uri_of(&key), error)),
    }
}

fn outcome(inspection: &Inspection, applied: bool) -> Outcome {
    let is_lost = inspection.lost.iter().any(|lost| lost.outcome == LostOutcome::Lost);
    match (inspection.is_whole(), applied) {
        (false, false) => Outcome::Stopped(ErrorKind::Damaged),
        (false, true) if is_lost || !inspection.unknown.is_empty() => Outcome::Partly,
        (true, _) | (false, true) => Outcome::Done,
    }
}

fn screen(report: &LogReport<'_>) -> String {
    let state = match (report.whole, report.applied) {
        (true, _) => "whole",
        (false, false) => "NOT WHOLE",
        (false, true) => "repaired",
    };
    let checkpoint = report.checkpoint.map_or_else(|| "none".to_owned(), |version| format!("at {version}"));
    let mut text = format!(
        "log: job {}, {state}: {} entries up to {}, checkpoint {checkpoint}\n",
        report.job,
        count(report.entries),
        report.last
    );
    let can = if report.applied { "" } else { "can be " };
    for Damaged { version, why, .. } in report.damaged_checkpoints {
        let _ = writeln!(text, "  checkpoint {version}: {why}; {can}made again from the entries");
    }
    for Lost { object, outcome, window } in report.lost.iter().take(MAX_SHOWN) {
        let of = window.map(|window| format!(" of window {window}")).unwrap_or_default();
        let what = match outcome {
            LostOutcome::InCheckpoint => "the checkpoint has what it said".to_owned(),
            LostOutcome::Restored => format!("the commit{of} {can}restored from its detail"),
            LostOutcome::Lost if window.is_some() => format!("LOST: a commit{of}"),
            LostOutcome::Lost => "LOST: nobody knows what it said".to_owned(),
        };
        let _ = writeln!(text, "  entry {}: {}; {what}", object.version, object.why);
    }
    if report.lost.len() > MAX_SHOWN {
        let _ = writeln!(text, "  and {} more; --output json names all", count((report.lost.len() - MAX_SHOWN) as u64));
    }
    for UnknownCommit { window, name } in report.unknown.iter().take(MAX_SHOWN) {
        let files = name.as_ref().map_or_else(|| "its files".to_owned(), |name| format!("files named {name}-…"));
        let _ = writeln!(text, "  window {window}: its state is unknown; {files} stay as they are");
    }
    text
}

fn hints(report: &LogReport<'_>, printer: &Printer) {
    if !report.whole && !report.applied {
        printer.note("nothing was changed; restore the objects from a backup if there is one, else add --apply");
    }
    if !report.unknown.is_empty() {
        printer.warning(
            "a run of a window whose state is unknown does not replace files that the log does not know: remove those \
             first, or its rows are there twice",
        );
    }
    if report.lost.iter().any(|lost| lost.outcome == LostOutcome::Restored) {
        printer.note(
            "late objects that a restored commit took are not counted any more; what it left of users and sessions is \
             taken over where one list of it was found, else `etl-runner state rebuild` makes it anew",
        );
    }
}
