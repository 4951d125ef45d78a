//! The windows of a job, run through the executor.

use super::executor::Executor;
use super::item::Item;
use super::listener::BatchListener;
use super::queue::Queue;
use super::report::BatchReport;
use super::result::{ResultStatus, WindowResult};
use crate::commit::lease;
use crate::process::wait::poll;
use crate::report::Progress;
use crate::run::{JobContext, RunPlan, execute};
use crate::text::instant;
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::{EpochMillis, Result};
use std::time::{Duration, Instant};

/// What the runs of a command have in common.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own on the command line")]
pub struct RunSettings {
    /// The instant of all runs.
    pub now: DateTime<Utc>,
    /// Whether a person chose it.
    pub now_given: bool,
    /// Do everything except publish.
    pub dry_run: bool,
    /// How long to wait for another run of a window.
    pub wait: Duration,
    /// Replace rows by nothing when the input is gone.
    pub allow_empty: bool,
    /// Replace the rows of covered windows.
    pub supersede: bool,
    /// Run a window that is open, and keep its rows as provisional.
    pub allow_open: bool,
    /// What was lowered to fit into the memory there is.
    pub warnings: Vec<String>,
}

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

impl RunSettings {
    /// The plan of one run.
    pub fn plan(&self, window: Window, threads: usize, progress: Progress) -> RunPlan {
        RunPlan {
            window,
            now_msec: EpochMillis(self.now.timestamp_millis()),
            now_given: self.now_given,
            threads,
            dry_run: self.dry_run,
            wait: self.wait,
            allow_empty: self.allow_empty,
            supersede: self.supersede,
            allow_open: self.allow_open,
            progress,
            warnings: self.warnings.clone(),
        }
    }
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
        let results = executor.run(items, &|item, threads, progress| self.run_one(item, threads, progress));
        let job = &self.context.job.config.job;
        let mut report = BatchReport::new(self.command, job, results, begun.elapsed().as_secs_f64());
        report.dry_run = self.settings.dry_run;
        report.watermark = self.context.stores.log.refresh()?.watermark.map(instant);
        Ok(report)
    }

    fn run_one(&self, item: &Item, threads: usize, progress: Progress) -> WindowResult {
        let begun = Instant::now();
        match self.is_done_meanwhile(item, begun) {
            Err(error) => return WindowResult::failed(item, &error),
            Ok(true) => return WindowResult::of(item, ResultStatus::Skipped),
            Ok(false) => {}
        }
        let plan = RunPlan {
            wait: self.settings.wait.saturating_sub(begun.elapsed()),
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
