//! A job, from its file to what runs it. What a session has started ends with it.

use super::request::JobRequest;
use crate::batch::divide_memory;
use crate::commit::{CommitLog, Objects, Runner};
use crate::engine::Pipeline;
use crate::job::{Examined, Job, Places, examine, load};
use crate::listen;
use crate::listen::{CommandGuard, ListenerSetup, Listeners, Voice};
use crate::process::clock::Clock;
use crate::process::memory;
use crate::process::stop::{Stop, stop_on_signals};
use crate::process::workers::STACK;
use crate::publish::left_behind;
use crate::registry::builtin;
use crate::report::Outcome;
use crate::run::JobContext;
use crate::run::fit::{Fitted, fit};
use crate::screen::Printer;
use crate::text::ByteSize;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, Result};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};

/// Time for a run that is stopped for its memory to end with a report.
const RUN_GRACE: Duration = Duration::from_millis(500);

/// A job that is loaded, and what its commands need to reach its stores.
pub struct Session {
    /// The job.
    pub job: Job,
    /// The command's instant: as given, else the clock's.
    pub now: DateTime<Utc>,
    /// Whether a person chose it.
    pub now_given: bool,
    /// Ends the command early.
    pub stop: Stop,
    /// Who is told of runs.
    pub listeners: Listeners,
    /// A runtime with threads of its own.
    pub runtime: Handle,
    clock: Clock,
    printer: Printer,
    _threads: RuntimeThreads,
}

/// A session whose pipeline is built: it can run windows.
pub struct RunSession {
    session: Session,
    /// What the job does to its rows.
    pub pipeline: Pipeline,
}

/// The threads of a runtime. What still waits for a name server or a slow disk does not hold up their end.
pub struct RuntimeThreads {
    /// The runtime.
    pub handle: Handle,
    runtime: Option<Runtime>,
}

impl Session {
    /// Loads the job. Nothing else is read, and nothing is written. What is damaged in the state and does not stop the
    /// command is told by `printer`.
    pub fn open(request: &JobRequest, stop: Stop, printer: &Printer) -> Result<Self> {
        let clock = Clock::system();
        let now = request.now.unwrap_or_else(|| clock.now());
        let job = load_job(request)?;
        let listeners = listeners_of(&job, &clock, printer)?;
        let threads = RuntimeThreads::start()?;
        Ok(Self {
            listeners,
            job,
            now,
            now_given: request.now.is_some(),
            stop,
            runtime: threads.handle.clone(),
            clock,
            printer: printer.clone(),
            _threads: threads,
        })
    }

    /// The log of the job, without its pipeline: what reads the state alone need not find the files that steps name.
    pub fn log(&self, places: &Places) -> CommitLog {
        let (job, runtime, clock) = (&self.job.config.job, self.runtime.clone(), self.clock.clone());
        let log = CommitLog::new(Objects::new(&places.state, job, runtime, &self.stop, clock), Runner::this());
        self.telling(log)
    }

    fn telling(&self, log: CommitLog) -> CommitLog {
        let printer = self.printer.clone();
        log.telling(move |text| printer.warning(text))
    }

    /// Worker threads: as asked for, else those of the job, else one per core.
    pub fn threads(&self, asked: Option<NonZeroUsize>) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        asked.map(NonZeroUsize::get).or(self.job.config.limits.threads).unwrap_or_else(cores).max(1)
    }

    /// Lowers threads and `limits.memory` to what the process may take.
    pub fn fit(&mut self, threads: Option<NonZeroUsize>) -> Result<Fitted> {
        let asked = self.threads(threads);
        fit(&mut self.job, asked)
    }

    /// Does [`Self::fit`], and stops the command when the process takes more all the same.
    pub fn fit_and_watch(&mut self, threads: Option<NonZeroUsize>, printer: &Printer) -> Result<Fitted> {
        let fitted = self.fit(threads)?;
        watch(fitted.total, RUN_GRACE, &self.stop, printer)?;
        Ok(fitted)
    }

    /// Stops a command that runs no window when the process takes more than it may. What it sorts or asks has a quarter of
    /// that at most.
    pub fn watched(mut self, printer: &Printer) -> Result<Self> {
        let limits = &mut self.job.config.limits;
        let total = memory::total(limits.memory_total.map(|total| total.0));
        limits.memory = limits.memory.min(ByteSize(total / 4));
        watch(total, Duration::ZERO, &self.stop, printer)?;
        Ok(self)
    }

    /// Builds the job's pipeline.
    pub fn build(self) -> Result<RunSession> {
        let pipeline = Pipeline::build(&self.job, &builtin())?;
        Ok(RunSession { session: self, pipeline })
    }
}

