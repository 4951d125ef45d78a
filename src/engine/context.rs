//! What all units of a run share, whichever thread does them.

use super::carry::Carrying;
use super::pipeline::{Pipeline, TablePlan, is_merged};
use crate::job::JobConfig;
use crate::output::dead_letter::{DeadLetterSpec, DeadLetterWriter};
use crate::output::staging::{DeadLetterFile, PendingFile, PendingStore};
use crate::process::stop::Stop;
use crate::report::Progress;
use crate::rows::sort::{RowCollector, Sorter};
use crate::storage::Storage;
use etl_sdk::{Result, Run};
use std::sync::Arc;
use tokio::runtime::Handle;

/// What all units of a run share.
pub struct RunContext<'a> {
    /// What the job does to its rows.
    pub pipeline: &'a Pipeline,
    /// The job file.
    pub config: &'a JobConfig,
    /// The run as transformers know it.
    pub run: &'a Run,
    /// Stem of the files' names: the run, its revision and its amendment.
    pub name: &'a str,
    /// Where the input is.
    pub source: &'a Storage,
    /// Makes the tables' files.
    pub tables: Arc<dyn PendingStore>,
    /// Makes the dead letters' files.
    pub dead_letters: Arc<dyn PendingStore>,
    /// Sorts and keeps partial rows.
    pub sorter: Sorter,
    /// What merged tables carry from run to run, if any does.
    pub carrying: Option<Carrying>,
    /// A runtime with threads of its own.
    pub runtime: Handle,
    /// Counts what is done.
    pub progress: Progress,
    /// Set when the run is stopped or lost: workers end at the next record.
    pub stop: Stop,
}

impl RunContext<'_> {
    /// A writer for the dead letters of part `part` of the run: its tasks in order, then its merges.
    pub fn open_dead_letters(&self, part: usize) -> Result<DeadLetterWriter> {
        let spec = DeadLetterSpec {
            job: self.config.job.clone(),
            run: self.run.clone(),
            name: self.name.to_owned(),
            task: part as u32,
            raw_bytes: self.config.dead_letter.raw_bytes.0,
        };
        DeadLetterWriter::new(Arc::clone(&self.dead_letters), spec)
    }

    /// A collector for the partial rows of a table, if it is one that is merged.
    pub fn collector(&self, plan: &TablePlan) -> Option<RowCollector> {
        (is_merged(&plan.table) && plan.sink.is_some())
            .then(|| self.sorter.collector(&plan.table.schema.working_schema()))
    }

    /// Whether values of rows may be shown: a job that keeps no bytes of records wants none in reports either.
    pub fn keeps_examples(&self) -> bool {
        self.config.dead_letter.raw_bytes.0 > 0
    }

    /// Gives up pending files that are registered nowhere. What cannot be removed now is invisible; `gc` finds it.
    pub fn abandon<'f>(
        &self,
        files: impl IntoIterator<Item = &'f PendingFile>,
        dead_letters: impl IntoIterator<Item = &'f PendingFile>,
    ) {
        for file in files {
            let _ = self.tables.abandon(file);
        }
        for file in dead_letters {
            let _ = self.dead_letters.abandon(file);
        }
    }
}

/// Ends a file of dead letters; `None` when there are none.
pub fn finish_dead_letters(writer: DeadLetterWriter) -> Result<Option<DeadLetterFile>> {
    let count = writer.written();
    Ok(writer.finish()?.map(|pending| DeadLetterFile { pending, count }))
}
