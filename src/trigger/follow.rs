//! Keeps `job-latest.json` up to date while windows are run.

use super::job_latest::JobLatestFile;
use crate::batch::{BatchListener, WindowResult};
use crate::commit::CommitLog;
use crate::text::one_line;
use chrono::{DateTime, Utc};
use etl_sdk::Result;
use std::sync::{Mutex, PoisonError};

/// Writes the file after each window whose rows are published, when the watermark has moved. The window stays done when
/// that fails.
pub struct Follower<'a> {
    file: &'a JobLatestFile,
    log: &'a CommitLog,
    job: &'a str,
    now: DateTime<Utc>,
    written: Mutex<Option<DateTime<Utc>>>,
}

impl<'a> Follower<'a> {
    /// `now` is the instant of the runs.
    pub fn new(file: &'a JobLatestFile, log: &'a CommitLog, job: &'a str, now: DateTime<Utc>) -> Self {
        Self { file, log, job, now, written: Mutex::new(None) }
    }

    /// Writes the file if it lags behind the log: a process that was killed may have moved the watermark. Gives what a person
    /// should know when that fails.
    pub fn catch_up(&self) -> Option<String> {
        // What cannot be read is written anew.
        let known = self.file.read().ok().flatten().map(|latest| latest.watermark());
        let watermark = match self.log.refresh() {
            Ok(state) => state.watermark,
            Err(error) => return warn(Err(error)),
        };
        if known >= watermark { None } else { warn(self.follow()) }
    }

    fn follow(&self) -> Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.log.refresh()?;
        let Some(watermark) = state.watermark.filter(|watermark| Some(*watermark) != *written) else { return Ok(()) };
        self.file.write(&state, watermark, self.now, self.job)?;
        *written = Some(watermark);
        Ok(())
    }
}

impl BatchListener for Follower<'_> {
    fn ended(&self, result: &WindowResult) -> Vec<String> {
        // A window that is only to be announced is published: the watermark has moved over it.
        if !result.status.is_decided() {
            return Vec::new();
        }
        warn(self.follow()).into_iter().collect()
    }
}

fn warn(result: Result<()>) -> Option<String> {
    result.err().map(|error| format!("the watermark is not in job-latest.json yet: {}", one_line(&error.to_string())))
}
