//! Telling the listeners of a job, within bounds, and what they are owed.

use super::end::{CommandEnd, RunBrief};
use super::happening::{Happening, What};
use super::listener::{Listener, Voice};
use super::owed::{self, Owed};
use crate::commit::Objects;
use crate::process::clock::Clock;
use crate::process::panics::of_thread;
use crate::process::workers::STACK;
use crate::report::RunReport;
use crate::text::{counted, one_line, redact};
use etl_sdk::{Error, ErrorKind, Result};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Runs of one command that are remembered for its end.
const MAX_RUNS: usize = 1_000;

/// The listeners of a job; clones are the same. Without any, nothing here does anything.
#[derive(Clone, Default)]
pub struct Listeners(Option<Arc<Inner>>);

/// What became of a run of which only the beginning was told.
pub enum Unfinished {
    /// It works, or is brought to its end by this command.
    Running,
    /// It ended like this.
    Ended(Box<Happening>),
}

struct Inner {
    entries: Vec<Entry>,
    job: String,
    voice: Voice,
    clock: Clock,
    run_name: OnceLock<String>,
    /// Theirs alone, and only once one of them hears something.
    runtime: OnceLock<Runtime>,
    has_settled: AtomicBool,
    /// Listener and run of what is owed, as far as this process knows.
    owing: Mutex<BTreeSet<(&'static str, String)>>,
    ended: Mutex<(usize, Vec<RunBrief>)>,
}

struct Entry {
    listener: Box<dyn Listener>,
    /// How long it may still be waited for in vain.
    patience: Mutex<Duration>,
}

/// What a listener said to a call.
struct Answer<'a> {
    listener: &'a dyn Listener,
    /// `None` when it was not asked: it has been waited for long enough.
    result: Option<Result<()>>,
}

