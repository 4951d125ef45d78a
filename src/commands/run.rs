//! `run`: one job over one window, or over those that its schedule says.

use super::request::RunRequest;
use super::windows::listen;
use super::{process_environment, scheduled};
use crate::engine::Pipeline;
use crate::job::{Job, load};
use crate::process::memory;
use crate::process::stop::Stop;
use crate::registry::builtin;
use crate::report::{Outcome, Progress, Status};
use crate::run::fit::Fitted;
use crate::run::{JobContext, RunPlan, execute, fit};
use crate::screen::{Printer, ProgressDisplay};
use crate::text::Span;
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::{EpochMillis, Error, ErrorKind, Result};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Runs the job and prints the report.
pub fn run(request: &RunRequest, printer: &Printer) -> Result<Outcome> {
    let stop = listen(printer)?;
    let now = instant(request.now.as_deref())?;
    let mut job = load(&request.job_file, &request.overrides, &process_environment)?;
    let window = window(request.window.as_deref(), request.last.as_deref(), now)?;
    if window.is_none() {
        scheduled::schedule_of(&job)?;
    }
    let fitted = fit(&mut job, request.threads, &stop)?;
    let pipeline = Pipeline::build(&job, &builtin())?;
    let runtime = runtime()?;
    let progress = Progress::default();
    let context = JobContext::open(&job, &pipeline, runtime.handle().clone(), stop)?;
    let Some(window) = window else {
        let outcome = scheduled::run(request, &context, &fitted, now, printer);
        drop(context);
        runtime.shutdown_background();
        return outcome;
    };
    printer.note(&format!("{}: window {window}", job.config.job));
    let display = ProgressDisplay::start(printer, progress.clone());
    let plan = RunPlan {
        window,
        now_msec: EpochMillis(now.timestamp_millis()),
        now_given: request.now.is_some(),
        threads: fitted.threads,
        dry_run: request.dry_run,
        wait: wait(request.wait.as_deref())?,
        allow_empty: request.allow_empty,
        supersede: request.supersede,
        progress,
        warnings: fitted.warnings,
    };
    let (report, result) = execute(&context, &plan);
    drop(context);
    // What still waits for a name server or a slow disk must not hold up the end.
    runtime.shutdown_background();
    drop(display);
    printer.report(&report)?;
    match result {
        Ok(()) => Ok(Outcome::Done),
        Err(error) => {
            printer.explain(&error);
            Ok(if report.status == Status::Partly { Outcome::Partly } else { Outcome::Stopped(error.kind()) })
        }
    }
}

/// The run's instant: as given, else the clock's. The only place that asks the clock what time it is.
pub(super) fn instant(text: Option<&str>) -> Result<DateTime<Utc>> {
    let Some(text) = text else { return Ok(Utc::now()) };
    DateTime::parse_from_rfc3339(text).map(|instant| instant.with_timezone(&Utc)).map_err(|error| {
        Error::new(ErrorKind::Usage, "read the instant of --now")
            .with("now", text)
            .source(error)
            .hint("write it as 2026-11-20T05:00:00Z")
    })
}

/// The window as given, or the span of a length that ends now; `None` when the schedule decides.
pub(super) fn window(window: Option<&str>, last: Option<&str>, now: DateTime<Utc>) -> Result<Option<Window>> {
    match (window, last) {
        (Some(text), _) => Window::parse(text).map(Some),
        (None, Some(span)) => {
            let span = span.parse().map_err(|message: String| {
                Error::new(ErrorKind::Usage, format!("read the span of --last: {message}"))
            })?;
            Window::last(span, now).map(Some)
        }
        (None, None) => Ok(None),
    }
}

/// How long to wait for another run; not at all when nothing is given.
pub(super) fn wait(span: Option<&str>) -> Result<Duration> {
    let Some(span) = span else { return Ok(Duration::ZERO) };
    let span: Span = span
        .parse()
        .map_err(|message: String| Error::new(ErrorKind::Usage, format!("read the span of --wait: {message}")))?;
    Ok(Duration::from_secs(span.seconds.unsigned_abs()))
}

pub(super) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::internal("start the runtime").source(error))
}

/// Lowers threads and `limits.memory` to what the process may take, and watches that it does not take more.
pub(super) fn fit(job: &mut Job, requested: Option<usize>, stop: &Stop) -> Result<Fitted> {
    let asked = threads(requested, job);
    let fitted = fit::fit(job, asked)?;
    memory::watch(fitted.total, stop)?;
    Ok(fitted)
}

pub(super) fn threads(requested: Option<usize>, job: &Job) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    requested.or(job.config.limits.threads).unwrap_or_else(cores).max(1)
}
