//! Which attempts the output has the rows of.

use super::kept::KeptReport;
use crate::commit::{CommitLog, JobState};
use crate::report::Status;
use crate::window::Window;
use etl_sdk::{Error, Result};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// The commits that stand: nothing has replaced, superseded or forgotten them.
#[derive(Debug, Default)]
pub struct Current {
    /// Names of those whose files are in the output.
    written: HashSet<String>,
    /// Names of those that read the records: of a compaction, the commits that it merged.
    read: HashSet<String>,
    /// Windows that had no input.
    without_input: BTreeMap<Window, u64>,
}

impl Current {
    /// By the log.
    pub fn of(state: &JobState) -> Self {
        let mut current = Self::default();
        for (window, known) in &state.windows {
            for commit in known.commits.iter().filter(|commit| !commit.forgets) {
                if commit.counts.objects == 0 && commit.counts.files == 0 {
                    current.without_input.insert(*window, commit.revision.into());
                    continue;
                }
                current.written.insert(commit.name.clone());
                let read: Vec<&String> =
                    if commit.compacts.is_empty() { vec![&commit.name] } else { commit.compacts.iter().collect() };
                current.read.extend(read.into_iter().cloned());
            }
        }
        current
    }

    /// Whether the output has the rows of the records that an attempt read. A compaction read none.
    pub fn has_records_of(&self, kept: &KeptReport<'_>) -> bool {
        is_committed(kept) && (self.read.contains(&commit_name(kept)) || self.had_no_input(kept))
    }

    /// Whether the files that an attempt wrote are in the output.
    pub fn has_files_of(&self, kept: &KeptReport<'_>) -> bool {
        is_committed(kept) && self.written.contains(&commit_name(kept))
    }

    /// Whether an attempt was committed, and nothing of it is in the output any more.
    pub fn has_replaced(&self, kept: &KeptReport<'_>) -> bool {
        is_committed(kept) && !self.has_records_of(kept) && !self.has_files_of(kept)
    }

    /// Whether an attempt found that windows have no input, and one of them stands so.
    fn had_no_input(&self, kept: &KeptReport<'_>) -> bool {
        let Some(span) = kept.window().filter(|_| kept.status == Status::Empty.name()) else { return false };
        let from = Window { start: span.start, end: span.start };
        let within = self.without_input.range(from..).take_while(|(window, _)| window.start < span.end);
        let mut within = within.filter(|(window, _)| span.covers(window));
        // Windows that share a report have revisions of their own.
        within.any(|(_, revision)| kept.empty.is_some() || kept.revision.unwrap_or(0) == *revision)
    }
}

/// Whether an attempt may have committed: a report that says less has nothing in the output.
fn is_committed(kept: &KeptReport<'_>) -> bool {
    !kept.dry_run && kept.status.parse::<Status>().is_ok_and(Status::is_committed)
}

/// The name of an attempt's commit.
fn commit_name(kept: &KeptReport<'_>) -> String {
    let part = |letter, number: Option<u64>| match number {
        None | Some(0) => String::new(),
        Some(number) => format!(".{letter}{number}"),
    };
    format!("{}{}{}", kept.run_id, part('r', kept.revision), part('a', kept.amendment))
}

/// Asks the log when a query wants to know.
#[derive(Clone)]
pub struct CurrentSource(Arc<CommitLog>);

impl fmt::Debug for CurrentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentSource").finish_non_exhaustive()
    }
}

impl CurrentSource {
    /// What stands by `log`, which is read with each question.
    pub fn new(log: CommitLog) -> Self {
        Self(Arc::new(log))
    }

    /// What stands now.
    pub async fn ask(&self) -> Result<Current> {
        let log = Arc::clone(&self.0);
        let state = tokio::task::spawn_blocking(move || log.refresh()).await;
        let state = state.map_err(|error| Error::internal("read the commit log").source(error))??;
        Ok(Current::of(&state))
    }
}
