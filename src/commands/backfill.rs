//! `backfill`: many windows of a span of time, each a run of its own.

use super::job_latest::Mirror;
use super::process_environment;
use super::run::{fit, instant, runtime, wait};
use super::window_requests::BackfillRequest;
use super::windows::{Batch, divided, listen, print, recover, sort_out, text};
use crate::batch::{BatchReport, WindowResult};
use crate::engine::Pipeline;
use crate::job::{Job, load};
use crate::registry::builtin;
use crate::report::Outcome;
use crate::run::JobContext;
use crate::schedule::{DEFAULT_BUFFER, closed_until};
use crate::screen::Printer;
use crate::source::Select;
use crate::text::count;
use crate::window::{Every, Window, parse_instant, split};
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use std::fmt::Write as _;

/// Windows that a dry run lists; `--output json` has all.
const SHOWN: usize = 100;

/// Runs the windows, and prints what became of them.
pub fn run(request: &BackfillRequest, printer: &Printer) -> Result<Outcome> {
    let stop = listen(printer)?;
    let now = instant(request.now.as_deref())?;
    let mut loaded = load(&request.job_file, &request.overrides, &process_environment)?;
    let windows = windows(request, &loaded, now)?;
    let fitted = fit(&mut loaded, request.threads, &stop)?;
    let pipeline = Pipeline::build(&loaded, &builtin())?;
    let ordered = pipeline.transformer.ordered();
    if ordered && request.newest_first {
        return Err(Error::new(ErrorKind::Usage, "run the newest windows first")
            .with("transformer", &loaded.config.transformer.name)
            .hint("its windows depend on those before: leave --order out"));
    }
    let parallel = if ordered { 1 } else { request.parallel };
    if parallel < request.parallel {
        printer.note("windows of this transformer depend on those before: one at a time");
    }
    let job = divided(&loaded, parallel);
    let runtime = runtime()?;
    let context = JobContext::open(&job, &pipeline, runtime.handle().clone(), stop)?;
    if !request.dry_run {
        recover(&context, printer)?;
    }
    let state = context.stores.log.refresh()?;
    let (items, mut results) = sort_out(&state, windows, request.again, request.supersede)?;
    drop(state);
    if request.dry_run {
        return rehearse(request, &job, &items, &results, printer);
    }
    printer.note(&format!(
        "{}: {} windows to run, {} done before",
        job.config.job,
        count(items.len() as u64),
        count(results.len() as u64)
    ));
    let mirror = Mirror::open(&job, &context.runtime, &context.stop)?;
    let batch = Batch {
        command: "backfill",
        context: &context,
        printer,
        now,
        now_given: request.now.is_some(),
        threads: fitted.threads,
        warnings: fitted.warnings,
        parallel,
        stop_on_failure: request.stop_on_failure || ordered,
        dry_run: false,
        wait: wait(request.wait.as_deref())?,
        allow_empty: request.allow_empty,
        supersede: request.supersede,
        mirror: mirror.as_ref(),
    };
    let report = batch.run(&items)?;
    results.extend(report.windows);
    results.sort_by_key(WindowResult::window);
    let report = BatchReport {
        watermark: report.watermark,
        ..BatchReport::new("backfill", &job.config.job, results, report.elapsed_seconds)
    };
    drop(context);
    // What still waits for a name server or a slow disk must not hold up the end.
    runtime.shutdown_background();
    print(&report, &request.job_file, printer)?;
    Ok(report.outcome())
}

/// The windows as asked for, in the order to run them.
fn windows(request: &BackfillRequest, job: &Job, now: DateTime<Utc>) -> Result<Vec<Window>> {
    let schedule = job.config.schedule.as_ref();
    let every: Every = match (&request.every, schedule) {
        (Some(text), _) => text.parse()?,
        (None, Some(schedule)) => schedule.every,
        (None, None) => {
            return Err(Error::new(ErrorKind::Usage, "no length of windows is given")
                .hint("add --every 1h, or write `schedule: {every: 1h}` into the job file"));
        }
    };
    if job.config.source.select == Select::Path && !every.is_of_whole_hours() {
        return Err(Error::new(ErrorKind::Usage, "split into windows")
            .with("every", every)
            .with("source.select", "path")
            .hint("paths name an hour: take whole hours"));
    }
    let (from, to) = (parse_instant(&request.from)?, parse_instant(&request.to)?);
    let mut windows: Vec<Window> = split(from, to, every)?.collect();
    let buffer = schedule.map_or(DEFAULT_BUFFER, |schedule| schedule.buffer);
    let closed = closed_until(every, TimeDelta::seconds(buffer.seconds), now);
    if let Some(open) = windows.iter().find(|window| window.end > closed) {
        return Err(Error::new(ErrorKind::Usage, "a window is not closed yet: objects may still arrive in it")
            .with("window", open)
            .with("now", text(now))
            .hint(format!("write --to {}, the end of the last closed window", text(closed))));
    }
    if request.newest_first {
        windows.reverse();
    }
    Ok(windows)
}

fn rehearse(
    request: &BackfillRequest,
    job: &Job,
    items: &[crate::batch::Item],
    skipped: &[WindowResult],
    printer: &Printer,
) -> Result<Outcome> {
    if printer.is_json() {
        let windows = items.iter().map(|item| item.window).collect::<Vec<_>>();
        let done = skipped.iter().map(WindowResult::window).collect::<Vec<_>>();
        printer.json(&serde_json::json!({"plan": {"job": job.config.job, "windows": windows, "done_before": done}}))?;
        return Ok(Outcome::Done);
    }
    let order = if request.newest_first { "newest first" } else { "oldest first" };
    let mut text = format!(
        "backfill of job {}, nothing is done: {} windows to run, {order}, {} done before\n",
        job.config.job,
        count(items.len() as u64),
        count(skipped.len() as u64)
    );
    for item in items.iter().take(SHOWN) {
        text.extend(["  ", &item.window.to_string(), "\n"]);
    }
    if items.len() > SHOWN {
        let _ = writeln!(text, "  and {} more", count((items.len() - SHOWN) as u64));
    }
    printer.result(&text)?;
    Ok(Outcome::Done)
}
