//! `retry`: the windows whose last run ended without a commit, and no others.

use super::request::RetryRequest;
use super::session::{Session, listen, listened, recover_first};
use super::windows::{print, run_watched, settings};
use crate::batch::{Batch, Item};
use crate::commit::{lease, spans};
use crate::report::Outcome;
use crate::run::JobContext;
use crate::schedule::{Closing, DueReason};
use crate::screen::Printer;
use crate::status::BackfillReport;
use crate::text::{count, instant};
use crate::trigger::{FailedWindows, JobLatestFile, failed};
use etl_sdk::{Error, ErrorKind, Result};
use std::path::Path;

/// Runs the failed windows again, oldest first, each with the window that is recorded.
pub fn run(request: &RetryRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, listen(printer)?, printer)?;
    listened(session, "retry", request.options.dry_run, |session| run_job(session, request, printer))
}

fn run_job(mut session: Session, request: &RetryRequest, printer: &Printer) -> Result<Outcome> {
    let fitted = session.fit_and_watch(request.options.threads, printer)?;
    let settings = settings(&session, &request.options, fitted.warnings);
    let mut session = session.build()?;
    let ordered = session.pipeline.transformer.ordered();
    let parallel = if ordered { 1 } else { request.parallel.get() };
    session.divide_memory(parallel);
    let context = &session.context()?;
    let job = &context.job.config.job;
    if !settings.dry_run {
        recover_first(context, printer)?;
    }
    let closing = Closing::of(context.job.config.schedule.as_ref(), settings.now);
    let FailedWindows { mut items, open } = failed(context.stores.log.refresh()?.as_ref(), &closing);
    if let Some(window) = request.window {
        closing
            .refuse_open(&window, "retry it once it is closed; `etl-runner run --allow-open` runs it as it is now")?;
        items.retain(|item| item.window == window);
        if items.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "the window has not failed")
                .with("window", window)
                .hint("`etl-runner status` shows which have; `etl-runner run` runs any window"));
        }
    } else {
        for window in &open {
            let closes = instant(closing.closes_at(window));
            printer.warning(&format!("window {window} is left out: it is not closed before {closes}"));
        }
    }
    let live = lease::live(context.objects(), context.stores.log.runner())?;
    for item in &items {
        let held = live.iter().any(|holder| holder.window == item.window);
        let reason = item.reason.as_ref().map(DueReason::text).unwrap_or_default();
        let who = if held { "; another run holds it now" } else { "" };
        printer.note(&format!("{job}: window {} {reason}{who}", item.window));
    }
    if request.window.is_none() {
        tell_never_began(context, &request.job.job_file, printer)?;
    }
    if settings.dry_run || items.is_empty() {
        return show(job, &items, printer);
    }
    let job_latest = JobLatestFile::open(context.job, &context.runtime, &context.stop)?;
    let batch =
        Batch { command: "retry", context, settings, threads: fitted.threads, parallel, stop_on_failure: ordered };
    let report = run_watched(&batch, &items, job_latest.as_ref(), printer)?;
    print(&report, &request.job.job_file, printer)?;
    Ok(report.outcome())
}

/// Tells of windows that somebody asked for and that never began: they have not failed.
fn tell_never_began(context: &JobContext<'_>, job_file: &Path, printer: &Printer) -> Result<()> {
    let state = context.stores.log.refresh()?;
    for span in spans::all(context.objects())? {
        if let Some(backfill) = BackfillReport::of(&span, &state, &[], job_file) {
            let (number, command) = (count(backfill.never_began), backfill.command);
            printer.warning(&format!(
                "retry does not run windows that never began: {number} of a backfill that stopped at {}: {command}",
                backfill.stopped_at
            ));
        }
    }
    Ok(())
}

/// Shows what would be run.
fn show(job: &str, items: &[Item], printer: &Printer) -> Result<Outcome> {
    if printer.is_json() {
        let windows = items.iter().map(|item| item.window).collect::<Vec<_>>();
        printer.json(&serde_json::json!({"plan": {"job": job, "windows": windows}}))?;
    } else if items.is_empty() {
        printer.result(&format!("nothing to do: no window of job {job} has failed\n"))?;
    } else {
        let windows = if items.len() == 1 { "window" } else { "windows" };
        let mut text = format!("retry of job {job}, nothing is done: {} {windows} to run\n", count(items.len() as u64));
        for item in items {
            text.extend(["  ", &item.window.to_string(), "\n"]);
        }
        printer.result(&text)?;
    }
    Ok(Outcome::Done)
}
