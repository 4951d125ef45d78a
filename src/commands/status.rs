//! `status`: which windows are done, missing, failed or running.

use super::request::StatusRequest;
use super::session::Session;
use crate::commit::{lease, spans};
use crate::job::{Job, Places};
use crate::process::stop::Stop;
use crate::report::Outcome;
use crate::schedule::DEFAULT_BUFFER;
use crate::screen::{Printer, Tone};
use crate::source::Nothing;
use crate::status::{BackfillReport, Scope, StatusReport, WindowStatus, build, failures, grid, list, summary};
use crate::text::count;
use chrono::TimeDelta;
use etl_sdk::Result;

/// Prints the status. Nothing is changed, and nothing is read but the state, and whether there is any input while no window
/// has had some.
pub fn run(request: &StatusRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, Stop::default(), printer)?.watched(printer)?;
    let (job, scope) = (&session.job, scope(request, &session.job));
    let places = Places::open(job)?;
    let log = session.log(&places);
    let state = log.refresh()?;
    let live = lease::live(log.objects(), log.runner())?;
    let mut report = build(&job.config.job, &state, &live, session.now, &scope);
    // A job that has read something has a source.
    if !state.windows.values().any(|known| known.commits.iter().any(|commit| commit.counts.objects > 0)) {
        let warning = Nothing::warning(&places.source, &job.config.source);
        report.warnings.extend(session.runtime.block_on(warning).unwrap_or_else(|error| Some(error.to_string())));
    }
    let spans = spans::all(log.objects())?;
    let left = spans.iter().filter_map(|span| BackfillReport::of(span, &state, &live, &request.job.job_file));
    report.backfills = left.collect();
    if printer.is_json() {
        printer.json(&serde_json::json!({"status": report}))?;
    } else {
        printer.result(&screen(&report, request, printer))?;
    }
    let fails = request.fail_on.iter().any(|status| report.has(*status));
    Ok(if fails { Outcome::Partly } else { Outcome::Done })
}

fn scope(request: &StatusRequest, job: &Job) -> Scope {
    let schedule = job.config.schedule.as_ref();
    let buffer = schedule.map_or(DEFAULT_BUFFER, |schedule| schedule.buffer);
    Scope {
        from: request.from.map(|from| from.0),
        to: request.to.map(|to| to.0),
        only: request.only.clone(),
        every: request.every.or(schedule.map(|schedule| schedule.every)),
        start: schedule.and_then(|schedule| schedule.start).map(|start| start.0),
        buffer: TimeDelta::seconds(buffer.seconds),
        is_scheduled: schedule.is_some(),
    }
}

fn screen(report: &StatusReport, request: &StatusRequest, printer: &Printer) -> String {
    let mut text = format!("job {}: {}\n", report.job, summary(report));
    match &report.watermark {
        Some(watermark) => text.push_str(&before(watermark, report.undone_before_watermark)),
        None if report.total > 0 => text.push_str("no watermark: no scheduled run yet\n"),
        None => {}
    }
    match report.counts.get(WindowStatus::Provisional.name()) {
        None | Some(0) => {}
        Some(1) => {
            text.push_str("1 window ran before it closed; then the schedule, a backfill or retry runs it again\n");
        }
        Some(number) => {
            let number = count(*number);
            text.extend([
                &number,
                " windows ran before they closed; then the schedule, a backfill or retry runs them again\n",
            ]);
        }
    }
    if report.late_objects > 0 {
        let late = count(report.late_objects);
        text.extend([&late, " objects arrived after their window; --list says where they went\n"]);
    }
    for warning in &report.warnings {
        text.extend(["warning: ", warning, "\n"]);
    }
    for backfill in &report.backfills {
        text.extend([&backfill.text(), "\n"]);
    }
    text.push('\n');
    if request.list {
        text.push_str(&list(report));
    } else {
        text.push_str(&grid(report, &|text, status| printer.painted(text, tone(status))));
    }
    let failures = failures(report, &request.job.job_file.display().to_string());
    if !failures.is_empty() {
        text.push('\n');
        text.push_str(&failures);
    }
    text
}

/// The watermark and the windows before it: two facts.
fn before(watermark: &str, undone: u64) -> String {
    match undone {
        0 => format!("the watermark is {watermark}; every known window before it is done\n"),
        1 => format!("the watermark is {watermark}; 1 closed window before it is not done\n"),
        undone => format!("the watermark is {watermark}; {} closed windows before it are not done\n", count(undone)),
    }
}

fn tone(status: WindowStatus) -> Tone {
    match status {
        WindowStatus::Done | WindowStatus::Empty => Tone::Good,
        WindowStatus::Late
        | WindowStatus::Provisional
        | WindowStatus::Running
        | WindowStatus::Unannounced
        | WindowStatus::Unpublished
        | WindowStatus::Stopped => Tone::Notice,
        WindowStatus::Missing | WindowStatus::Refused | WindowStatus::Failed => Tone::Bad,
    }
}
