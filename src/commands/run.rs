//! `run`: one job over one window, or over those that its schedule says.

use super::request::{PayloadSource, RunRequest};
use super::scheduled;
use super::session::{RunSession, Session, listen, listened};
use super::windows::{follow_watermark, settings};
use crate::batch::RunSettings;
use crate::job::Places;
use crate::report::{Outcome, Progress, Status};
use crate::run::execute;
use crate::schedule::closed_until;
use crate::screen::{Printer, ProgressDisplay};
use crate::trigger::{Payload, schedule_of};
use crate::window::Window;
use chrono::{SubsecRound, TimeDelta};
use etl_sdk::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{self, Read};

/// Longest payload; the services that send them allow less.
const MAX_PAYLOAD: u64 = 1 << 20;

/// Runs the job and prints the report.
pub fn run(request: &RunRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, listen(printer)?, printer)?;
    listened(session, "run", request.options.dry_run, |session| run_job(session, request, printer))
}

fn run_job(mut session: Session, request: &RunRequest, printer: &Printer) -> Result<Outcome> {
    let window = match &request.payload {
        Some(source) => window_of_payload(&session, source, printer)?,
        None => request.window.map(|argument| argument.window(session.now)).transpose()?,
    };
    if window.is_none() {
        schedule_of(&session.job)?;
    }
    let fitted = session.fit_and_watch(request.options.threads, printer)?;
    let settings = settings(&session, &request.options, fitted.warnings);
    let session = session.build()?;
    match window {
        Some(window) => run_window(&session, window, &settings, fitted.threads, printer),
        None => scheduled::run(&session, &request.job.job_file, settings, fitted.threads, printer),
    }
}

/// The window that a scheduler's payload means; `None` when it leaves it to the job's schedule.
fn window_of_payload(session: &Session, source: &PayloadSource, printer: &Printer) -> Result<Option<Window>> {
    let payload = Payload::read(&text_of(source)?)?;
    if let Some(name) = &payload.name {
        session.listeners.call_runs(name);
    }
    for key in &payload.unread {
        printer.note(&format!("payload: {key} is for Spark and not read"));
    }
    if payload.is_of_schedule() {
        printer.note("payload: no window is named, so the job's schedule decides");
        return Ok(None);
    }
    let watermark = match payload.start {
        Some(_) => None,
        None => session.log(&Places::open(&session.job)?).refresh()?.watermark,
    };
    let schedule = session.job.config.schedule.as_ref();
    let closed = schedule.map_or(session.now.trunc_subsecs(0), |schedule| {
        closed_until(schedule.every, TimeDelta::seconds(schedule.buffer.seconds), session.now)
    });
    let window = payload.window(watermark, closed)?;
    let again = if payload.again { ", run again" } else { "" };
    printer.note(&format!("payload: window {window}{again}"));
    Ok(Some(window))
}

fn text_of(source: &PayloadSource) -> Result<String> {
    let read = |reader: &mut dyn Read, name: String| {
        let mut text = String::new();
        reader.take(MAX_PAYLOAD).read_to_string(&mut text).map_err(|error| unread(name, error))?;
        Ok(text)
    };
    match source {
        PayloadSource::Text(text) => Ok(text.clone()),
        PayloadSource::Stdin => read(&mut io::stdin().lock(), "-".to_owned()),
        PayloadSource::File(path) => {
            let name = path.display().to_string();
            let mut file = File::open(path).map_err(|error| unread(name.clone(), error))?;
            read(&mut file, name)
        }
    }
}

fn unread(file: String, error: io::Error) -> Error {
    Error::new(ErrorKind::Usage, "read the payload").with("file", file).source(error)
}

fn run_window(
    session: &RunSession,
    window: Window,
    settings: &RunSettings,
    threads: usize,
    printer: &Printer,
) -> Result<Outcome> {
    printer.note(&format!("{}: window {window}", session.job().config.job));
    let progress = Progress::default();
    let display = ProgressDisplay::start(printer, progress.clone());
    let context = session.context()?;
    if !settings.dry_run {
        context.settle_listeners();
    }
    let (report, result) = execute(&context, &settings.plan(window, threads, progress));
    drop(display);
    printer.report(&report, result.is_err())?;
    if !settings.dry_run {
        follow_watermark(&context, settings.now, printer)?;
    }
    match result {
        Ok(()) => Ok(Outcome::Done),
        Err(error) => {
            printer.explain(&error);
            Ok(if report.status == Status::Partly { Outcome::Partly } else { Outcome::Stopped(error.kind()) })
        }
    }
}
