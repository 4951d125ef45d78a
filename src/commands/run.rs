//! `run`: one job over one window, or over those that its schedule says.

use super::request::RunRequest;
use super::scheduled;
use super::session::{RunSession, Session, listen};
use super::windows::{follow_watermark, settings};
use crate::batch::RunSettings;
use crate::report::{Outcome, Progress, Status};
use crate::run::execute;
use crate::screen::{Printer, ProgressDisplay};
use crate::trigger::schedule_of;
use crate::window::Window;
use etl_sdk::Result;

/// Runs the job and prints the report.
pub fn run(request: &RunRequest, printer: &Printer) -> Result<Outcome> {
    let mut session = Session::open(&request.job, listen(printer)?, printer)?;
    let window = request.window.map(|argument| argument.window(session.now)).transpose()?;
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
