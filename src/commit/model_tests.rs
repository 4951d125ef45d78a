//! The protocol under any interleaving: runners that take turns at every single call, one of them killed here and there, an
//! answer lost now and then. The log, the publisher and the books are the real ones; the stores are in memory, and what a
//! run computes is reduced to who made which row.

use super::detail::{CommitDetail, Replaced, ReplacedFile};
use super::entry::{Commit, Counts, Event, Runner, token};
use super::log::{CommitLog, Condition};
use super::objects::Objects;
use super::state_object::ContentHash;
use super::stores::Stores;
use super::work::{PlanRecord, TaskResult, Work};
use crate::commit::record::TargetRecord;
use crate::output::staging::{PendingFile, PendingFound, PendingStore, PendingWriter, Staged, WrittenFile};
use crate::process::stop::Stop;
use crate::publish::{self, Announcer, Publisher, Replacing, Target, Urls};
use crate::storage::RetryConfig;
use crate::window::Window;
use async_trait::async_trait;
use etl_sdk::{EpochMillis, Error, ErrorKind, Ledger, Result};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex};

const TASKS: u64 = 2;

/// What becomes of one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// It is done and answered.
    Done,
    /// It is done and the answer is lost; the runner lives.
    AnswerLost,
    /// The runner is killed before it.
    KilledBefore,
    /// The runner is killed after it.
    KilledAfter,
}

/// Lets one runner at a time do one call.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    runners: usize,
    waiting: BTreeSet<usize>,
    ended: usize,
    turn: Option<(usize, Turn)>,
    killed: BTreeSet<usize>,
}

impl Gate {
    /// Waits for the runner's turn; an error is what the caller hears instead of an answer.
    fn call<T>(&self, runner: usize, work: impl FnOnce() -> T) -> Result<T, ()> {
        let mut state = self.state.lock().unwrap();
        // A runner that does several things at once does them one after the other here.
        while state.waiting.contains(&runner) {
            state = self.changed.wait(state).unwrap();
        }
        if state.killed.contains(&runner) {
            return Err(());
        }
        state.waiting.insert(runner);
        self.changed.notify_all();
        let turn = loop {
            match state.turn {
                Some((chosen, turn)) if chosen == runner => break turn,
                _ => state = self.changed.wait(state).unwrap(),
            }
        };
        let answer = (turn != Turn::KilledBefore).then(work);
        if matches!(turn, Turn::KilledBefore | Turn::KilledAfter) {
            state.killed.insert(runner);
        }
        state.waiting.remove(&runner);
        state.turn = None;
        self.changed.notify_all();
        if turn == Turn::Done { answer.ok_or(()) } else { Err(()) }
    }

    /// Counts the runner as ended when the guard goes, also by a panic.
    fn runner(&self) -> Ending<'_> {
        Ending(self)
    }

    /// Gives turns until all runners have ended.
    fn direct(&self, random: &mut fastrand::Rng, faults: bool) {
        let mut state = self.state.lock().unwrap();
        loop {
            while state.turn.is_some() || state.waiting.len() + state.ended < state.runners {
                state = self.changed.wait(state).unwrap();
            }
            if state.ended == state.runners {
                return;
            }
            let place = random.usize(0..state.waiting.len());
            let runner = state.waiting.iter().nth(place).copied().unwrap();
            let turn = match random.u32(0..200) {
                0 if faults => Turn::KilledBefore,
                1 if faults => Turn::KilledAfter,
                2 if faults => Turn::AnswerLost,
                _ => Turn::Done,
            };
            state.turn = Some((runner, turn));
            self.changed.notify_all();
        }
    }
}

struct Ending<'a>(&'a Gate);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().ended += 1;
        self.0.changed.notify_all();
    }
}

/// The state's store as one runner sees it.
struct SteppedStore {
    store: Arc<InMemory>,
    gate: Arc<Gate>,
    runner: usize,
}