impl Listeners {
    /// The listeners of a job, each of which is waited for `patience` in all.
    pub(super) fn new(list: Vec<Box<dyn Listener>>, job: &str, patience: Duration, voice: Voice, clock: Clock) -> Self {
        if list.is_empty() {
            return Self(None);
        }
        let entries = list.into_iter().map(|listener| Entry { listener, patience: Mutex::new(patience) }).collect();
        Self(Some(Arc::new(Inner {
            entries,
            job: job.to_owned(),
            voice,
            clock,
            run_name: OnceLock::new(),
            runtime: OnceLock::new(),
            has_settled: AtomicBool::new(false),
            owing: Mutex::default(),
            ended: Mutex::default(),
        })))
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What the runs are called by whoever started them.
    pub fn call_runs(&self, name: &str) {
        if let Some(inner) = &self.0 {
            let _ = inner.run_name.set(name.to_owned());
        }
    }

    /// Something that happens now, of which more is to be said; `None` when nobody listens.
    pub fn happening(&self, what: What, report: impl FnOnce() -> RunReport) -> Option<Happening> {
        let inner = self.0.as_ref()?;
        let report = RunReport { files: Vec::new(), ..report() };
        Some(Happening {
            what,
            at: inner.clock.now(),
            owner: String::new(),
            run_name: inner.run_name.get().unwrap_or(&report.run_id).clone(),
            lease_expires_at: None,
            watermark: None,
            report,
            report_uri: None,
            is_owed: false,
        })
    }

    /// Tells everybody who hears of such things. What cannot be told and is owed is noted among `objects`. Gives what a
    /// person should know.
    pub fn tell(&self, happening: &Happening, objects: &Objects) -> Vec<String> {
        self.0.as_ref().map_or_else(Vec::new, |inner| inner.tell(happening, Some(objects)))
    }

    /// Tells what listeners are owed since earlier commands, once in a process, and says so. `how` says how a run ended of
    /// which only the beginning was told.
    pub fn settle(&self, objects: &Objects, how: &dyn Fn(&Happening) -> Unfinished) {
        let Some(inner) = &self.0 else { return };
        if inner.has_settled.swap(true, Ordering::AcqRel) {
            return;
        }
        for entry in inner.entries.iter().filter(|entry| entry.listener.is_owed()) {
            inner.settle(entry, objects, how);
        }
    }

    /// Prints warnings for which there is no report.
    pub fn warn(&self, warnings: &[String]) {
        if let Some(inner) = &self.0 {
            for warning in warnings {
                (inner.voice.warning)(warning);
            }
        }
    }

    /// Tells what has happened beside the runs: nothing of it is owed.
    pub(super) fn tell_aside(&self, happening: &Happening) {
        if let Some(inner) = &self.0 {
            inner.tell(happening, None).iter().for_each(|warning| (inner.voice.warning)(warning));
        }
    }

    /// A command begins that runs windows.
    pub(super) fn begin(&self) {
        if let Some(inner) = &self.0 {
            inner.warn(&inner.ask(&|_| true, &|listener| listener.command_begins()));
        }
    }

    /// The runs that have ended: how many, and the first of them.
    pub(super) fn ended(&self) -> (usize, Vec<RunBrief>) {
        self.0.as_ref().map(|inner| lock(&inner.ended).clone()).unwrap_or_default()
    }

    /// A command is at its end.
    pub(super) fn end(&self, end: &CommandEnd) {
        if let Some(inner) = &self.0 {
            inner.warn(&inner.ask(&|_| true, &|listener| listener.command_ends(end)));
        }
    }

    /// Name of the job, for those who tell of no run.
    pub(super) fn job(&self) -> &str {
        self.0.as_ref().map_or("", |inner| &inner.job)
    }
}

impl Inner {
    fn tell(&self, happening: &Happening, objects: Option<&Objects>) -> Vec<String> {
        if let What::Ended(outcome) = happening.what {
            let mut ended = lock(&self.ended);
            ended.0 += 1;
            if ended.1.len() < MAX_RUNS {
                ended.1.push(RunBrief::of(happening, outcome));
            }
        }
        let answers = self.ask(&|listener| listener.hears(&happening.what), &|listener| listener.told(happening));
        let mut warnings = Vec::new();
        for entry in &self.entries {
            let listener = entry.listener.as_ref();
            let answer = answers.iter().find(|answer| answer.listener.name() == listener.name());
            // Who does not hear of it is owed nothing of it.
            let is_told = answer.is_none_or(|answer| matches!(answer.result, Some(Ok(()))));
            let noted = match objects.filter(|_| listener.is_owed()) {
                Some(objects) => self.note(objects, listener, happening, is_told),
                None => Ok(false),
            };
            if let Some(Answer { result: Some(Err(error)), .. }) = answer {
                let is_owed = matches!(noted, Ok(true));
                let end = if is_owed { "the next command of the job tells it" } else { "the run is not affected" };
                warnings.push(untold(listener.name(), error, end));
            }
            if let Err(error) = noted {
                warnings.push(untold(listener.name(), &error, "what it is owed is not noted"));
            }
        }
        warnings
    }

    /// Keeps in mind what is owed: the end of a run that begins, and an end that could not be told. Gives whether something
    /// is owed now.
    fn note(&self, objects: &Objects, listener: &dyn Listener, happening: &Happening, is_told: bool) -> Result<bool> {
        let key = (listener.name(), happening.report.run_id.clone());
        let is_open = match happening.what {
            What::Started => true,
            What::Ended(_) => !is_told,
            What::CommandFailed | What::LateData { .. } => return Ok(false),
        };
        if is_open {
            owed::keep(objects, listener.name(), happening)?;
            lock(&self.owing).insert(key);
        } else if lock(&self.owing).remove(&key) {
            owed::forget(objects, listener.name(), happening)?;
        }
        Ok(is_open)
    }

