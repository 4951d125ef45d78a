//! One run: list, read, merge, check, publish, report.

use super::balance;
use super::merged::{Merged, merge_table};
use super::pipeline::{Pipeline, is_merged};
use super::tasks::{Task, pack};
use super::worker::{Remains, Shared, TaskOutcome, Worker};
use super::{RowCollector, Sorter};
use crate::commit::{PendingFile, PendingStore, pending_store};
use crate::job::Job;
use crate::report::{CacheReport, EnrichmentReport, FileReport, PhaseReport, Progress, RunReport, Status, usage};
use crate::sink::WrittenFile;
use crate::source::{self, Listing};
use crate::stop::{SETTLING, Stop, StopReason};
use crate::storage::{Storage, store_error};
use crate::window::Window;
use etl_sdk::{CacheStats, Error, ErrorKind, Ledger, Output, Result, Run};
use object_store::ObjectStoreExt;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::runtime::Handle;

/// Files that are published at the same time.
const PUBLISHING: usize = 8;

/// What to run.
pub struct RunPlan<'a> {
    /// The job.
    pub job: &'a Job,
    /// What the job does to its rows.
    pub pipeline: &'a Pipeline,
    /// The window to run.
    pub window: Window,
    /// The run's instant, epoch milliseconds.
    pub now_msec: i64,
    /// Worker threads.
    pub threads: usize,
    /// Do all but publish.
    pub dry_run: bool,
    /// A runtime with threads of its own.
    pub runtime: Handle,
    /// Where progress is told.
    pub progress: Progress,
    /// Ends the run early.
    pub stop: Stop,
}

