//! The windows that the schedule says are due.

use super::job_latest::JobLatestFile;
use crate::batch::Item;
use crate::commit::{CommitDetail, CommitLog, JobState, inputs};
use crate::job::Job;
use crate::process::stop::Stop;
use crate::schedule::{Due, DueReason, DueWindow, JobLatest, Origin, ScheduleConfig, candidates};
use crate::source::Select;
use crate::storage::Storage;
use crate::text::instant;
use crate::window::Window;
use crate::{schedule, source};
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use std::collections::BTreeSet;
use tokio::runtime::Handle;

/// Finds the windows that are due.
pub struct DueFinder<'a> {
    /// The job.
    pub job: &'a Job,
    /// Its log.
    pub log: &'a CommitLog,
    /// Where raw batches are.
    pub source: &'a Storage,
    /// For the listings.
    pub runtime: &'a Handle,
    /// Ends them early.
    pub stop: &'a Stop,
}

/// The windows that are due, and where a first run takes over.
pub struct ScheduledWindows {
    /// The windows.
    pub due: Due,
    /// Why it starts where it does, for people; `None` unless this is the first run.
    pub first_run: Option<String>,
    /// `job-latest.json`, when the job has one.
    pub job_latest: Option<JobLatestFile>,
}

impl ScheduledWindows {
    /// The windows to run, oldest first.
    pub fn items(&self) -> Vec<Item> {
        let item = |due: &DueWindow| Item {
            window: due.window,
            again: matches!(due.reason, DueReason::LateData { .. }),
            reason: Some(due.reason.clone()),
        };
        self.due.windows.iter().map(item).collect()
    }
}

/// The job's schedule.
///
/// Fails with kind `Usage` when it has none: then a window must be named.
pub fn schedule_of(job: &Job) -> Result<&ScheduleConfig> {
    job.config.schedule.as_ref().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "no window is given, and the job has no schedule").hint(
            "add --window 2026-11-20T05/PT1H, --window 2026-11-20 or --last 1h; or write `schedule: {every: 1h}` into the \
             job file",
        )
    })
}

impl DueFinder<'_> {
    /// Decides what is due; lists objects only where late ones may be.
    pub fn find(&self, now: DateTime<Utc>) -> Result<ScheduledWindows> {
        let config = &self.job.config;
        let rules = schedule_of(self.job)?;
        let state = self.log.refresh()?;
        let file = JobLatestFile::open(self.job, self.runtime, self.stop)?;
        let latest = match &file {
            Some(file) if state.watermark.is_none() => file.read()?.map(|latest| (latest, file.uri())),
            _ => None,
        };
        let start = latest.as_ref().map(|(latest, _)| latest.watermark());
        let mut due = schedule::due(&state, rules, config.source.select, start, now)?;
        if config.source.select == Select::Path && due.origin == Origin::Watermark {
            let seconds = rules.look_back.unwrap_or(config.source.look_back).seconds;
            let mut late = self.late(&state, &candidates(&state, due.begin, seconds))?;
            late.append(&mut due.windows);
            due.windows = late;
        }
        let first_run = explain_first_run(&due, latest.as_ref());
        Ok(ScheduledWindows { due, first_run, job_latest: file })
    }

    /// The done windows whose hours have objects that their commits did not read.
    fn late(&self, state: &JobState, windows: &[Window]) -> Result<Vec<DueWindow>> {
        let mut late = Vec::new();
        for window in windows {
            let Some(commit) = state.windows.get(window).and_then(|known| known.commits.first()) else { continue };
            let detail = CommitDetail::read(self.log.objects(), &commit.detail, &commit.detail_hash)?;
            let Some(read) = inputs::read(self.log.objects(), &detail.inputs)? else { continue };
            let config = &self.job.config;
            let listing = source::list(self.source, &config.source, window, &config.limits);
            let listing = self.runtime.block_on(self.stop.unless(listing))?;
            let changes = inputs::changes(&read, &listing.objects);
            let arrived: BTreeSet<&str> = changes.new.iter().chain(&changes.changed).map(String::as_str).collect();
            if !arrived.is_empty() {
                let there = listing.objects.iter().filter(|object| arrived.contains(object.object.uri.as_str()));
                let bytes = there.map(|object| object.size).sum();
                let reason = DueReason::LateData { objects: arrived.len() as u64, bytes };
                late.push(DueWindow { window: *window, reason });
            }
        }
        Ok(late)
    }
}

/// Why a first run starts where it does, for people; `None` when it is not the first.
fn explain_first_run(due: &Due, latest: Option<&(JobLatest, String)>) -> Option<String> {
    match due.origin {
        Origin::Watermark => None,
        Origin::JobLatest => latest.map(|(latest, uri)| {
            format!("taken over from {uri}, {}: starts at {}", latest.describe(), instant(latest.watermark()))
        }),
        Origin::Start => Some(format!("the first run: starts at schedule.start, {}", instant(due.begin))),
        Origin::LastClosed => Some(format!(
            "the first run: starts with the last closed window, {}; for earlier ones set schedule.start, or use \
             `etl-runner backfill`",
            instant(due.begin)
        )),
    }
}