    fn settle(&self, entry: &Entry, objects: &Objects, how: &dyn Fn(&Happening) -> Unfinished) {
        let name = entry.listener.name();
        let owed = match owed::of(objects, name) {
            Ok(owed) => owed,
            Err(error) => return (self.voice.warning)(&untold(name, &error, "look at what it is owed")),
        };
        let mut told = 0;
        for Owed { path, happening } in owed {
            let key = (name, happening.report.run_id.clone());
            lock(&self.owing).insert(key.clone());
            let happening = match happening.what {
                What::Started => match how(&happening) {
                    Unfinished::Ended(ended) => Happening { is_owed: true, ..*ended },
                    Unfinished::Running => continue,
                },
                _ => happening,
            };
            let who = |listener: &dyn Listener| listener.name() == name && listener.hears(&happening.what);
            match self.ask(&who, &|listener| listener.told(&happening)).into_iter().next() {
                None | Some(Answer { result: Some(Ok(())), .. }) => {
                    let _ = objects.delete(&path);
                    lock(&self.owing).remove(&key);
                    told += 1;
                }
                Some(Answer { result: Some(Err(error)), .. }) => {
                    (self.voice.warning)(&untold(name, &error, "it is still owed"));
                    break;
                }
                Some(Answer { result: None, .. }) => break,
            }
        }
        if told > 0 {
            (self.voice.note)(&format!("told {name} of {}, as it was owed", counted(told, "run")));
        }
    }

    /// Asks everybody of whom `who` is true, all at the same time.
    fn ask<'a>(
        &'a self,
        who: &dyn Fn(&dyn Listener) -> bool,
        call: &dyn Fn(&'a dyn Listener) -> BoxFuture<'a, Result<()>>,
    ) -> Vec<Answer<'a>> {
        let entries: Vec<&Entry> = self.entries.iter().filter(|entry| who(entry.listener.as_ref())).collect();
        if entries.is_empty() {
            return Vec::new();
        }
        let refuse = |error: Error| {
            let message = error.to_string();
            let result = || Some(Err(Error::internal("start a runtime").source(message.clone())));
            entries.iter().map(|entry| Answer { listener: entry.listener.as_ref(), result: result() }).collect()
        };
        let runtime = match self.runtime() {
            Ok(runtime) => runtime,
            Err(error) => return refuse(error),
        };
        let answers = entries.iter().map(|entry| entry.ask(call));
        runtime.block_on(join_all(answers))
    }

    fn runtime(&self) -> Result<&Runtime> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("listeners")
            .thread_stack_size(STACK)
            .enable_all()
            .build()
            .map_err(|error| Error::internal("start the runtime of listeners").source(error))?;
        // Another run may have been faster; then this one ends in the background.
        if let Err(spare) = self.runtime.set(runtime) {
            spare.shutdown_background();
        }
        self.runtime.get().ok_or_else(|| Error::internal("start the runtime of listeners"))
    }

    fn warn(&self, answers: &[Answer<'_>]) {
        for Answer { listener, result } in answers {
            if let Some(Err(error)) = result {
                (self.voice.warning)(&untold(listener.name(), error, "the run is not affected"));
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Entry {
    async fn ask<'a>(&'a self, call: &dyn Fn(&'a dyn Listener) -> BoxFuture<'a, Result<()>>) -> Answer<'a> {
        let listener = self.listener.as_ref();
        let left = *lock(&self.patience);
        if left.is_zero() {
            return Answer { listener, result: None };
        }
        let begun = Instant::now();
        let call = AssertUnwindSafe(async { call(listener).await }).catch_unwind();
        let result = match timeout(left, call).await {
            Ok(Ok(result)) => result,
            Ok(Err(payload)) => Err(of_thread(thread::current().id(), &*payload)),
            Err(_) => {
                Err(Error::new(ErrorKind::Unavailable, "wait for an answer").with("seconds", left.as_secs()).hint(
                    "it is not asked again by this command; `limits.listeners` is how long one is waited for in all",
                ))
            }
        };
        if result.is_err() {
            let mut patience = lock(&self.patience);
            *patience = patience.saturating_sub(begun.elapsed());
        }
        Answer { listener, result: Some(result) }
    }
}

/// What a person should know of a listener that could not be told.
fn untold(name: &str, error: &Error, end: &str) -> String {
    let hint = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
    redact(&one_line(&format!("{name} could not be told: {error}{hint} ({end})")))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