/// The storages of a job.
pub struct Places {
    /// Raw batches.
    pub source: Storage,
    /// Tables.
    pub sink: Storage,
    /// Run reports.
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

/// Everything the tasks and merges left behind.
#[derive(Default)]
struct Work {
    files: Vec<WrittenFile>,
    dead_letters: Vec<PendingFile>,
    ledger: Ledger,
    caches: BTreeMap<&'static str, CacheStats>,
    objects: u64,
    archived: u64,
    compressed_bytes: u64,
    decompressed_bytes: u64,
}

/// Runs a job over a window. The report is complete as far as the run came, whether it failed or not.
pub fn execute(plan: &RunPlan<'_>) -> (RunReport, Result<()>) {
    let begun = Instant::now();
    let run = run_of(plan);
    let mut report = RunReport::new(&run.id, &plan.job.config.job, plan.window, plan.now_msec);
    report.dry_run = plan.dry_run;
    let result = Places::open(plan.job).and_then(|places| {
        let mut phases = Phases::new(plan.progress.clone());
        let result =
            run_to_end(plan, &places, &run, &mut phases, &mut report).map_err(|error| plan.stop.explain(error));
        phases.end();
        report.phases = phases.done;
        if let Err(error) = &result {
            if report.status != Status::Partly {
                report.status = match error.kind() {
                    ErrorKind::Gate => Status::Refused,
                    ErrorKind::Stopped => Status::Stopped,
                    _ => Status::Failed,
                };
            }
            report.error = Some(error.into());
        }
        report.elapsed_seconds = begun.elapsed().as_secs_f64();
        let used = usage::now();
        report.cpu_seconds = used.cpu_seconds;
        report.peak_memory_bytes = used.peak_memory_bytes;
        // A report that cannot be kept must not hide why the run failed.
        match keep_report(plan, &places, &report) {
            Err(error) if result.is_ok() => Err(error),
            _ => result,
        }
    });
    if let (Err(error), None) = (&result, &report.error) {
        report.status = Status::Failed;
        report.error = Some(error.into());
    }
    (report, result)
}

fn run_of(plan: &RunPlan<'_>) -> Run {
    Run {
        id: format!("{}-{}", plan.job.config.job, plan.window.id()),
        now_msec: plan.now_msec,
        window_start_msec: plan.window.start.timestamp_millis(),
        window_end_msec: plan.window.end.timestamp_millis(),
    }
}

fn run_to_end(
    plan: &RunPlan<'_>,
    places: &Places,
    run: &Run,
    phases: &mut Phases,
    report: &mut RunReport,
) -> Result<()> {
    let config = &plan.job.config;
    phases.begin("list");
    let listing = source::list(&places.source, &config.source, &plan.window, &config.limits);
    let listing = plan.runtime.block_on(plan.stop.unless(listing))?;
    describe_listing(report, &listing);
    if listing.objects.is_empty() {
        report.status = Status::Empty;
        return Ok(());
    }
    let bytes = listing.objects.iter().map(|object| object.size).sum();
    plan.progress.set_total(listing.objects.len() as u64, bytes);
    let tasks = pack(listing.objects, config.limits.task_bytes.0);
    phases.begin("read");
    let stop = plan.stop.child();
    let shared = Shared {
        pipeline: plan.pipeline,
        config,
        run,
        source: &places.source,
        tables: pending_store(&places.sink, plan.runtime.clone(), &stop),
        dead_letters: pending_store(&places.dead_letters, plan.runtime.clone(), &stop),
        sorter: Sorter::new(&config.limits, plan.runtime.clone())?.with_stop(&stop),
        runtime: plan.runtime.clone(),
        progress: plan.progress.clone(),
        stop,
    };
    let mut work = Work { ledger: plan.pipeline.ledger(), ..Work::default() };
    let done = read_all(&shared, &tasks, plan.threads, &mut work)
        .and_then(|collectors| {
            phases.begin("merge");
            merge_all(&shared, collectors, tasks.len(), plan.threads, &mut work)
        })
        .and_then(|()| balance::check(&work.ledger, plan.pipeline, &work.files));
    describe_work(report, plan.pipeline, &work);
    let done = done.and_then(|()| gate(plan, &work.ledger));
    phases.begin("publish");
    settle(plan, places, &shared, &work, done, report)?;
    report.status = Status::Done;
    Ok(())
}

/// Publishes what a good run leaves behind, and gives up what a failed one does.
fn settle(
    plan: &RunPlan<'_>,
    places: &Places,
    shared: &Shared<'_>,
    work: &Work,
    done: Result<()>,
    report: &mut RunReport,
) -> Result<()> {
    let tables: Vec<&PendingFile> = work.files.iter().map(|file| &file.pending).collect();
    let dead_letters: Vec<&PendingFile> = work.dead_letters.iter().collect();
    let refused = done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Gate);
    // The dead letters are what explains a refusal: they are kept, the tables are not.
    if (done.is_ok() || refused) && !plan.dry_run {
        publish(shared.dead_letters.as_ref(), &dead_letters)?;
        describe_dead_letters(report, places, work);
    } else {
        abandon(shared.dead_letters.as_ref(), &dead_letters);
    }
    if done.is_ok() && !plan.dry_run {
        // Until the commit protocol is there, a failure from here on may leave some files visible and some not.
        report.status = Status::Partly;
        publish(shared.tables.as_ref(), &tables)?;
    } else {
        abandon(shared.tables.as_ref(), &tables);
    }
    done
}

/// Runs all tasks on `threads` workers. Returns the partial rows by table.
fn read_all(shared: &Shared<'_>, tasks: &[Task], threads: usize, work: &mut Work) -> Result<Vec<Vec<RowCollector>>> {
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<TaskOutcome>> = Mutex::new(Vec::new());
    let run_worker = || -> Result<Remains> {
        let mut worker = Worker::new(shared)?;
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            match worker.run(task) {
                Ok(outcome) => outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome),
                Err(error) => {
                    // The first to fail says why; the others stop because of it.
                    let first = shared.stop.set(StopReason::WorkerFailed);
                    return Err(if first { error } else { shared.stop.explain(error) });
                }
            }
        }
        Ok(worker.finish())
    };
    let results = on_threads(threads.min(tasks.len()), run_worker);
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    for outcome in &mut outcomes {
        work.files.append(&mut outcome.files);
        work.dead_letters.extend(outcome.dead_letters.take());
        work.objects += outcome.objects;
        work.archived += outcome.archived;
        work.compressed_bytes += outcome.compressed_bytes;
        work.decompressed_bytes += outcome.decompressed_bytes;
    }
    let mut collectors: Vec<Vec<RowCollector>> = shared.pipeline.tables.iter().map(|_| Vec::new()).collect();
    let mut failure: Option<Error> = None;
    for result in results {
        match result {
            Ok(remains) => {
                for (all, own) in collectors.iter_mut().zip(remains.collectors) {
                    all.extend(own);
                }
                work.take(&remains.out, remains.caches);
            }
            Err(error) if failure.as_ref().is_none_or(is_consequence) => failure = Some(error),
            Err(_) => {}
        }
    }
    match failure {
        None => Ok(collectors),
        Some(error) => Err(error),
    }
}