impl SteppedStore {
    fn step<T>(&self, work: impl FnOnce() -> StoreResult<T>) -> StoreResult<T> {
        let lost = || object_store::Error::Generic { store: "model", source: "no answer".into() };
        self.gate.call(self.runner, work).unwrap_or_else(|()| Err(lost()))
    }
}

/// The store in memory never waits, so its calls end when they are first asked.
fn now<T>(call: impl Future<Output = T>) -> T {
    futures::FutureExt::now_or_never(call).expect("an answer at once")
}

impl fmt::Debug for SteppedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "runner {}", self.runner)
    }
}

impl fmt::Display for SteppedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "runner {}", self.runner)
    }
}

#[async_trait]
impl ObjectStore for SteppedStore {
    async fn put_opts(&self, path: &ObjectPath, bytes: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        self.step(|| now(self.store.put_opts(path, bytes, options)))
    }

    async fn put_multipart_opts(
        &self,
        path: &ObjectPath,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.step(|| now(self.store.put_multipart_opts(path, options)))
    }

    async fn get_opts(&self, path: &ObjectPath, options: GetOptions) -> StoreResult<GetResult> {
        self.step(|| now(self.store.get_opts(path, options)))
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<ObjectPath>>,
    ) -> BoxStream<'static, StoreResult<ObjectPath>> {
        let done = self.step(|| Ok(now(self.store.delete_stream(paths).collect::<Vec<_>>())));
        match done {
            Ok(done) => futures::stream::iter(done).boxed(),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        }
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        match self.step(|| now(self.store.list(prefix).try_collect::<Vec<_>>())) {
            Ok(found) => futures::stream::iter(found.into_iter().map(Ok)).boxed(),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> StoreResult<ListResult> {
        self.step(|| now(self.store.list_with_delimiter(prefix)))
    }

    async fn copy_opts(&self, from: &ObjectPath, to: &ObjectPath, options: CopyOptions) -> StoreResult<()> {
        self.step(|| now(self.store.copy_opts(from, to, options)))
    }
}

/// Files of all runners, pending and published, with the rows in them, and the commits that are announced.
#[derive(Default)]
struct Files {
    count: u64,
    announced: BTreeSet<String>,
    pending: BTreeMap<String, Vec<u8>>,
    published: BTreeMap<String, Vec<u8>>,
}

/// The files as one runner sees them.
#[derive(Clone)]
struct SteppedFiles {
    files: Arc<Mutex<Files>>,
    gate: Arc<Gate>,
    runner: usize,
}

impl SteppedFiles {
    fn step<T>(&self, work: impl FnOnce(&mut Files) -> Result<T>) -> Result<T> {
        let lost = || Err(Error::new(ErrorKind::Unavailable, "no answer"));
        self.gate.call(self.runner, || work(&mut self.files.lock().unwrap())).unwrap_or_else(|()| lost())
    }
}

fn hidden(file: &PendingFile) -> &str {
    let Staged::Hidden { path } = &file.staged else { panic!("no upload in memory") };
    path
}

impl PendingStore for SteppedFiles {
    fn create(&self, path: &str) -> Result<Box<dyn PendingWriter>> {
        Ok(Box::new(SteppedWriter { files: self.clone(), path: path.to_owned(), bytes: Vec::new() }))
    }

    fn publish(&self, file: &PendingFile) -> Result<()> {
        self.step(|files| {
            if let Some(bytes) = files.pending.remove(hidden(file)) {
                files.published.insert(file.path.clone(), bytes);
                return Ok(());
            }
            let there = files.published.get(&file.path).is_some_and(|bytes| bytes.len() as u64 == file.bytes);
            let gone = || Error::new(ErrorKind::NotFound, "publish").with("path", &file.path);
            there.then_some(()).ok_or_else(gone)
        })
    }

