//! What earlier runs of a window left behind without a commit: of use, or in the way.

use super::entry::Event;
use super::history::JobState;
use super::stores::Stores;
use super::work;
use super::work::{TaskResult, Work};
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Stores {
    /// Gives up what runs with another plan than `id` left behind. The fence comes first: one of them may only be asleep.
    /// `name` is that of the files of the run that asks. Gives the state to go on from.
    pub fn clean_up(&self, state: Arc<JobState>, window: &Window, id: &str, name: &str) -> Result<Arc<JobState>> {
        let left = work::others(self.objects(), window, id)?;
        // The files of a commit that is not published are among them: it is published first, or replaced.
        if left.is_empty() || state.unpublished.values().any(|commit| commit.window == *window) {
            return Ok(state);
        }
        let why = "the job, its input or the program changed since the run that left it behind";
        let state = self.fence(&state, window, why)?;
        for work in left {
            let plan = work.plan()?;
            for result in work.results()?.values() {
                self.give_up(result)?;
                // Those of a run that a gate refused are shown already.
                if let Some(file) = &result.dead_letters
                    && plan.as_ref().is_some_and(|plan| plan.name == name)
                {
                    self.dead_letters.remove(&file.pending.path)?;
                }
            }
            work.remove()?;
        }
        Ok(state)
    }

    /// The results that an earlier run with the same plan left behind and that are whole, and the state to go on from: they
    /// were read after it, so a run that gives them up later is in the way of the commit. Those that are not whole are
    /// forgotten, behind a fence.
    pub fn finished(
        &self,
        mut state: Arc<JobState>,
        window: &Window,
        work: &Work,
    ) -> Result<(BTreeMap<u64, TaskResult>, Arc<JobState>)> {
        loop {
            let results = work.results()?;
            let broken = self.broken(work, &results)?;
            if broken.is_empty() {
                return Ok((results, state));
            }
            state = self.fence(&state, window, "pending files of finished tasks are gone")?;
            for result in broken {
                self.give_up(result)?;
                work.forget(result.task)?;
            }
            // What was read before the fence may have been given up behind another one: it is read again.
        }
    }

    fn broken<'r>(&self, work: &Work, results: &'r BTreeMap<u64, TaskResult>) -> Result<Vec<&'r TaskResult>> {
        let files: Vec<_> = results.values().flat_map(|result| result.pending().0).collect();
        let dead_letters: Vec<_> = results.values().filter_map(|result| result.pending().1).collect();
        let mut files = self.tables.exists(&files)?.into_iter();
        let mut dead_letters = self.dead_letters.exists(&dead_letters)?.into_iter();
        let mut broken = Vec::new();
        for result in results.values() {
            let (own, letters) = result.pending();
            let missing = files.by_ref().take(own.len()).filter(|there| !there).count();
            let letters_there = letters.is_none() || dead_letters.next().unwrap_or(false);
            if missing > 0 || !letters_there || !work.has_rows(result)? {
                broken.push(result);
            }
        }
        Ok(broken)
    }

    /// The state as of now, if no run has committed the window since `before`.
    fn unchanged(&self, window: &Window, before: &JobState) -> Result<Arc<JobState>> {
        let now = self.log.refresh()?;
        let same = now.window(window).next_revision() == before.window(window).next_revision();
        if same && now.overlapping(window) == before.overlapping(window) {
            return Ok(now);
        }
        Err(Error::new(ErrorKind::Held, "another runner committed the window while this one began")
            .with("window", window)
            .hint("nothing was read; run the window again to replace its rows"))
    }

    /// From here on no run that began earlier can commit the window. One that has done so since `state` was read owns what
    /// was about to be given up: then it must stay. Gives the state behind the fence.
    fn fence(&self, state: &JobState, window: &Window, reason: &str) -> Result<Arc<JobState>> {
        self.log.append(Event::Fence { windows: vec![*window], reason: reason.to_owned() })?;
        failpoint!("run.fenced");
        self.unchanged(window, state)
    }

    fn give_up(&self, result: &TaskResult) -> Result<()> {
        let (files, dead_letters) = result.pending();
        files.iter().try_for_each(|file| self.tables.abandon(file))?;
        dead_letters.iter().try_for_each(|file| self.dead_letters.abandon(file))
    }
}
