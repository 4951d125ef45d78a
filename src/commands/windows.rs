//! What the commands share that run many windows: how a batch is watched, and how its report is printed.

use super::request::RunOptions;
use super::session::Session;
use crate::batch::{Batch, BatchListener, BatchReport, Board, Item, ResultStatus, RunSettings, WindowResult};
use crate::run::JobContext;
use crate::screen::{Printer, ProgressDisplay};
use crate::text::count;
use crate::trigger::{Follower, JobLatestFile};
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::Result;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A line for each window that has ended, above the bar where there is one.
struct ResultLines<'a> {
    printer: &'a Printer,
    total: usize,
    ended: AtomicUsize,
}

impl BatchListener for ResultLines<'_> {
    fn ended(&self, result: &WindowResult) -> Vec<String> {
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        self.printer.note(&format!("{ended} of {}: {}", self.total, result.line()));
        Vec::new()
    }

    fn all_ended(&self, results: &mut [WindowResult]) {
        let all_empty = results.iter().all(|result| result.status == ResultStatus::Empty);
        if results.len() < 2 || !all_empty {
            for result in results {
                self.one_ended(result);
            }
            return;
        }
        let ended = self.ended.fetch_add(results.len(), Ordering::Relaxed) + results.len();
        let windows = || results.iter().map(WindowResult::window);
        let (Some(first), Some(last)) = (windows().min(), windows().max()) else { return };
        let (span, count) = (Window { start: first.start, end: last.end }, count(results.len() as u64));
        self.printer.note(&format!("{ended} of {}: {span} empty: {count} windows", self.total));
    }
}

/// What the runs of a command have in common. `warnings` says what was lowered to fit into memory.
pub fn settings(session: &Session, options: &RunOptions, warnings: Vec<String>) -> RunSettings {
    RunSettings {
        now: session.now,
        now_given: session.now_given,
        dry_run: options.dry_run,
        wait: options.wait,
        allow_empty: options.allow_empty,
        supersede: options.supersede,
        allow_open: options.allow_open,
        warnings,
    }
}

/// Runs the windows; people see how far it is, and `job-latest.json` follows the watermark.
pub fn run_watched(
    batch: &Batch<'_>,
    items: &[Item],
    job_latest: Option<&JobLatestFile>,
    printer: &Printer,
) -> Result<BatchReport> {
    let board = Board::new(items.len() as u64);
    let display = ProgressDisplay::of_windows(printer, board.clone());
    let lines = ResultLines { printer, total: items.len(), ended: AtomicUsize::new(0) };
    let job = &batch.context.job.config.job;
    let follower = job_latest
        .filter(|_| !batch.settings.dry_run)
        .map(|file| Follower::new(file, &batch.context.stores.log, job, batch.settings.now));
    let mut listeners: Vec<&dyn BatchListener> = vec![&board];
    if display.is_shown() {
        listeners.push(&lines);
    }
    if let Some(follower) = &follower {
        follower.catch_up().iter().for_each(|warning| printer.warning(warning));
        listeners.push(follower);
    }
    batch.run(items, &listeners)
}

/// Brings `job-latest.json` to where the watermark is, if the job has that file and it lags behind.
pub fn follow_watermark(context: &JobContext<'_>, now: DateTime<Utc>, printer: &Printer) -> Result<()> {
    if let Some(file) = JobLatestFile::open(context.job, &context.runtime, &context.stop)? {
        let follower = Follower::new(&file, &context.stores.log, &context.job.config.job, now);
        follower.catch_up().iter().for_each(|warning| printer.warning(warning));
    }
    Ok(())
}

/// Prints what became of the windows.
pub fn print(report: &BatchReport, job_file: &Path, printer: &Printer) -> Result<()> {
    if printer.is_json() {
        return printer.json(report);
    }
    printer.verdict(&report.verdict(), report.outcome())?;
    printer.result(&report.details(&job_file.display().to_string()))
}