    fn abandon(&self, file: &PendingFile) -> Result<()> {
        self.step(|files| {
            files.pending.remove(hidden(file));
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.step(|files| {
            files.published.remove(path);
            Ok(())
        })
    }

    fn exists(&self, asked: &[&PendingFile]) -> Result<Vec<bool>> {
        self.step(|files| Ok(asked.iter().map(|file| files.pending.contains_key(hidden(file))).collect()))
    }

    fn pending(&self) -> Result<Vec<PendingFound>> {
        panic!("no runner of the model collects garbage")
    }
}

struct SteppedWriter {
    files: SteppedFiles,
    path: String,
    bytes: Vec<u8>,
}

impl Write for SteppedWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl PendingWriter for SteppedWriter {
    fn finish(self: Box<Self>) -> Result<PendingFile> {
        self.files.step(|files| {
            files.count += 1;
            let hidden = files.count.to_string();
            files.pending.insert(hidden.clone(), self.bytes.clone());
            let (path, bytes) = (self.path.clone(), self.bytes.len() as u64);
            Ok(PendingFile { path, bytes, staged: Staged::Hidden { path: hidden } })
        })
    }
}

/// A target that is told the names of commits. It has no answer now and then, as the stores have.
struct SteppedTarget(SteppedFiles);

impl Target for SteppedTarget {
    fn name(&self) -> &'static str {
        "names"
    }

    fn record(&self, replacing: &Replacing) -> Result<Option<TargetRecord>> {
        let mut names: Vec<String> = replacing.replaced_of("names").map(|(detail, _)| detail.name.clone()).collect();
        for (_, record) in replacing.unpublished_of("names") {
            names.extend(record.read::<Vec<String>>()?);
        }
        TargetRecord::new(&names).map(Some)
    }

    fn announce(&self, commit: &CommitDetail, _record: &TargetRecord) -> Result<()> {
        self.0.step(|files| {
            files.announced.insert(commit.name.clone());
            Ok(())
        })
    }

    fn retract(&self, _commit: &CommitDetail, record: &TargetRecord) -> Result<()> {
        let names: Vec<String> = record.read()?;
        self.0.step(|files| {
            files.announced.retain(|name| !names.contains(name));
            Ok(())
        })
    }
}

/// All that outlives a runner.
struct World {
    store: Arc<InMemory>,
    files: Arc<Mutex<Files>>,
    runtime: tokio::runtime::Runtime,
}

/// One run of a window over one version of its input.
#[derive(Clone, Copy, Debug)]
struct Job {
    window: Window,
    input: u32,
}

struct Attempt {
    job: Job,
    stores: Stores,
    files: SteppedFiles,
    targets: Vec<Box<dyn Target>>,
}

impl Attempt {
    fn new(world: &World, gate: &Arc<Gate>, runner: usize, job: Job) -> Self {
        let store = SteppedStore { store: Arc::clone(&world.store), gate: Arc::clone(gate), runner };
        let objects = Objects::over(Arc::new(store), world.runtime.handle().clone());
        let by = Runner { id: runner.to_string(), ..Runner::default() };
        let files = SteppedFiles { files: Arc::clone(&world.files), gate: Arc::clone(gate), runner };
        let pending: Arc<dyn PendingStore> = Arc::new(files.clone());
        let log = CommitLog::new(objects, by);
        let targets: Vec<Box<dyn Target>> = vec![Box::new(SteppedTarget(files.clone()))];
        Self { job, stores: Stores { log, tables: Arc::clone(&pending), dead_letters: pending }, files, targets }
    }

