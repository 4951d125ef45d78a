//! A job with its places opened: what all its runs, and the commands that look after them, share.

use super::carry::Carrying;
use super::worker::Shared;
use super::{Pipeline, Sorter};
use crate::commit::{
    Books, CommitDetail, CommitLog, Objects, PendingStore, Publisher, Recovered, Runner, lease, pending_store,
};
use crate::job::Job;
use crate::manifest;
use crate::report::Progress;
use crate::stop::Stop;
use crate::storage::Storage;
use crate::window::Window;
use etl_sdk::{Result, Run};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The storages of a job.
pub struct Places {
    /// Raw batches.
    pub source: Storage,
    /// Tables.
    pub sink: Storage,
    /// The commit log, leases and run reports.
    pub state: Storage,
    /// What could not be used.
    pub dead_letters: Storage,
}

impl Places {
    /// Opens the places of a job; nothing is read or created.
    pub fn open(job: &Job) -> Result<Self> {
        let config = &job.config;
        let below_sink = |folder: &str| format!("{}/{folder}", config.sink.url.trim_end_matches('/'));
        let state = config.state.url.clone().unwrap_or_else(|| below_sink("_state"));
        let dead_letters = config.dead_letter.url.clone().unwrap_or_else(|| below_sink("_dead_letters"));
        let open = |url: &str, s3, path: &[&str]| {
            Storage::open_with(url, s3, &job.folder, &config.limits.retry).map_err(|error| job.placed(path, error))
        };
        Ok(Self {
            source: open(&config.source.url, &config.source.s3, &["source", "url"])?,
            sink: open(&config.sink.url, &config.sink.s3, &["sink", "url"])?,
            state: open(&state, config.state.s3.as_ref().unwrap_or(&config.sink.s3), &["state", "url"])?,
            dead_letters: open(
                &dead_letters,
                config.dead_letter.s3.as_ref().unwrap_or(&config.sink.s3),
                &["dead_letter", "url"],
            )?,
        })
    }
}

/// A job that is ready to run, any number of windows one after the other or side by side.
pub struct JobContext<'a> {
    /// The job.
    pub job: &'a Job,
    /// What the job does to its rows.
    pub pipeline: &'a Pipeline,
    /// Where it reads and writes.
    pub places: Places,
    /// What was decided so far.
    pub log: CommitLog,
    /// Makes and publishes the tables' files.
    pub tables: Arc<dyn PendingStore>,
    /// Makes and publishes the dead letters' files.
    pub dead_letters: Arc<dyn PendingStore>,
    /// A runtime with threads of its own.
    pub runtime: Handle,
    /// Ends all runs early.
    pub stop: Stop,
}

impl<'a> JobContext<'a> {
    /// Opens the places of a job; nothing is read or created.
    pub fn open(job: &'a Job, pipeline: &'a Pipeline, runtime: Handle, stop: Stop) -> Result<Self> {
        let places = Places::open(job)?;
        let objects = Objects::new(&places.state, &job.config.job, runtime.clone(), &stop);
        Ok(Self {
            job,
            pipeline,
            log: CommitLog::new(objects, Runner::this()),
            tables: pending_store(&places.sink, runtime.clone(), &stop),
            dead_letters: pending_store(&places.dead_letters, runtime.clone(), &stop),
            places,
            runtime,
            stop,
        })
    }

    /// What the workers of one run share. `name` is the stem of its files' names.
    pub(super) fn shared<'b>(
        &'b self,
        run: &'b Run,
        name: &'b str,
        stop: &Stop,
        progress: &Progress,
        carrying: Option<Carrying>,
    ) -> Result<Shared<'b>> {
        let config = &self.job.config;
        Ok(Shared {
            pipeline: self.pipeline,
            config,
            run,
            name,
            source: &self.places.source,
            tables: Arc::clone(&self.tables),
            dead_letters: Arc::clone(&self.dead_letters),
            sorter: Sorter::new(&config.limits, self.runtime.clone())?.with_stop(stop),
            carrying,
            runtime: self.runtime.clone(),
            progress: progress.clone(),
            stop: stop.child(),
        })
    }

    /// The job's objects in the state.
    pub fn objects(&self) -> &Objects {
        self.log.objects()
    }

    /// Publishes what earlier runs committed and did not publish, except in windows that a runner holds. `own` is the window
    /// that the caller holds itself.
    pub fn recover(&self, own: Option<Window>) -> Result<Recovered> {
        let live = lease::live(self.objects(), self.log.runner())?;
        let busy = |window: &Window| Some(*window) != own && live.iter().any(|holder| holder.window == *window);
        self.publisher(|publisher| publisher.recover(&busy))
    }

    /// The log and the places it decides over.
    pub fn books(&self) -> Books<'_> {
        Books { log: &self.log, tables: self.tables.as_ref(), dead_letters: self.dead_letters.as_ref() }
    }

    /// Does `work` with what publishes the job's commits.
    pub fn publisher<T>(&self, work: impl FnOnce(&Publisher<'_>) -> T) -> T {
        let announce = |detail: &CommitDetail| manifest::announce(self.tables.as_ref(), detail);
        let retract = |paths: &[String]| manifest::retract(self.tables.as_ref(), paths);
        work(&Publisher {
            log: &self.log,
            tables: self.tables.as_ref(),
            dead_letters: self.dead_letters.as_ref(),
            urls: (self.places.sink.url(), self.places.dead_letters.url()),
            announce: &announce,
            retract: &retract,
        })
    }
}
