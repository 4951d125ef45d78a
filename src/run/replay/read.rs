//! Read: the records behind dead letters, as the one task of the replay.

use super::feed::{Feed, Tally};
use super::letters::{LetterFiles, LetterState, ReasonCounts};
use super::plan::{ReplayPlan, Take};
use super::planned::Planned;
use crate::commit::inputs;
use crate::engine::Task;
use crate::engine::context::RunContext;
use crate::engine::read::Tasks;
use crate::engine::worker::Worker;
use crate::run::context::JobContext;
use etl_sdk::Result;
use std::ops::ControlFlow;

/// The number of the one task.
const TASK: usize = 0;

/// Records that were read again.
pub struct ReadAgain {
    /// What came of them.
    pub tasks: Tasks,
    /// What became of the dead letters.
    pub tally: Tally,
}

/// Reads all that is to be read.
pub fn read(
    context: &JobContext<'_>,
    plan: &ReplayPlan<'_>,
    planned: &Planned,
    run: &RunContext<'_>,
) -> Result<ReadAgain> {
    let inputs = inputs::read(context.objects(), &planned.inputs)?.unwrap_or_default();
    let errors = planned.letters.commits.iter().flat_map(|commit| &commit.detail.replayed_objects);
    let errors = errors.map(|object| object.uri.as_str()).collect();
    let mut worker = Worker::new(run)?;
    let mut tally = Tally::default();
    let outcome = worker.task(TASK, |worker, outcome| {
        let mut feed = Feed::new(run, &inputs, errors, worker, outcome);
        match plan.take {
            Take::Letters(reason) => feed_letters(context, planned, run, &mut feed, reason)?,
            Take::Errors(storage, objects) => feed.errors(storage, objects, &plan.window)?,
        }
        tally = feed.into_tally();
        Ok(())
    })?;
    let task = Task { number: TASK, objects: Vec::new() };
    Ok(ReadAgain { tasks: Tasks::of_one(run, &task, outcome, worker.caches())?, tally })
}

/// Feeds the open dead letters, of one reason or all.
fn feed_letters(
    context: &JobContext<'_>,
    planned: &Planned,
    run: &RunContext<'_>,
    feed: &mut Feed<'_, '_>,
    reason: Option<&str>,
) -> Result<()> {
    let is_asked_for = |code: &str| reason.is_none_or(|reason| reason == code);
    let is_open = |(code, counts): (&String, &ReasonCounts)| counts.open > 0 && is_asked_for(code);
    let letters = &planned.letters;
    let files = LetterFiles { storage: &context.places.dead_letters, runtime: &run.runtime, stop: &run.stop };
    for commit in &letters.commits {
        if !letters.of_commit(commit).iter().any(is_open) {
            continue;
        }
        for file in &commit.detail.dead_letters {
            let path = file.pending.path.as_str();
            files.each(path, &mut |line, letter| {
                let code = &letter.reason_code;
                if is_asked_for(code) && letters.state_of(commit, path, line, code) == LetterState::Open {
                    feed.letter(line, &letter)?;
                }
                Ok(ControlFlow::Continue(()))
            })?;
            feed.end_file(path)?;
        }
    }
    Ok(())
}
