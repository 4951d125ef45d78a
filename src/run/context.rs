//! A job with its places opened: what all its runs, and the commands that look after them, share.

use crate::catalog::GlueAddress;
use crate::commit::{CommitLog, Objects, Runner, Stores, lease};
use crate::ddl::catalog_rules;
use crate::engine::Pipeline;
use crate::engine::carry::Carrying;
use crate::engine::context::RunContext;
use crate::job::{Job, Places};
use crate::listen::Listeners;
use crate::output::staging::pending_store;
use crate::process::clock::Clock;
use crate::process::stop::Stop;
use crate::publish::{Announcer, Publisher, Recovered, Target, Urls};
use crate::report::Progress;
use crate::rows::sort::Sorter;
use crate::targets::catalog::CatalogRules;
use crate::targets::{self, TargetSetup};
use crate::window::Window;
use etl_sdk::{Result, Run};
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;

/// A job that is ready to run, any number of windows one after the other or side by side.
pub struct JobContext<'a> {
    /// The job.
    pub job: &'a Job,
    /// What the job does to its rows.
    pub pipeline: &'a Pipeline,
    /// Where it reads and writes.
    pub places: Places,
    /// Its log and pending files.
    pub stores: Stores,
    /// What its commits are announced to.
    pub targets: Vec<Box<dyn Target>>,
    /// The catalog of the job and what it is to know, if it has one.
    pub catalog: Option<(GlueAddress, CatalogRules)>,
    /// Who is told of its runs; nobody until it is set.
    pub listeners: Listeners,
    /// A runtime with threads of its own.
    pub runtime: Handle,
    /// Ends all runs early.
    pub stop: Stop,
    /// Held by the run that merges with what earlier runs left, until it has committed.
    pub(super) turn: Mutex<()>,
}

impl<'a> JobContext<'a> {
    /// Opens the places of a job; nothing is read or created.
    pub fn open(job: &'a Job, pipeline: &'a Pipeline, runtime: Handle, stop: Stop, clock: Clock) -> Result<Self> {
        let places = Places::open(job)?;
        let objects = Objects::new(&places.state, &job.config.job, runtime.clone(), &stop, clock);
        let stores = Stores {
            log: CommitLog::new(objects, Runner::this()),
            tables: pending_store(&places.sink, runtime.clone(), &stop),
            dead_letters: pending_store(&places.dead_letters, runtime.clone(), &stop),
        };
        let rules = catalog_rules(job, pipeline, places.sink.url(), places.source.url())?;
        let catalog = rules.and_then(|rules| Some((job.glue_address()?, rules)));
        let targets = targets::of_job(TargetSetup {
            tables: &stores.tables,
            manifests: &pipeline.manifests,
            catalog: catalog.clone(),
            sink: &places.sink,
            runtime: &runtime,
            stop: &stop,
        });
        let listeners = Listeners::default();
        Ok(Self { job, pipeline, places, stores, targets, catalog, listeners, runtime, stop, turn: Mutex::default() })
    }

    /// What all units of one run share. `name` is the stem of its files' names.
    pub(super) fn run_context<'b>(
        &'b self,
        run: &'b Run,
        name: &'b str,
        stop: &Stop,
        progress: &Progress,
        carrying: Option<Carrying>,
    ) -> Result<RunContext<'b>> {
        let config = &self.job.config;
        Ok(RunContext {
            pipeline: self.pipeline,
            config,
            run,
            name,
            source: &self.places.source,
            tables: Arc::clone(&self.stores.tables),
            dead_letters: Arc::clone(&self.stores.dead_letters),
            sorter: Sorter::new(&config.limits, self.runtime.clone())?.with_stop(stop),
            carrying,
            runtime: self.runtime.clone(),
            progress: progress.clone(),
            stop: stop.child(),
        })
    }

    /// The job's objects in the state.
    pub fn objects(&self) -> &Objects {
        self.stores.objects()
    }

    /// Publishes and announces what earlier runs committed and left behind, except in windows that a runner holds. `own` is
    /// the window that the caller holds itself.
    /// Listeners are told what they are owed, and of the commits that are at their end now.
    pub fn recover(&self, own: Option<Window>) -> Result<Recovered> {
        self.settle_listeners();
        let live = lease::live(self.objects(), self.stores.log.runner())?;
        let busy = |window: &Window| Some(*window) != own && live.iter().any(|holder| holder.window == *window);
        let recovered = self.publisher(|publisher| publisher.recover(&busy))?;
        self.listeners.warn(&self.tell_recovered(&recovered, own));
        Ok(recovered)
    }

    /// Does `work` with what publishes the job's commits.
    pub fn publisher<T>(&self, work: impl FnOnce(&Publisher<'_>) -> T) -> T {
        work(&Publisher {
            stores: &self.stores,
            urls: Urls { sink: self.places.sink.url(), dead_letters: self.places.dead_letters.url() },
            announcer: Announcer { targets: &self.targets, retry: &self.job.config.limits.retry, stop: &self.stop },
        })
    }
}