impl RunSession {
    /// The job.
    pub fn job(&self) -> &Job {
        &self.session.job
    }

    /// The command's instant.
    pub fn now(&self) -> DateTime<Utc> {
        self.session.now
    }

    /// Ends the command early.
    pub fn stop(&self) -> &Stop {
        &self.session.stop
    }

    /// Divides `limits.memory` among windows that run at the same time.
    pub fn divide_memory(&mut self, parallel: usize) {
        divide_memory(&mut self.session.job.config.limits, parallel);
    }

    /// The job with its places opened; nothing is read or created.
    pub fn context(&self) -> Result<JobContext<'_>> {
        let session = &self.session;
        let (runtime, stop, clock) = (session.runtime.clone(), session.stop.clone(), session.clock.clone());
        let mut context = JobContext::open(&session.job, &self.pipeline, runtime, stop, clock)?;
        context.stores.log = session.telling(context.stores.log);
        context.listeners = session.listeners.clone();
        Ok(context)
    }
}

impl RuntimeThreads {
    /// Starts a runtime.
    pub fn start() -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_stack_size(STACK).enable_all().build();
        let runtime = runtime.map_err(|error| Error::internal("start the runtime").source(error))?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for RuntimeThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Loads a job file with the variables of the process.
pub fn load_job(request: &JobRequest) -> Result<Job> {
    load(&request.job_file, &request.overrides, &|name| std::env::var(name).ok())
}

/// Looks at a job file as a whole, with the variables of the process.
pub fn examine_job(request: &JobRequest) -> Result<Examined> {
    examine(&request.job_file, &request.overrides, &|name| std::env::var(name).ok())
}

/// Watches the memory of the process; a failure that cannot wait is printed as any.
pub fn watch(total: u64, grace: Duration, stop: &Stop, printer: &Printer) -> Result<()> {
    let told = printer.clone();
    memory::watch(total, grace, stop, move |error| told.error(error))
}

/// A token that signals set. To be called once in a process.
pub fn listen(printer: &Printer) -> Result<Stop> {
    let (stop, told) = (Stop::default(), printer.clone());
    stop_on_signals(&stop, move |signal| told.note(&format!("{signal}: stopping; a second signal ends at once")))?;
    Ok(stop)
}

/// Tells the job's listeners of a command that runs windows: `work` is all of it. A dry run is told to nobody.
pub fn listened(
    mut session: Session,
    command: &'static str,
    dry_run: bool,
    work: impl FnOnce(Session) -> Result<Outcome>,
) -> Result<Outcome> {
    if dry_run {
        session.listeners = Listeners::default();
    }
    let guard = CommandGuard::begin(&session.listeners, command);
    let result = work(session);
    guard.end(&result);
    result
}

/// The listeners that the job file names; nobody is told anything yet.
pub fn listeners_of(job: &Job, clock: &Clock, printer: &Printer) -> Result<Listeners> {
    let config = &job.config;
    let (line, note, warning) = (printer.clone(), printer.clone(), printer.clone());
    let voice = Voice {
        line: Arc::new(move |text| line.line(text)),
        note: Arc::new(move |text| note.note(text)),
        warning: Arc::new(move |text| warning.warning(text)),
    };
    let setup = ListenerSetup {
        job: &config.job,
        folder: &job.folder,
        status: &config.status,
        notify: &config.notify,
        metrics: &config.metrics,
        aws: &config.aws,
        s3: config.state.s3.as_ref().unwrap_or(&config.sink.s3),
        patience: config.limits.listeners,
        voice: &voice,
    };
    listen::of_job(&setup, clock.clone())
}

/// Publishes and announces what killed runs have committed, and tells listeners what they are owed, so that what follows
/// counts with it.
pub fn recover_first(context: &JobContext<'_>, printer: &Printer) -> Result<()> {
    context.settle_listeners();
    if context.stores.log.refresh()?.is_settled() {
        return Ok(());
    }
    let recovered = context.recover(None)?;
    recovered.published.iter().for_each(|commit| printer.note(&left_behind(commit)));
    recovered.announced.iter().for_each(|announced| printer.note(&announced.to_string()));
    recovered.failed.iter().for_each(|failed| printer.warning(&failed.to_string()));
    recovered.owed.iter().for_each(|owed| printer.warning(&owed.to_string()));
    Ok(())
}
