//! `backfill`: many windows of a span of time, each a run of its own.

use super::request::BackfillRequest;
use super::session::{Session, listen, listened, recover_first};
use super::windows::{print, run_watched, settings};
use crate::batch::{Batch, BatchReport, Item, PendingWindows, ResultStatus, WindowResult, pending};
use crate::commit::{BackfillSpan, spans};
use crate::report::Outcome;
use crate::run::JobContext;
use crate::run::compact::advice;
use crate::screen::Printer;
use crate::status::{command, is_complete};
use crate::text::{count, counted};
use crate::trigger::JobLatestFile;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use std::fmt::Write as _;

/// Windows that a dry run lists; `--output json` has all.
const MAX_SHOWN: usize = 100;

/// Runs the windows, and prints what became of them.
pub fn run(request: &BackfillRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, listen(printer)?, printer)?;
    listened(session, "backfill", request.options.dry_run, |session| run_job(session, request, printer))
}

fn run_job(mut session: Session, request: &BackfillRequest, printer: &Printer) -> Result<Outcome> {
    let windows = request.span.windows(&session.job, session.now)?;
    let fitted = session.fit_and_watch(request.options.threads, printer)?;
    let settings = settings(&session, &request.options, fitted.warnings);
    let mut session = session.build()?;
    let ordered = session.pipeline.transformer.ordered();
    if ordered && request.span.newest_first {
        return Err(Error::new(ErrorKind::Usage, "run the newest windows first")
            .with("transformer", &session.job().config.transformer.name)
            .hint("its windows depend on earlier ones: omit --order"));
    }
    let parallel = if ordered { 1 } else { request.parallel.get() };
    if parallel < request.parallel.get() {
        printer.note("windows of this transformer depend on earlier ones: running one at a time");
    }
    session.divide_memory(parallel);
    let context = &session.context()?;
    let job = &context.job.config.job;
    if !settings.dry_run {
        recover_first(context, printer)?;
    }
    let pending = pending(context.stores.log.refresh()?.as_ref(), windows, request.again, request.options.supersede)?;
    if settings.dry_run {
        return rehearse(request.span.newest_first, job, &pending, printer);
    }
    let PendingWindows { items, skipped: mut results } = pending;
    printer.note(&format!(
        "{job}: {} to run, {} done before",
        counted(items.len() as u64, "window"),
        count(results.len() as u64)
    ));
    let asked = asked(request, &items, &results, context)?;
    let job_latest = JobLatestFile::open(context.job, &context.runtime, &context.stop)?;
    let stop_on_failure = request.stop_on_failure || ordered;
    let batch = Batch { command: "backfill", context, settings, threads: fitted.threads, parallel, stop_on_failure };
    let report = run_watched(&batch, &items, job_latest.as_ref(), printer)?;
    results.extend(report.windows);
    results.sort_by_key(WindowResult::window);
    let mut report = BatchReport {
        watermark: report.watermark,
        ..BatchReport::new("backfill", job, results, report.elapsed_seconds)
    };
    if let Some(asked) = &asked {
        report.resume = resume(request, asked, &report);
        if report.resume.is_none() {
            // All of them began: `retry` runs those that failed.
            asked.forget(context.objects())?;
        }
    }
    print(&report, &request.job.job_file, printer)?;
    let state = context.stores.log.refresh()?;
    let advice = advice(&state, session.now(), context.job.config.sink.target_file_size.0);
    if let Some(advice) = advice {
        printer.warning(&advice);
    }
    let outcome = report.outcome();
    if outcome == Outcome::Done {
        forget_complete(context)?;
    }
    Ok(outcome)
}

/// Remembers what was asked for, unless it is a single window or nothing is left of it.
fn asked(
    request: &BackfillRequest,
    items: &[Item],
    skipped: &[WindowResult],
    context: &JobContext<'_>,
) -> Result<Option<BackfillSpan>> {
    let schedule = context.job.config.schedule.as_ref();
    let every = request.span.every.or(schedule.map(|schedule| schedule.every));
    let (Some(every), false, true) = (every, items.is_empty(), items.len() + skipped.len() > 1) else {
        return Ok(None);
    };
    let key = |text: &String| text.split('=').next().unwrap_or_default().to_owned();
    let span = BackfillSpan {
        span: Window::new(request.span.from.0, request.span.to.0)?,
        every,
        newest_first: request.span.newest_first,
        again: request.again,
        supersede: request.options.supersede,
        parallel: request.parallel.get(),
        overrides: request.job.overrides.iter().map(key).collect(),
        since: context.objects().clock().now(),
    };
    span.keep(context.objects())?;
    Ok(Some(span))
}

/// The command that goes on, when windows are left that were not begun.
fn resume(request: &BackfillRequest, asked: &BackfillSpan, report: &BatchReport) -> Option<String> {
    let mut left = report.windows.iter().filter(|window| !window.status.is_good()).map(WindowResult::window);
    if !report.windows.iter().any(|window| window.status == ResultStatus::Waiting) {
        return None;
    }
    let mut part = asked.clone();
    if asked.again {
        // The same command would begin anew with what it has run.
        let first = left.next()?;
        let last = left.next_back().unwrap_or(first);
        if asked.newest_first {
            part.span.end = last.end;
        } else {
            part.span.start = first.start;
        }
    }
    Some(command(&part, &request.job.job_file, request.job.overrides.iter().cloned()))
}

/// Forgets the backfills whose windows are all done, by whichever command.
fn forget_complete(context: &JobContext<'_>) -> Result<()> {
    let state = context.stores.log.refresh()?;
    let complete = spans::all(context.objects())?.into_iter().filter(|span| is_complete(span, &state));
    complete.into_iter().try_for_each(|span| span.forget(context.objects()))
}

/// Shows what would be run.
fn rehearse(newest_first: bool, job: &str, pending: &PendingWindows, printer: &Printer) -> Result<Outcome> {
    let PendingWindows { items, skipped } = pending;
    if printer.is_json() {
        let windows = items.iter().map(|item| item.window).collect::<Vec<_>>();
        let done = skipped.iter().map(WindowResult::window).collect::<Vec<_>>();
        printer.json(&serde_json::json!({"plan": {"job": job, "windows": windows, "done_before": done}}))?;
        return Ok(Outcome::Done);
    }
    let order = if newest_first { "newest first" } else { "oldest first" };
    let mut text = format!(
        "backfill of job {}, nothing is done: {} to run, {order}, {} done before\n",
        job,
        counted(items.len() as u64, "window"),
        count(skipped.len() as u64)
    );
    for item in items.iter().take(MAX_SHOWN) {
        text.extend(["  ", &item.window.to_string(), "\n"]);
    }
    if items.len() > MAX_SHOWN {
        let _ = writeln!(text, "  and {} more", count((items.len() - MAX_SHOWN) as u64));
    }
    printer.result(&text)?;
    Ok(Outcome::Done)
}