    fn publisher<T>(&self, work: impl FnOnce(&Publisher<'_>) -> T) -> T {
        work(&Publisher {
            stores: &self.stores,
            urls: Urls { sink: "sink", dead_letters: "dead" },
            announcer: Announcer { targets: &self.targets, retry: &RetryConfig::once(), stop: &Stop::default() },
        })
    }

    /// The steps of a run, without a lease: as if all runners had slept past theirs.
    fn run(&self) -> Result<()> {
        let Job { window, input } = self.job;
        self.publisher(|publisher| publisher.recover(&|_| false))?;
        let state = self.stores.log.refresh()?;
        let revision = state.window(&window).next_revision();
        let name = format!("{}.r{revision}", window.id());
        let id = format!("{revision}-{input}");
        let state = self.stores.clean_up(state, &window, &id, &name)?;
        let plan = PlanRecord { now_msec: EpochMillis(0), name: name.clone(), tasks: TASKS, inputs: input.to_string() };
        let (work, _) = Work::open(self.stores.log.objects(), &window, &id, plan)?;
        let (mut results, state) = self.stores.finished(state, &window, &work)?;
        for task in (0..TASKS).filter(|task| !results.contains_key(task)).collect::<Vec<_>>() {
            let result = self.task(task, &name)?;
            let held = work.register(result.clone())?;
            if held != result {
                self.files.abandon(&result.files[0].pending)?;
            }
            results.insert(task, held);
        }
        let (detail, replacing) = (token(), self.replacing(&state)?);
        let version = self.commit(&detail, &replacing, &name, revision, &results, state.version)?;
        self.publisher(|publisher| publisher.publish(version))?;
        work.remove()
    }

    fn task(&self, task: u64, name: &str) -> Result<TaskResult> {
        let mut writer = self.files.create(&format!("t/{name}-{task}"))?;
        let row = format!("{} task {task} input {}\n", self.job.window.id(), self.job.input);
        writer.write_all(row.as_bytes()).unwrap();
        let file = WrittenFile { table: "t".to_owned(), partition: Vec::new(), pending: writer.finish()?, rows: 1 };
        Ok(TaskResult { task, files: vec![file], ..TaskResult::default() })
    }

    fn replacing(&self, state: &super::JobState) -> Result<Replacing> {
        let read = |path: &str, hash: &ContentHash| CommitDetail::read(self.stores.log.objects(), path, hash);
        let known = state.window(&self.job.window).commits;
        let unpublished = state.unpublished.values().filter(|commit| commit.window == self.job.window);
        Ok(Replacing {
            replaced: known.iter().map(|c| read(&c.detail, &c.detail_hash)).collect::<Result<_>>()?,
            unpublished: unpublished.map(|c| read(&c.detail, &c.detail_hash)).collect::<Result<_>>()?,
        })
    }

    fn commit(
        &self,
        token: &str,
        replacing: &Replacing,
        name: &str,
        revision: u32,
        results: &BTreeMap<u64, TaskResult>,
        base: u64,
    ) -> Result<u64> {
        let window = self.job.window;
        let gone = replacing.replaced.iter().flat_map(|detail| &detail.files).map(|file| ReplacedFile {
            table: file.table.clone(),
            partition: file.partition.clone(),
            path: file.pending.path.clone(),
        });
        let still_there = replacing.unpublished.iter().flat_map(|detail| detail.replaces.files.iter().cloned());
        let replaces = Replaced { files: gone.chain(still_there).collect(), ..Replaced::default() };
        let detail = CommitDetail {
            format: CommitDetail::FORMAT,
            name: name.to_owned(),
            window,
            now_msec: EpochMillis(0),
            program: String::new(),
            inputs: self.job.input.to_string(),
            sink: "sink".to_owned(),
            dead_letter_url: "dead".to_owned(),
            files: results.values().flat_map(|result| result.files.clone()).collect(),
            dead_letters: Vec::new(),
            replaces,
            targets: publish::records(&self.targets, replacing)?,
            replayed: Vec::new(),
            replayed_objects: Vec::new(),
            forgets: false,
            compacts: Vec::new(),
            dropped: Vec::new(),
            ledger: Ledger::default(),
        };
        let (path, hash) = detail.keep(self.stores.log.objects(), token)?;
        let commit = Commit {
            window,
            revision,
            amendment: 0,
            name: name.to_owned(),
            detail: path,
            detail_hash: hash,
            supersedes: Vec::new(),
            counts: Counts::default(),
            late: Vec::new(),
            carried: None,
            provisional: false,
            forgets: false,
            compacts: Vec::new(),
        };
        let condition = Condition { window: Some((window, base)), ..Condition::default() };
        self.stores.log.commit(Event::Commit(Box::new(commit)), &condition).map(Option::unwrap)
    }
}

fn window(hour: u32) -> Window {
    Window::parse(&format!("2026-11-20T{hour:02}")).unwrap()
}

/// Lets the jobs race, then one calm runner after the other recovers and runs what nobody has committed.
fn race(jobs: &[Job], seed: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let world = World { store: Arc::default(), files: Arc::default(), runtime };
    let mut random = fastrand::Rng::with_seed(seed);
    // Two waves: the second meets what the first left behind.
    for wave in jobs.chunks(jobs.len().div_ceil(2)) {
        let gate = Arc::new(Gate::default());
        gate.state.lock().unwrap().runners = wave.len();
        std::thread::scope(|scope| {
            for (runner, job) in wave.iter().enumerate() {
                let (world, gate) = (&world, &gate);
                scope.spawn(move || {
                    let _ending = gate.runner();
                    // Whether it wins, loses or dies is up to the turns; what must hold is checked at the end.
                    let _ = Attempt::new(world, gate, runner, *job).run();
                });
            }
            gate.direct(&mut random, true);
        });
    }
    let windows: BTreeSet<Window> = jobs.iter().map(|job| job.window).collect();
    for window in windows {
        calm(&world, Job { window, input: 99 }, seed);
    }
}

fn calm(world: &World, job: Job, seed: u64) {
    let gate = Arc::new(Gate::default());
    gate.state.lock().unwrap().runners = 1;
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _ending = gate.runner();
            settle(&Attempt::new(world, &gate, 0, job), job, seed);
        });
        gate.direct(&mut fastrand::Rng::with_seed(0), false);
        thread.join().unwrap();
    });
}

