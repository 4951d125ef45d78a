//! Committed: the one decision of a run or a replay. What it made is the window's output from here on.

use super::context::JobContext;
use super::listed::Listed;
use super::planned::Planned;
use crate::commit::{Commit, CommitDetail, Condition, Counts, Event, Late, Objects, token};
use crate::engine::carry::Carrying;
use crate::engine::context::RunContext;
use crate::engine::output::RunOutput;
use crate::window::Window;
use etl_sdk::{ErrorKind, Result};
use std::collections::BTreeMap;

/// What is decided, beside the output.
pub struct Decision {
    /// Name, window, instant, and what is replaced or replayed. The rest comes from the output.
    pub detail: CommitDetail,
    /// Version of the log that it rests on: whatever conflicts with it and comes later wins.
    pub base: u64,
    /// See [`Commit::revision`].
    pub revision: u32,
    /// See [`Commit::amendment`].
    pub amendment: u32,
    /// See [`Commit::supersedes`].
    pub supersedes: Vec<Window>,
    /// Input objects.
    pub objects: u64,
    /// Their bytes as stored.
    pub input_bytes: u64,
    /// See [`Commit::late`].
    pub late: Vec<Late>,
    /// See [`Commit::provisional`].
    pub provisional: bool,
}

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// The version of the commit.
    Committed(u64),
    /// Another run has left rows of merged tables since this one took those of earlier runs. Nothing is decided: the merges
    /// are to be done again.
    Moved,
}

impl Decision {
    /// What a run decides.
    pub fn of_run(window: &Window, planned: &Planned, listed: &Listed) -> Self {
        let detail = CommitDetail {
            inputs: planned.inputs.clone(),
            replaces: planned.replaces.clone(),
            targets: planned.targets.clone(),
            ..CommitDetail::new(&planned.name, *window, planned.run.now)
        };
        Self {
            detail,
            base: planned.base,
            revision: planned.revision,
            amendment: 0,
            supersedes: planned.covered.clone(),
            objects: listed.count(),
            input_bytes: listed.bytes(),
            late: planned.late.clone(),
            provisional: planned.is_provisional,
        }
    }

    /// Writes the detail and the entry. `objects` are those to which the run has written what the commit names.
    ///
    /// Fails with `Held` when the window was lost to another runner. Then, and when nothing is decided, what is registered
    /// nowhere is given up. After any other error the entry may be there all the same.
    pub fn commit(
        self,
        context: &JobContext<'_>,
        objects: &Objects,
        run: &RunContext<'_>,
        output: &RunOutput,
    ) -> Result<Decided> {
        let detail = CommitDetail {
            sink: context.places.sink.url().to_owned(),
            dead_letter_url: context.places.dead_letters.url().to_owned(),
            files: output.files().to_vec(),
            dead_letters: output.dead_letters().to_vec(),
            ledger: output.ledger.clone(),
            ..self.detail
        };
        let carried = run.carrying.as_ref().map(Carrying::finish).transpose()?.flatten();
        let (path, hash) = detail.keep(objects, &token())?;
        objects.settle()?;
        failpoint!("commit.before_entry");
        let commit = Commit {
            window: detail.window,
            revision: self.revision,
            amendment: self.amendment,
            name: detail.name.clone(),
            detail: path.clone(),
            detail_hash: hash,
            supersedes: self.supersedes,
            counts: counts(&detail, self.objects, self.input_bytes, output.records()),
            late: self.late,
            carried,
            provisional: self.provisional,
            forgets: false,
            compacts: Vec::new(),
        };
        let condition = Condition {
            window: Some((detail.window, self.base)),
            carried: run.carrying.as_ref().map(Carrying::version),
            ..Condition::default()
        };
        let committed = context.stores.log.commit(Event::Commit(Box::new(commit)), &condition);
        match committed {
            Ok(Some(version)) => {
                failpoint!("commit.after_entry");
                Ok(Decided::Committed(version))
            }
            Ok(None) => {
                let _ = objects.delete(&path);
                output.give_up(run);
                Ok(Decided::Moved)
            }
            Err(error) => {
                // After any other error the entry may be there all the same: then the files must stay.
                if error.kind() == ErrorKind::Held {
                    let _ = objects.delete(&path);
                    output.give_up(run);
                }
                Err(error)
            }
        }
    }
}

pub(super) fn counts(detail: &CommitDetail, objects: u64, input_bytes: u64, records: u64) -> Counts {
    let mut rows = BTreeMap::new();
    for file in &detail.files {
        *rows.entry(file.table.clone()).or_insert(0) += file.rows;
    }
    Counts {
        objects,
        input_bytes,
        records,
        rows,
        files: detail.files.len() as u64,
        bytes: detail.files.iter().map(|file| file.pending.bytes).sum(),
        dead_letters: detail.dead_letters.iter().map(|file| file.count).sum(),
    }
}