fn is_consequence(error: &Error) -> bool {
    error.kind() == ErrorKind::Stopped
}

/// Merges the tables that are merged, several at a time.
fn merge_all(
    shared: &Shared<'_>,
    collectors: Vec<Vec<RowCollector>>,
    tasks: usize,
    threads: usize,
    work: &mut Work,
) -> Result<()> {
    let waiting: Vec<_> = shared
        .pipeline
        .tables
        .iter()
        .enumerate()
        .zip(collectors)
        .filter(|((_, plan), _)| is_merged(&plan.table) && plan.sink.is_some())
        .collect();
    let threads = threads.min(waiting.len());
    if threads == 0 {
        return Ok(());
    }
    let sorter = shared.sorter.split(threads);
    let waiting = Mutex::new(waiting.into_iter());
    let run_merges = || -> Vec<Result<Merged>> {
        let mut done = Vec::new();
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(((place, plan), collectors)) = next else { return done };
            let merged = merge_table(shared, place, plan, collectors, tasks + place, &sorter);
            if merged.is_err() {
                shared.stop.set(StopReason::WorkerFailed);
            }
            done.push(merged);
        }
    };
    let mut failure = None;
    for merged in on_threads(threads, || Ok(run_merges())).into_iter().flat_map(Result::unwrap_or_default) {
        match merged {
            Ok(merged) => {
                work.files.extend(merged.files);
                work.dead_letters.extend(merged.dead_letters);
                work.take(&merged.out, merged.caches);
            }
            Err(error) if failure.as_ref().is_none_or(is_consequence) => failure = Some(error),
            Err(_) => {}
        }
    }
    failure.map_or(Ok(()), Err)
}

impl Work {
    fn take(&mut self, out: &Output, caches: Vec<CacheStats>) {
        self.ledger.merge(&out.ledger);
        for stats in caches {
            self.caches
                .entry(stats.name)
                .or_insert_with(|| CacheStats { name: stats.name, ..CacheStats::default() })
                .merge(&stats);
        }
    }
}

/// Runs `work` on `threads` threads and waits for all. A panic in one is an error of its own.
fn on_threads<T: Send>(threads: usize, work: impl Fn() -> Result<T> + Sync) -> Vec<Result<T>> {
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(&work)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|_| Err(Error::internal("a worker thread panicked"))))
            .collect()
    })
}

fn gate(plan: &RunPlan<'_>, ledger: &Ledger) -> Result<()> {
    let Some(limit) = plan.job.config.limits.dead_letters else { return Ok(()) };
    let dead = ledger.steps().map(|(_, counts)| counts.dead_total()).sum::<u64>();
    let chain = plan.pipeline.transformer.chain();
    let made = chain.iter().filter_map(|step| ledger.get(step)).map(|counts| counts.added).sum::<u64>();
    let read = ledger.get(super::worker::SOURCE_STEP).map_or(0, |counts| counts.read) + made;
    if !limit.is_exceeded(dead, read) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Gate, "refuse to publish: too many dead letters")
        .with("dead_letters", dead)
        .with("read", read)
        .with("limits.dead_letters", String::from(limit))
        .hint("look at the dead letters, mend the input or the job, or raise limits.dead_letters"))
}

