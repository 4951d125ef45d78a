//! Replays: dead letters of a committed window are read again with today's code, and what comes of them is added to the
//! window as an amendment of its own, decided and published like a run.

mod feed;
mod kept;
mod pass;

pub use self::feed::Left;
pub use self::kept::{Kept, KeptCommit, LetterState, Lines, ReasonCounts};

use self::feed::{Feed, Tally};
use super::context::JobContext;
use super::decision::{Decided, Decision};
use super::describe;
use super::execute::{claim, recover};
use super::phases::Phases;
use crate::commit::{CommitDetail, Event, JobState, Marked, WindowState, inputs};
use crate::engine::carry::{Carrying, CarryingRun};
use crate::engine::merged::merge_all;
use crate::engine::output::RunOutput;
use crate::engine::read::Tasks;
use crate::engine::worker::{Shared, Worker};
use crate::engine::{Task, balance};
use crate::process::stop::Stop;
use crate::report::{ErrorReport, Progress, RunReport, Status};
use crate::rows::quality::conclude;
use crate::source::InputObject;
use crate::storage::Storage;
use crate::window::Window;
use etl_sdk::{EpochMillis, Error, ErrorKind, Result, Run};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The one task of a replay.
const TASK: usize = 0;

/// What is read again.
#[derive(Clone, Copy)]
pub enum Take<'a> {
    /// The window's open dead letters, of one reason code or all.
    Letters(Option<&'a str>),
    /// Objects with Firehose error records, of which those that arrived in the window are taken.
    Errors(&'a Storage, &'a [InputObject]),
}

/// What to replay.
pub struct ReplayPlan<'a> {
    /// A committed window.
    pub window: Window,
    /// What is read again.
    pub take: Take<'a>,
    /// Worker threads of the merges.
    pub threads: usize,
    /// Do all but publish.
    pub dry_run: bool,
    /// How long to wait for another run of the window.
    pub wait: Duration,
    /// Where progress is told.
    pub progress: Progress,
}

/// What a replay of one window did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayReport {
    /// The window.
    pub window: Window,
    /// `done`, `empty` when nothing came of it and nothing was changed, or how it failed.
    pub status: Status,
    /// Number of the amendment; none when there is none.
    pub amendment: Option<u32>,
    /// Dead letters or error records that are done with now.
    pub taken: u64,
    /// Dead letters of the amendment by reason: what could not be used again.
    pub again: BTreeMap<String, u64>,
    /// Dead letters that stay open, by the reason why they could not be read again.
    pub left: BTreeMap<Left, u64>,
    /// Rows added, by table.
    pub rows: BTreeMap<String, u64>,
    /// What a person should know of.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
}

impl ReplayReport {
    fn new(window: Window) -> Self {
        Self {
            window,
            status: Status::Failed,
            amendment: None,
            taken: 0,
            again: BTreeMap::new(),
            left: BTreeMap::new(),
            rows: BTreeMap::new(),
            warnings: Vec::new(),
            error: None,
        }
    }
}

/// Replays dead letters of one window. A replay is small: one that is stopped begins again.
pub fn replay(context: &JobContext<'_>, plan: &ReplayPlan<'_>) -> (ReplayReport, Result<()>) {
    let mut report = ReplayReport::new(plan.window);
    let stop = context.stop.child();
    let result = replay_once(context, plan, &stop, &mut report).map_err(|error| stop.explain(error));
    if let Err(error) = &result {
        if report.status != Status::Partly {
            report.status = super::execute::status_of(error);
        }
        report.error = Some(error.into());
    }
    (report, result)
}

