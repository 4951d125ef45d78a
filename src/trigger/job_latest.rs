//! The file `job-latest.json`, in a folder or a bucket.

use crate::commit::JobState;
use crate::job::Job;
use crate::process::stop::{SETTLING, Stop};
use crate::schedule::JobLatest;
use crate::storage::{Storage, store_error};
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, Result};
use object_store::ObjectStoreExt;
use object_store::path::Path as ObjectPath;
use tokio::runtime::Handle;

/// The file that `state.job_latest` names.
pub struct JobLatestFile {
    storage: Storage,
    path: ObjectPath,
    runtime: Handle,
    stop: Stop,
}

impl JobLatestFile {
    /// The file of a job, if the job has one; nothing is read.
    pub fn open(job: &Job, runtime: &Handle, stop: &Stop) -> Result<Option<Self>> {
        let config = &job.config;
        let Some(url) = config.state.job_latest.as_deref() else { return Ok(None) };
        let placed = |error| job.placed(&["state", "job_latest"], error);
        let (folder, name) = match url.rsplit_once('/') {
            Some((folder, name)) => (folder, name),
            None => (".", url),
        };
        if name.is_empty() || folder.ends_with("s3:/") {
            return Err(placed(
                Error::config("read the place of job-latest.json")
                    .with("url", url)
                    .hint("name the file: a path, or s3://bucket/clickstream/job-info/project/job-latest.json"),
            ));
        }
        let folder = if folder.is_empty() { "/" } else { folder };
        let s3 = config.state.s3.as_ref().unwrap_or(&config.sink.s3);
        let storage = Storage::open(folder, s3, &job.folder).map_err(placed)?;
        let path = storage.prefix().clone().join(name);
        Ok(Some(Self { storage, path, runtime: runtime.clone(), stop: stop.clone() }))
    }

    /// Where it is, for people.
    pub fn uri(&self) -> String {
        self.storage.uri_of(&self.path)
    }

    /// What it says; `None` when there is none.
    pub fn read(&self) -> Result<Option<JobLatest>> {
        let get = async {
            match self.storage.store().get(&self.path).await {
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(store_error("read job-latest.json", &self.uri(), error)),
                Ok(found) => match found.bytes().await {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) => Err(store_error("read job-latest.json", &self.uri(), error)),
                },
            }
        };
        let bytes = self.runtime.block_on(self.stop.unless(get))?;
        bytes.map(|bytes| JobLatest::read(&bytes).map_err(|error| error.with("uri", self.uri()))).transpose()
    }

    /// Writes that everything before `watermark` is done.
    pub fn write(&self, state: &JobState, watermark: DateTime<Utc>, run: DateTime<Utc>, job: &str) -> Result<()> {
        // What cannot be read is replaced: only `event` and `config` are taken from it.
        let before = self.read().ok().flatten();
        let latest = job_latest(before, state, watermark, run, job);
        let bytes = latest.to_json()?;
        let put = async {
            let put = self.storage.store().put(&self.path, bytes.into()).await;
            put.map(|_| ()).map_err(|error| store_error("write job-latest.json", &self.uri(), error))
        };
        self.runtime.block_on(self.stop.unless_past(SETTLING, put))
    }
}

/// The content for a watermark.
pub fn job_latest(
    before: Option<JobLatest>,
    state: &JobState,
    watermark: DateTime<Utc>,
    run: DateTime<Utc>,
    job: &str,
) -> JobLatest {
    let until = Window { start: watermark, end: watermark };
    let done =
        state.windows.range(..until).rev().find(|(window, known)| known.is_committed() && window.end == watermark);
    let last = done.map_or(until, |(window, _)| *window);
    JobLatest::after(before, watermark, &last, run.timestamp_millis(), job)
}