fn publish(store: &dyn PendingStore, files: &[&PendingFile]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let results = on_threads(PUBLISHING.min(files.len()), || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            store.publish(file)?;
        }
        Ok(())
    });
    results.into_iter().collect()
}

/// Gives files up. What cannot be removed now is invisible and does no harm.
fn abandon(store: &dyn PendingStore, files: &[&PendingFile]) {
    for file in files {
        let _ = store.abandon(file);
    }
}

fn keep_report(plan: &RunPlan<'_>, places: &Places, report: &RunReport) -> Result<()> {
    if plan.dry_run {
        return Ok(());
    }
    let path =
        places.state.prefix().clone().join(report.job.as_str()).join("runs").join(format!("{}.json", report.run_id));
    let text =
        serde_json::to_vec_pretty(report).map_err(|error| Error::internal("write the run report").source(error))?;
    let store = Arc::clone(places.state.store());
    plan.runtime
        .block_on(plan.stop.unless_past(SETTLING, async {
            store
                .put(&path, text.into())
                .await
                .map_err(|error| store_error("keep the run report", &places.state.uri_of(&path), error))
        }))
        .map(|_| ())
}

/// The phases of a run, for the progress and the report.
struct Phases {
    progress: Progress,
    current: Option<(&'static str, Instant)>,
    done: Vec<PhaseReport>,
}

impl Phases {
    fn new(progress: Progress) -> Self {
        Self { progress, current: None, done: Vec::new() }
    }

    /// Ends the phase before and begins the next.
    fn begin(&mut self, name: &'static str) {
        self.end();
        self.progress.set_phase(name);
        self.current = Some((name, Instant::now()));
    }

    fn end(&mut self) {
        if let Some((name, begun)) = self.current.take() {
            let elapsed_seconds = begun.elapsed().as_secs_f64();
            self.done.push(PhaseReport { name: name.to_owned(), elapsed_seconds });
        }
    }
}

fn describe_listing(report: &mut RunReport, listing: &Listing) {
    report.objects.listed = listing.listed;
    report.objects.selected = listing.objects.len() as u64;
    report.objects.skipped =
        listing.skipped.iter().map(|(reason, (count, _))| ((*reason).to_owned(), *count)).collect();
}

fn describe_work(report: &mut RunReport, pipeline: &Pipeline, work: &Work) {
    report.objects.read = work.objects;
    report.objects.archived = work.archived;
    report.bytes.compressed = work.compressed_bytes;
    report.bytes.decompressed = work.decompressed_bytes;
    report.records = work.ledger.get(super::worker::SOURCE_STEP).map_or(0, |counts| counts.read);
    report.set_ledger(&work.ledger, &|step| pipeline.table_of(step));
    let names: Vec<_> = pipeline.tables.iter().map(|plan| plan.table.schema.table.as_str()).collect();
    let files = work.files.iter().map(|file| FileReport {
        table: file.table.clone(),
        path: file.pending.path.clone(),
        partition: partition_path(&file.pending.path),
        rows: file.rows,
        bytes: file.pending.bytes,
    });
    report.set_files(&names, files.collect());
    report.caches = work.caches.values().map(CacheReport::from).collect();
    report.enrichments = pipeline
        .tables
        .iter()
        .flat_map(|plan| &plan.steps)
        .map(|step| EnrichmentReport::new(&step.name, &step.enrichment.facts()))
        .filter(|enrichment| !enrichment.facts.is_empty())
        .collect();
    if work.archived > 0 {
        report.warnings.push(format!("{} objects are archived and were not read; restore them first", work.archived));
    }
}

/// The part of a file's path between the table's folder and its name.
fn partition_path(path: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder.split_once('/').map_or("", |(_, partition)| partition).to_owned()
}

fn describe_dead_letters(report: &mut RunReport, places: &Places, work: &Work) {
    report.dead_letters.files =
        work.dead_letters.iter().map(|file| format!("{}/{}", places.dead_letters.url(), file.path)).collect();
    report.dead_letters.files.sort_unstable();
}
