//! `run`: one job over one window.

use super::{Outcome, RunRequest, process_environment};
use crate::cli::{Printer, ProgressDisplay};
use crate::engine::{JobContext, Pipeline, RunPlan, execute};
use crate::job::{Job, Span, load};
use crate::registry::builtin;
use crate::report::{Progress, Status};
use crate::stop::{Stop, stop_on_signals};
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Runs the job and prints the report.
pub fn run(request: &RunRequest, printer: &Printer) -> Result<Outcome> {
    let (stop, told) = (Stop::default(), printer.clone());
    stop_on_signals(&stop, move |signal| told.note(&format!("{signal}: stopping; a second signal ends at once")))?;
    let now = instant(request.now.as_deref())?;
    let job = load(&request.job_file, &request.overrides, &process_environment)?;
    let window = window(request.window.as_deref(), request.last.as_deref(), now)?;
    let pipeline = Pipeline::build(&job, &builtin())?;
    let runtime = runtime()?;
    let progress = Progress::default();
    let context = JobContext::open(&job, &pipeline, runtime.handle().clone(), stop)?;
    printer.note(&format!("{}: window {window}", job.config.job));
    let display = ProgressDisplay::start(printer, progress.clone());
    let plan = RunPlan {
        window,
        now_msec: now.timestamp_millis(),
        now_given: request.now.is_some(),
        threads: threads(request.threads, &job),
        dry_run: request.dry_run,
        wait: wait(request.wait.as_deref())?,
        allow_empty: request.allow_empty,
        supersede: request.supersede,
        progress,
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

/// The window as given, or the span of a length that ends now.
pub(super) fn window(window: Option<&str>, last: Option<&str>, now: DateTime<Utc>) -> Result<Window> {
    match (window, last) {
        (Some(text), _) => Window::parse(text),
        (None, Some(span)) => {
            let span = span.parse().map_err(|message: String| {
                Error::new(ErrorKind::Usage, format!("read the span of --last: {message}"))
            })?;
            Window::last(span, now)
        }
        (None, None) => Err(Error::new(ErrorKind::Usage, "no window is given")
            .hint("add --window 2026-11-20T05/PT1H, --window 2026-11-20 or --last 1h")),
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

pub(super) fn threads(requested: Option<usize>, job: &Job) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    requested.or(job.config.limits.threads).unwrap_or_else(cores).max(1)
}
