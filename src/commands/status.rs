//! `status`: which windows are done, missing, failed or running.

use super::process_environment;
use super::run::{instant, runtime};
use super::window_requests::StatusRequest;
use super::windows::log_of;
use crate::commit::lease;
use crate::job::{Job, Places, load};
use crate::process::stop::Stop;
use crate::report::Outcome;
use crate::schedule::DEFAULT_BUFFER;
use crate::screen::{Printer, Tone};
use crate::status::{Scope, StatusReport, WindowStatus, build, failures, grid, list, summary};
use crate::window::parse_instant;
use chrono::TimeDelta;
use etl_sdk::{Error, ErrorKind, Result};

/// Prints the status. Nothing is changed, and nothing but the state is read.
pub fn run(request: &StatusRequest, printer: &Printer) -> Result<Outcome> {
    let now = instant(request.now.as_deref())?;
    let job = load(&request.job_file, &request.overrides, &process_environment)?;
    let scope = scope(request, &job)?;
    let places = Places::open(&job)?;
    let runtime = runtime()?;
    let log = log_of(&job, &places, runtime.handle(), &Stop::default());
    let state = log.refresh()?;
    let live = lease::live(log.objects(), log.runner())?;
    let report = build(&job.config.job, &state, &live, now, &scope);
    if printer.is_json() {
        printer.json(&serde_json::json!({"status": report}))?;
    } else {
        printer.result(&screen(&report, request, printer))?;
    }
    Ok(Outcome::Done)
}

fn scope(request: &StatusRequest, job: &Job) -> Result<Scope> {
    let schedule = job.config.schedule.as_ref();
    let every = request.every.as_deref().map(str::parse).transpose()?;
    let buffer = schedule.map_or(DEFAULT_BUFFER, |schedule| schedule.buffer);
    let mut only = Vec::new();
    for name in &request.only {
        let known = WindowStatus::ALL.into_iter().find(|status| status.name() == name);
        only.push(known.ok_or_else(|| {
            let names: Vec<&str> = WindowStatus::ALL.iter().map(|status| status.name()).collect();
            Error::new(ErrorKind::Usage, "read the statuses of --only")
                .with("only", name)
                .hint(format!("known here: {}", names.join(", ")))
        })?);
    }
    Ok(Scope {
        from: request.from.as_deref().map(parse_instant).transpose()?,
        to: request.to.as_deref().map(parse_instant).transpose()?,
        only,
        every: every.or(schedule.map(|schedule| schedule.every)),
        start: schedule.and_then(|schedule| schedule.start).map(|start| start.0),
        buffer: TimeDelta::seconds(buffer.seconds),
        is_scheduled: schedule.is_some(),
    })
}

fn screen(report: &StatusReport, request: &StatusRequest, printer: &Printer) -> String {
    let mut text = format!("job {}: {}\n", report.job, summary(report));
    match &report.watermark {
        Some(watermark) => text.extend(["everything before ", watermark, " is done\n"]),
        None if report.total > 0 => text.push_str("no watermark: no scheduled run yet\n"),
        None => {}
    }
    if report.late_objects > 0 {
        let late = crate::text::count(report.late_objects);
        text.extend([&late, " objects arrived after their window; --list says where they went\n"]);
    }
    text.push('\n');
    if request.list {
        text.push_str(&list(report));
    } else {
        text.push_str(&grid(report, &|text, status| printer.painted(text, tone(status))));
    }
    let failures = failures(report, &request.job_file.display().to_string());
    if !failures.is_empty() {
        text.push('\n');
        text.push_str(&failures);
    }
    text
}

fn tone(status: WindowStatus) -> Tone {
    match status {
        WindowStatus::Done | WindowStatus::Empty => Tone::Good,
        WindowStatus::Late
        | WindowStatus::Running
        | WindowStatus::Unannounced
        | WindowStatus::Unpublished
        | WindowStatus::Stopped => Tone::Notice,
        WindowStatus::Missing | WindowStatus::Refused | WindowStatus::Failed => Tone::Bad,
    }
}