fn settle(attempt: &Attempt, job: Job, seed: u64) {
    let recovered = attempt.publisher(|publisher| publisher.recover(&|_| false)).unwrap();
    assert!(recovered.failed.is_empty() && recovered.owed.is_empty(), "seed {seed}: {recovered:?}");
    let state = attempt.stores.log.refresh().unwrap();
    if !state.is_done(&job.window) {
        attempt.run().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let state = attempt.stores.log.refresh().unwrap();
    assert!(state.is_settled() && state.is_done(&job.window), "seed {seed}: {state:?}");
    let commits = state.window(&job.window).commits;
    let [commit] = commits.as_slice() else { panic!("seed {seed}: {commits:?}") };
    let detail = CommitDetail::read(attempt.stores.log.objects(), &commit.detail, &commit.detail_hash).unwrap();
    let id = job.window.id();
    let expected: Vec<String> = (0..TASKS).map(|task| format!("{id} task {task} input {}\n", detail.inputs)).collect();
    let files = attempt.files.files.lock().unwrap();
    let own = files.published.iter().filter(|(path, _)| path.contains(&id));
    let rows: Vec<String> = own.map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect();
    assert_eq!(rows, expected, "seed {seed}: lost or doubled rows; files {:?}", files.published);
    assert!(files.announced.contains(&detail.name), "seed {seed}: {} is not among {:?}", detail.name, files.announced);
}

fn rounds() -> u64 {
    let long = std::env::var("ETL_LONG").is_ok_and(|value| value == "1");
    if long { 50_000 } else { 500 }
}

#[test]
fn rows_are_neither_lost_nor_doubled_and_their_commit_is_announced_whatever_the_interleaving() {
    let job = |hour, input| Job { window: window(hour), input };
    for seed in 0..rounds() {
        // The same plan twice, another input of the same window, and a neighbour.
        let jobs = [job(1, 0), job(1, 0), job(1, 1), job(2, 0), job(1, 0), job(1, 2), job(2, 0)];
        let count = 2 + (seed % 6) as usize;
        race(&jobs[..count], seed);
    }
}
