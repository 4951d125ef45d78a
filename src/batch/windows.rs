//! The windows of a job, run through the executor.

use super::ahead::Ahead;
use super::executor::Executor;
use super::item::Item;
use super::listener::BatchListener;
use super::queue::Queue;
use super::report::BatchReport;
use super::result::{ResultStatus, WindowResult, empty_results};
use super::settings::RunSettings;
use crate::commit::lease;
use crate::process::wait::poll;
use crate::report::Progress;
use crate::run::{JobContext, RunPlan, commit_empty, execute};
use crate::text::instant;
use etl_sdk::{EpochMillis, Result};
use std::time::Instant;

/// How many windows of a job are run.
pub struct Batch<'a> {
    /// `run`, `backfill` or `retry`.
    pub command: &'static str,
    /// The job, opened.
    pub context: &'a JobContext<'a>,
    /// What all runs have in common.
    pub settings: RunSettings,
    /// Threads for all windows together.
    pub threads: usize,
    /// Windows at the same time.
    pub parallel: usize,
    /// Begin no more windows after a failure.
    pub stop_on_failure: bool,
}

impl Batch<'_> {
    /// Runs the windows, and sums up what became of them.
    pub fn run(&self, items: &[Item], listeners: &[&dyn BatchListener]) -> Result<BatchReport> {
        let begun = Instant::now();
        let queue = Queue {
            parallel: self.parallel,
            threads: self.threads,
            stop_on_failure: self.stop_on_failure,
            stop: &self.context.stop,
        };
        let executor = Executor { queue, listeners };
        let ahead = Ahead::new(self.context, &self.settings);
        let together = |items: &[Item]| ahead.together(items);
        let results = executor.run(items, &together, &|items, threads, progress| match items {
            [item] => vec![self.run_one(item, threads, progress, &ahead)],
            items => self.run_empty(items, threads, &ahead),
        });
        let job = &self.context.job.config.job;
        let mut report = BatchReport::new(self.command, job, results, begun.elapsed().as_secs_f64());
        report.dry_run = self.settings.dry_run;
        report.watermark = self.context.stores.log.refresh()?.watermark.map(instant);
        Ok(report)
    }

    /// Decides over windows that are empty together; one by one if that cannot be.
    fn run_empty(&self, items: &[Item], threads: usize, ahead: &Ahead<'_>) -> Vec<WindowResult> {
        // What is wrong with the source is told by the windows' own runs.
        let decided = ahead.plan(items).and_then(|plan| match (plan, ahead.warnings()) {
            (Some(plan), Ok(warnings)) => commit_empty(self.context, &plan, &warnings),
            _ => Ok(None),
        });
        match decided {
            Ok(Some((report, kept))) => empty_results(items, &report, kept.as_ref()),
            Ok(None) => items.iter().map(|item| self.run_one(item, threads, Progress::default(), ahead)).collect(),
            Err(error) => items.iter().map(|item| WindowResult::failed(item, &error)).collect(),
        }
    }

    fn run_one(&self, item: &Item, threads: usize, progress: Progress, ahead: &Ahead<'_>) -> WindowResult {
        let begun = Instant::now();
        match self.is_done_meanwhile(item, begun) {
            Err(error) => return WindowResult::failed(item, &error),
            Ok(true) => {
                let now = EpochMillis(self.settings.now.timestamp_millis());
                let mut result = WindowResult::of(item, ResultStatus::Skipped);
                result.warnings = self.context.tell_skipped(item.window, now);
                return result;
            }
            Ok(false) => {}
        }
        let plan = RunPlan {
            wait: self.settings.wait.saturating_sub(begun.elapsed()),
            stretch: ahead.stretch(&item.window),
            ..self.settings.plan(item.window, threads, progress)
        };
        let (report, result) = execute(self.context, &plan);
        WindowResult::of_run(item, report, &result)
    }

    /// Waits for other runs of the window, as long as it may. Says whether there is nothing left to do.
    fn is_done_meanwhile(&self, item: &Item, begun: Instant) -> Result<bool> {
        let wait = self.settings.wait;
        let look = || {
            let state = self.context.stores.log.refresh()?;
            if !item.again && state.is_done(&item.window) && !state.is_provisional(&item.window) {
                return Ok(Some(true));
            }
            let waits = !self.settings.dry_run && !wait.is_zero() && self.is_held(item)?;
            Ok((!waits).then_some(false))
        };
        Ok(poll(&self.context.stop, begun, wait, look)?.unwrap_or(false))
    }

    fn is_held(&self, item: &Item) -> Result<bool> {
        let live = lease::live(self.context.objects(), self.context.stores.log.runner())?;
        Ok(live.iter().any(|holder| holder.window == item.window))
    }
}