fn replay_once(context: &JobContext<'_>, plan: &ReplayPlan<'_>, stop: &Stop, report: &mut ReplayReport) -> Result<()> {
    let begun = Instant::now();
    let mut phases = Phases::new(plan.progress.clone());
    let _lease = if plan.dry_run {
        None
    } else {
        let lease = claim(context, plan.window, plan.wait, stop, &mut phases)?;
        phases.begin("recover");
        recover(context, plan.window, &mut report.warnings)?;
        Some(lease)
    };
    let state = context.log.refresh()?;
    let (base, known) = (state.version, committed(&state, &plan.window)?);
    drop(state);
    let kept = Kept::read(context.objects(), &known)?;
    let replay = Replay::new(context, plan, base, &known, kept)?;
    let carrying = replay.carrying()?;
    let shared = replay.context.shared(&replay.run, &replay.name, stop, &replay.plan.progress, carrying)?;
    phases.begin("read");
    let (tasks, tally) = replay.read(&shared)?;
    report.left = tally.left.clone();
    phases.begin("merge");
    let mut output = replay.merge(&shared, tasks)?;
    report.again = dead(&output);
    let files = output.files().len();
    for file in output.files() {
        *report.rows.entry(file.table.clone()).or_insert(0) += file.rows;
    }
    // Letters that only moved from one file to another would make an amendment each time somebody tries.
    let in_vain = files == 0 && report.again.values().sum::<u64>() >= tally.taken;
    if tally.taken == 0 || in_vain || plan.dry_run {
        output.give_up_all(&shared);
        report.taken = if in_vain { 0 } else { tally.taken };
        report.status = if report.taken == 0 { Status::Empty } else { Status::Done };
        return Ok(());
    }
    report.taken = tally.taken;
    let mut run = RunReport::new(&replay.run.id, &context.job.config.job, plan.window, replay.run.now);
    describe::output(&mut run, context.pipeline, &output);
    judge(context, &shared, &mut output, &mut run).inspect_err(|_| output.give_up_all(&shared))?;
    report.warnings.append(&mut run.warnings);
    phases.begin("commit");
    let version = match replay.commit(&shared, &output, tally) {
        Ok(Decided::Committed(version)) => version,
        Ok(Decided::Moved) => {
            output.give_up_all(&shared);
            return Err(Error::new(ErrorKind::Held, "another window was committed while this one was replayed")
                .with("window", plan.window)
                .hint("nothing was published; replay it again"));
        }
        Err(error) => {
            if error.kind() == ErrorKind::Held {
                output.give_up_all(&shared);
            }
            return Err(error);
        }
    };
    phases.begin("publish");
    report.amendment = Some(replay.amendment);
    report.status = Status::Partly;
    context.publisher(|publisher| publisher.publish(version))?;
    report.status = Status::Done;
    phases.end();
    run.revision = replay.revision;
    run.amendment = replay.amendment;
    run.status = Status::Done;
    run.phases = phases.done;
    run.elapsed_seconds = begun.elapsed().as_secs_f64();
    describe::dead_letters(&mut run, &context.places, &output.dead_letters);
    describe::keep(context, &run)
}

/// Refuses what a quality rule over rows refuses. Rules over the number of rows are about whole windows, as
/// `limits.dead_letters` is.
fn judge(context: &JobContext<'_>, shared: &Shared<'_>, output: &mut RunOutput, report: &mut RunReport) -> Result<()> {
    let rules = context.pipeline.rules.iter().filter(|rule| rule.test.kind() != "rows");
    let rules: Vec<_> = rules.map(Arc::clone).collect();
    conclude(&rules, std::mem::take(&mut output.quality), &shared.sorter, &|_, _| Vec::new(), report)
}

/// What is known of a window that is committed and published.
fn committed(state: &JobState, window: &Window) -> Result<WindowState> {
    let known = state.window(window);
    if !known.is_committed() {
        return Err(Error::new(ErrorKind::Usage, "the window was never committed")
            .with("window", window)
            .hint("run it first; `etl-runner dead-letters list JOB` names the windows that have dead letters"));
    }
    if state.is_done(window) {
        return Ok(known);
    }
    Err(Error::new(ErrorKind::Unavailable, "the window's last commit is not published yet")
        .with("window", window)
        .hint("`etl-runner recover JOB` goes on with it"))
}

/// A replay that knows its window.
struct Replay<'a> {
    context: &'a JobContext<'a>,
    plan: &'a ReplayPlan<'a>,
    /// Version of the log that it rests on.
    base: u64,
    kept: Kept,
    run: Run,
    name: String,
    revision: u32,
    amendment: u32,
    /// Path of the list of the run's input objects.
    inputs: String,
}

impl<'a> Replay<'a> {
    fn new(
        context: &'a JobContext<'a>,
        plan: &'a ReplayPlan<'a>,
        base: u64,
        known: &WindowState,
        kept: Kept,
    ) -> Result<Self> {
        let first = kept.commits.first().ok_or_else(|| Error::internal("read the commits of a committed window"))?;
        let run = Run {
            id: format!("{}-{}", context.job.config.job, plan.window.id()),
            // The run's own instant: what a replay adds is what the run would have made of it.
            now: first.detail.now_msec,
            window_start: EpochMillis(plan.window.start.timestamp_millis()),
            window_end: EpochMillis(plan.window.end.timestamp_millis()),
        };
        let amendment = known.next_amendment();
        let (name, inputs) = (format!("{}.a{amendment}", first.state.name), first.detail.inputs.clone());
        let revision = first.state.revision;
        Ok(Self { context, plan, base, kept, run, name, revision, amendment, inputs })
    }

    /// Reads all that is to be read, as one task.
    fn read(&self, shared: &Shared<'_>) -> Result<(Tasks, Tally)> {
        let inputs = inputs::read(self.context.objects(), &self.inputs)?.unwrap_or_default();
        let errors = self.kept.commits.iter().flat_map(|commit| &commit.detail.replayed_objects);
        let errors = errors.map(|(uri, _)| uri.as_str()).collect();
        let mut worker = Worker::new(shared)?;
        let mut tally = Tally::default();
        let outcome = worker.task(TASK, |worker, files, outcome| {
            let mut feed = Feed::new(shared, &inputs, errors, worker, files, outcome);
            match self.plan.take {
                Take::Letters(reason) => self.feed_letters(shared, &mut feed, reason)?,
                Take::Errors(storage, objects) => feed.errors(storage, objects, &self.plan.window)?,
            }
            tally = feed.into_tally();
            Ok(())
        })?;
        let task = Task { number: TASK, objects: Vec::new() };
        Ok((Tasks::of_one(shared, &task, outcome, worker.caches())?, tally))
    }

