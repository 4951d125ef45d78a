//! Keeps `job-latest.json` up to date while windows are run.

use super::job_latest::JobLatestFile;
use crate::batch::{BatchListener, WindowResult};
use crate::commit::CommitLog;
use crate::text::one_line;
use chrono::{DateTime, Utc};
use etl_sdk::Result;
use std::sync::{Mutex, PoisonError};

/// Writes the file after each window that is done, when the watermark has moved. The window stays done when that fails.
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
        if !result.status.is_good() {
            return Vec::new();
        }
        let failure = self.follow().err();
        let warn = |error| format!("the watermark is not in job-latest.json yet: {}", one_line(&format!("{error}")));
        failure.map(warn).into_iter().collect()
    }
}
