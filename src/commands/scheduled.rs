//! `run` and `plan` without a window: what the schedule says.

use super::session::{RunSession, recover_first};
use super::windows::{print, run_watched};
use crate::batch::{Batch, RunSettings};
use crate::commit::Event;
use crate::report::{Effect, Outcome};
use crate::schedule::{Due, DueReason, DueWindow, Origin};
use crate::screen::Printer;
use crate::text::columns::{Align, Columns};
use crate::text::{count, instant};
use crate::trigger::{DueFinder, ScheduledWindows};
use etl_sdk::{EpochMillis, Result};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Runs what is due, oldest first, up to the first failure.
pub fn run(
    session: &RunSession,
    job_file: &Path,
    settings: RunSettings,
    threads: usize,
    printer: &Printer,
) -> Result<Outcome> {
    let context = &session.context()?;
    let job = &context.job.config.job;
    if !settings.dry_run {
        recover_first(context, printer)?;
    }
    let finder = DueFinder {
        job: context.job,
        log: &context.stores.log,
        source: &context.places.source,
        runtime: &context.runtime,
        stop: &context.stop,
    };
    let scheduled = finder.find(settings.now)?;
    let due = &scheduled.due;
    if let Some(first_run) = &scheduled.first_run {
        printer.note(&format!("{job}: {first_run}"));
        if !settings.dry_run && due.begin < due.closed_until {
            context.stores.log.append(Event::Watermark { at: Some(due.begin), reason: first_run.clone() })?;
        }
    }
    for due in &due.windows {
        printer.note(&format!("{job}: window {} {}", due.window, due.reason.text()));
        if let DueReason::LateData { objects, bytes } = due.reason {
            let now = EpochMillis(settings.now.timestamp_millis());
            let untold = context.tell_late(due.window, now, objects, bytes);
            for warning in &untold {
                printer.warning(warning);
            }
        }
    }
    let items = scheduled.items();
    let batch = Batch { command: "run", context, settings, threads, parallel: 1, stop_on_failure: true };
    let mut report = run_watched(&batch, &items, scheduled.job_latest.as_ref(), printer)?;
    report.remaining = Some(due.remaining);
    report.next_at = Some(instant(due.next_at));
    if items.is_empty() && !printer.is_json() {
        printer.result(&format!("{}\n", nothing_due(due, job)))?;
    } else {
        print(&report, job_file, printer)?;
    }
    if due.remaining > 0 {
        let more = count(due.remaining);
        printer.note(&format!(
            "{more} more closed windows are waiting; the next call runs up to schedule.catch_up of them"
        ));
    }
    Ok(report.outcome_of_first())
}

fn nothing_due(due: &Due, job: &str) -> String {
    if let Some(window) = due.waits_for {
        let next = instant(due.next_at);
        return format!(
            "nothing to do: job {job} waits for window {window}, which ran while it was open and closes at {next}"
        );
    }
    format!(
        "nothing to do: job {job} is done up to {}; the next window closes at {}",
        instant(due.begin.max(due.closed_until)),
        instant(due.next_at)
    )
}

/// What a scheduled run would take, as JSON.
/// `left` is what it does first for runs that died.
pub fn as_json(scheduled: &ScheduledWindows, job: &str, left: &Effect) -> Value {
    let due = &scheduled.due;
    let windows: Vec<Value> = due.windows.iter().map(window_as_json).collect();
    json!({
        "job": job,
        "watermark": (due.origin == Origin::Watermark).then(|| instant(due.begin)),
        "begin": instant(due.begin),
        "first_run": scheduled.first_run,
        "closed_until": instant(due.closed_until),
        "next_at": instant(due.next_at),
        "windows": windows,
        "remaining": due.remaining,
        "waits_for": due.waits_for,
        "publishes_first": left.publishes_first,
        "announces_first": left.announces_first,
    })
}

fn window_as_json(due: &DueWindow) -> Value {
    let (objects, bytes) = match due.reason {
        DueReason::LateData { objects, bytes } => (Some(objects), Some(bytes)),
        _ => (None, None),
    };
    json!({
        "start": instant(due.window.start),
        "end": instant(due.window.end),
        "reason": due.reason.name(),
        "late_objects": objects,
        "late_bytes": bytes,
    })
}

/// What a scheduled run would take, for people.
/// `left` is what it does first for runs that died.
pub fn screen(scheduled: &ScheduledWindows, job: &str, left: &Effect) -> String {
    let due = &scheduled.due;
    let mut screen = format!("plan: job {job}, nothing is done\n");
    if let Some(first_run) = &scheduled.first_run {
        screen.extend(["  ", first_run, "\n"]);
    }
    for (name, fact) in left.lines() {
        screen.extend(["  ", name, "  ", &fact, "\n"]);
    }
    if due.windows.is_empty() {
        screen.extend(["  ", &nothing_due(due, job), "\n"]);
        return screen;
    }
    let mut columns = Columns::new(&[Align::Left, Align::Left]);
    for due in &due.windows {
        columns.row([due.window.to_string(), due.reason.text()]);
    }
    screen.push_str(&columns.render(2));
    if due.remaining > 0 {
        let _ = writeln!(screen, "  and {} more in later calls", count(due.remaining));
    }
    screen.push_str("  what one of them would read: etl-runner plan JOB --window WINDOW\n");
    screen
}
