//! What the commands that run many windows share: the job's log without its pipeline, and the windows one by one.

use super::job_latest::Mirror;
use crate::batch::{BatchReport, Board, Item, Queue, ResultStatus, WindowResult};
use crate::commit::{CommitLog, JobState, Objects, Runner, lease};
use crate::job::{Job, Places};
use crate::process::stop::{Stop, stop_on_signals};
use crate::run::{JobContext, RunPlan, execute};
use crate::schedule::{Coverage, coverage};
use crate::screen::{Printer, ProgressDisplay};
use crate::text::{ByteSize, one_line};
use crate::window::Window;
use chrono::{DateTime, SecondsFormat, Utc};
use etl_sdk::{EpochMillis, Error, ErrorKind, Result};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How often a window that another run holds is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Memory that the least of several windows gets: sorting needs some.
const LEAST_MEMORY: ByteSize = ByteSize::mib(16);

/// A token that signals set.
pub(in crate::commands) fn listen(printer: &Printer) -> Result<Stop> {
    let (stop, told) = (Stop::default(), printer.clone());
    stop_on_signals(&stop, move |signal| told.note(&format!("{signal}: stopping; a second signal ends at once")))?;
    Ok(stop)
}

/// The log of a job, without its pipeline: what reads the state alone need not find the files that steps name.
pub(super) fn log_of(job: &Job, places: &Places, runtime: &Handle, stop: &Stop) -> CommitLog {
    CommitLog::new(Objects::new(&places.state, &job.config.job, runtime.clone(), stop), Runner::this())
}

/// The job with its memory divided among windows that run side by side.
pub(super) fn divided(job: &Job, parallel: usize) -> Job {
    let mut job = job.clone();
    let memory = &mut job.config.limits.memory;
    if parallel > 1 {
        *memory = ByteSize(memory.0 / parallel as u64).max(LEAST_MEMORY.min(*memory));
    }
    job
}

/// Publishes and announces what earlier runs have committed, so that what follows counts with it.
pub(super) fn recover(context: &JobContext<'_>, printer: &Printer) -> Result<()> {
    if context.stores.log.refresh()?.is_settled() {
        return Ok(());
    }
    let recovered = context.recover(None)?;
    for commit in recovered.published {
        printer.note(&format!("published {commit}, which its run had left behind"));
    }
    recovered.announced.iter().for_each(|announced| printer.note(&announced.to_string()));
    recovered.failed.iter().for_each(|failed| printer.warning(&failed.to_string()));
    recovered.owed.iter().for_each(|owed| printer.warning(&owed.to_string()));
    Ok(())
}

/// How windows are run.
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own on the command line")]
pub(super) struct Batch<'a> {
    /// `run`, `backfill` or `retry`.
    pub command: &'static str,
    /// The job, opened.
    pub context: &'a JobContext<'a>,
    /// Where progress is told.
    pub printer: &'a Printer,
    /// The instant of all runs.
    pub now: DateTime<Utc>,
    /// Whether a person chose it.
    pub now_given: bool,
    /// Threads for all windows together.
    pub threads: usize,
    /// What was lowered to fit into the memory there is.
    pub warnings: Vec<String>,
    /// Windows at the same time.
    pub parallel: usize,
    /// Begin no more after a failure.
    pub stop_on_failure: bool,
    /// Do all but publish.
    pub dry_run: bool,
    /// How long to wait for other runs of a window.
    pub wait: Duration,
    /// Replace rows by nothing when the input is gone.
    pub allow_empty: bool,
    /// Replace the rows of covered windows.
    pub supersede: bool,
    /// `job-latest.json`, when the job has one.
    pub mirror: Option<&'a Mirror>,
}

