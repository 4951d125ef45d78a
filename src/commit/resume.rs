//! What earlier runs of a window left behind without a commit: of use, or in the way.

use super::entry::Event;
use super::history::JobState;
use super::log::CommitLog;
use super::work::{self, Work};
use super::{PendingStore, TaskResult};
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The log and the two places with pending files that it decides over.
#[derive(Clone, Copy)]
pub struct Books<'a> {
    /// The job's log.
    pub log: &'a CommitLog,
    /// The tables' files.
    pub tables: &'a dyn PendingStore,
    /// The dead letters' files.
    pub dead_letters: &'a dyn PendingStore,
}

impl Books<'_> {
    /// Gives up what runs with another plan than `id` left behind. The fence comes first: one of them may only be asleep.
    /// `name` is that of the files of the run that asks.
    pub fn clean_up(&self, state: &JobState, window: &Window, id: &str, name: &str) -> Result<()> {
        let stale = work::others(self.log.objects(), window, id)?;
        // The files of a commit that is not published are among them: it is published first, or replaced.
        if stale.is_empty() || state.unpublished.values().any(|commit| commit.window == *window) {
            return Ok(());
        }
        self.fence(window, "the job, its input or the program changed since the run that left it behind")?;
        for work in stale {
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
        Ok(())
    }

    /// The results that an earlier run with the same plan left behind and that are whole. Those that are not are
    /// forgotten, behind a fence.
    pub fn finished(&self, window: &Window, work: &Work) -> Result<BTreeMap<u64, TaskResult>> {
        let mut results = work.results()?;
        let mut broken = Vec::new();
        for (task, result) in &results {
            let (files, dead_letters) = result.pending();
            let dead_letters: Vec<_> = dead_letters.into_iter().collect();
            let there = |found: Vec<bool>| found.into_iter().all(|there| there);
            let whole = there(self.tables.exists(&files)?)
                && there(self.dead_letters.exists(&dead_letters)?)
                && work.has_rows(result)?;
            if !whole {
                broken.push(*task);
            }
        }
        if broken.is_empty() {
            return Ok(results);
        }
        self.fence(window, "pending files of finished tasks are gone")?;
        for task in broken {
            if let Some(result) = results.remove(&task) {
                self.give_up(&result)?;
                work.forget(task)?;
            }
        }
        Ok(results)
    }

    /// The state as of now, if nobody has committed the window since `before`.
    pub fn unchanged(&self, window: &Window, before: &JobState) -> Result<Arc<JobState>> {
        let now = self.log.refresh()?;
        let same = now.window(window).next_revision() == before.window(window).next_revision();
        if same && now.overlapping(window) == before.overlapping(window) {
            return Ok(now);
        }
        Err(Error::new(ErrorKind::Held, "another runner committed the window while this one began")
            .with("window", window)
            .hint("nothing was read; run the window again to replace its rows"))
    }

    fn fence(&self, window: &Window, reason: &str) -> Result<()> {
        self.log.append(Event::Fence { windows: vec![*window], reason: reason.to_owned() })?;
        failpoint!("run.fenced");
        Ok(())
    }

    fn give_up(&self, result: &TaskResult) -> Result<()> {
        let (files, dead_letters) = result.pending();
        files.iter().try_for_each(|file| self.tables.abandon(file))?;
        dead_letters.iter().try_for_each(|file| self.dead_letters.abandon(file))
    }
}