    fn feed_letters(&self, shared: &Shared<'_>, feed: &mut Feed<'_, '_>, reason: Option<&str>) -> Result<()> {
        let places = &self.context.places;
        let lines = Lines { storage: &places.dead_letters, runtime: &shared.runtime, stop: &shared.stop };
        for commit in &self.kept.commits {
            let open = |(code, counts): (&String, &crate::run::replay::kept::ReasonCounts)| {
                counts.open > 0 && reason.is_none_or(|reason| reason == code)
            };
            if !self.kept.of_commit(commit).iter().any(open) {
                continue;
            }
            for file in &commit.detail.dead_letters {
                let path = file.pending.path.as_str();
                lines.each(path, &mut |line, letter| {
                    let state = self.kept.state_of(commit, path, line, &letter.reason_code);
                    let meant = reason.is_none_or(|reason| reason == letter.reason_code);
                    if meant && state == LetterState::Open {
                        feed.letter(line, &letter)?;
                    }
                    Ok(ControlFlow::Continue(()))
                })?;
                feed.end_file(path)?;
            }
        }
        Ok(())
    }

    fn merge(&self, shared: &Shared<'_>, mut tasks: Tasks) -> Result<RunOutput> {
        let mut output = RunOutput::of(self.context.pipeline, &mut tasks);
        let merged = merge_all(shared, tasks.collectors, TASK + 1, self.plan.threads);
        let done = output
            .add_merged(merged, shared)
            .and_then(|()| balance::check(&output.ledger, self.context.pipeline, output.files()));
        done.inspect_err(|_| output.give_up_all(shared))?;
        Ok(output)
    }

    fn carrying(&self) -> Result<Option<Carrying>> {
        let run = CarryingRun {
            window: self.plan.window,
            replaces: None,
            name: &self.name,
            now_msec: self.run.now,
            keep: !self.plan.dry_run,
        };
        Carrying::open(self.context.pipeline, self.context.objects(), self.context.log.refresh()?.as_ref(), run)
    }

    fn commit(&self, shared: &Shared<'_>, output: &RunOutput, tally: Tally) -> Result<Decided> {
        let detail = CommitDetail {
            inputs: self.inputs.clone(),
            replayed: tally.replayed,
            replayed_objects: tally.replayed_objects,
            ..CommitDetail::new(&self.name, self.plan.window, self.run.now)
        };
        let decision = Decision {
            detail,
            base: self.base,
            revision: self.revision,
            amendment: self.amendment,
            supersedes: Vec::new(),
            objects: output.objects,
            input_bytes: output.compressed_bytes,
            late: Vec::new(),
        };
        decision.commit(self.context, shared, output)
    }
}

fn dead(output: &RunOutput) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (reason, count) in output.ledger.steps().flat_map(|(_, counts)| &counts.dead) {
        *all.entry(reason.to_string()).or_insert(0) += count;
    }
    all
}

/// What a run of `window` takes out of the output and does not bring back: error records of Firehose are no input of it.
pub fn forgotten(
    context: &JobContext<'_>,
    state: &JobState,
    window: &Window,
    covered: &[Window],
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (of, commit) in inputs::replaced(state, window, covered).iter().filter(|(_, commit)| commit.amendment > 0) {
        let detail = CommitDetail::read(context.objects(), &commit.detail, &commit.detail_hash)?;
        if !detail.replayed_objects.is_empty() {
            warnings.push(format!(
                "{} replayed Firehose records of {of} are not in the output of this run: replay them again with \
                 `etl-runner dead-letters replay JOB --firehose URL --window {window}`",
                commit.counts.records
            ));
        }
    }
    Ok(warnings)
}

/// Marks the open dead letters of a window as done with, all or those of one reason. Gives their number by reason.
pub fn drop_letters(
    context: &JobContext<'_>,
    window: Window,
    reason: Option<&str>,
    wait: Duration,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<String, u64>> {
    let stop = context.stop.child();
    let mut phases = Phases::new(Progress::default());
    let _lease = claim(context, window, wait, &stop, &mut phases)?;
    recover(context, window, warnings)?;
    let known = committed(context.log.refresh()?.as_ref(), &window)?;
    let kept = Kept::read(context.objects(), &known)?;
    let mut dropped = BTreeMap::new();
    for commit in &kept.commits {
        let counts = kept.of_commit(commit);
        let open = counts
            .iter()
            .filter(|(code, counts)| counts.open > 0 && reason.is_none_or(|reason| reason == code.as_str()));
        let mut count = 0;
        for (code, counts) in open {
            *dropped.entry(code.clone()).or_insert(0) += counts.open;
            count += counts.open;
        }
        if count > 0 {
            context.log.append(Event::Marked(Marked {
                window,
                commit: commit.state.version,
                what: "dropped".to_owned(),
                reasons: reason.map(str::to_owned).into_iter().collect(),
                count,
            }))?;
        }
    }
    Ok(dropped)
}