impl Batch<'_> {
    /// Runs the windows, and sums up what became of them.
    pub fn run(&self, items: &[Item]) -> Result<BatchReport> {
        let begun = Instant::now();
        let board = Board::new(items.len() as u64);
        let display = ProgressDisplay::of_windows(self.printer, board.clone());
        let queue = Queue {
            parallel: self.parallel,
            threads: self.threads,
            stop_on_failure: self.stop_on_failure,
            stop: &self.context.stop,
        };
        let mirrored = Mutex::new(None);
        let results = queue.run(items, &|item, threads| {
            let result = self.run_one(item, threads, &board);
            let place = board.end(item.window, result.status.is_failure());
            if display.is_log() {
                self.printer.note(&format!("{place} of {}: {}", items.len(), result.line()));
            }
            self.follow(&mirrored, result)
        });
        drop(display);
        let job = &self.context.job.config.job;
        let mut report = BatchReport::new(self.command, job, results, begun.elapsed().as_secs_f64());
        report.dry_run = self.dry_run;
        report.watermark = self.context.stores.log.refresh()?.watermark.map(text);
        Ok(report)
    }

    fn run_one(&self, item: &Item, threads: usize, board: &Board) -> WindowResult {
        let progress = board.begin(item.window);
        let begun = Instant::now();
        match self.wait_for(item, begun) {
            Err(error) => return WindowResult::failed(item, &error),
            Ok(true) => return WindowResult::of(item, ResultStatus::Skipped),
            Ok(false) => {}
        }
        let plan = RunPlan {
            window: item.window,
            now_msec: EpochMillis(self.now.timestamp_millis()),
            now_given: self.now_given,
            threads,
            dry_run: self.dry_run,
            wait: self.wait.saturating_sub(begun.elapsed()),
            allow_empty: self.allow_empty,
            supersede: self.supersede,
            progress,
            warnings: self.warnings.clone(),
        };
        let (report, result) = execute(self.context, &plan);
        WindowResult::of_run(item, report, &result)
    }

    /// Waits for other runs of the window, as long as it may. Says whether there is nothing left to do: it is done by now.
    fn wait_for(&self, item: &Item, begun: Instant) -> Result<bool> {
        loop {
            if !item.again && self.context.stores.log.refresh()?.is_done(&item.window) {
                return Ok(true);
            }
            if self.dry_run || begun.elapsed() >= self.wait || !self.is_held(item)? {
                return Ok(false);
            }
            self.context.stop.sleep(LOOK_AGAIN.min(self.wait))?;
        }
    }

    fn is_held(&self, item: &Item) -> Result<bool> {
        let live = lease::live(self.context.objects(), self.context.stores.log.runner())?;
        Ok(live.iter().any(|holder| holder.window == item.window))
    }

    /// Writes `job-latest.json` after a window that is done, when the watermark has moved. The window stays done when that
    /// fails; it is told.
    fn follow(&self, mirrored: &Mutex<Option<DateTime<Utc>>>, mut result: WindowResult) -> WindowResult {
        let wanted = result.status.is_good() && !self.dry_run;
        let Some(mirror) = self.mirror.filter(|_| wanted) else { return result };
        let mut last = mirrored.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.context.stores.log.refresh().and_then(|state| match state.watermark {
            Some(watermark) if Some(watermark) != *last => mirror
                .write(&state, watermark, self.now, &self.context.job.config.job)
                .map(|()| *last = Some(watermark)),
            _ => Ok(()),
        });
        if let Err(error) = written {
            result
                .warnings
                .push(format!("the watermark is not in job-latest.json yet: {}", one_line(&error.to_string())));
        }
        result
    }
}

/// The windows that are left to run: not those that are done, unless `again`. Gives the rest as skipped.
///
/// Fails when one of them would have a part of a committed window, which nobody asked to replace.
pub(super) fn sort_out(
    state: &JobState,
    windows: impl IntoIterator<Item = Window>,
    again: bool,
    supersede: bool,
) -> Result<(Vec<Item>, Vec<WindowResult>)> {
    let (mut items, mut skipped) = (Vec::new(), Vec::new());
    for window in windows {
        let item = Item { window, reason: None, again };
        let wrong = |other: Window| {
            Error::new(ErrorKind::Usage, "a window overlaps others that are committed; their rows would be there twice")
                .with("window", window)
                .with("overlaps", other)
        };
        match coverage(state, &window) {
            Coverage::Nothing => items.push(item),
            Coverage::Itself if again => items.push(item),
            Coverage::Itself => skipped.push(WindowResult::of(&item, ResultStatus::Skipped)),
            Coverage::Whole if !again => skipped.push(WindowResult::of(&item, ResultStatus::Skipped)),
            Coverage::Whole | Coverage::Part(_) if supersede => items.push(Item { again: true, ..item }),
            Coverage::Part(other) => {
                return Err(wrong(other).hint(
                    "take --every as long as those that `etl-runner status` shows, or replace \
                                              them with --supersede",
                ));
            }
            Coverage::Whole => {
                let other = state.window_at(window.start).unwrap_or(window);
                return Err(wrong(other).hint("take --every as long as those that `etl-runner status` shows"));
            }
        }
    }
    Ok((items, skipped))
}

/// Prints what became of the windows.
pub(super) fn print(report: &BatchReport, job_file: &std::path::Path, printer: &Printer) -> Result<()> {
    if printer.is_json() {
        return printer.json(report);
    }
    printer.verdict(&report.verdict(), report.outcome())?;
    printer.result(&report.details(&job_file.display().to_string()))
}

/// An instant as reports write it.
pub(super) fn text(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}
