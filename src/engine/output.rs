//! What a run made, before it is decided whether it counts.

use super::carry::Carrying;
use super::merged::Merged;
use super::pipeline::Pipeline;
use super::read::Tasks;
use super::worker::Shared;
use crate::output::staging::{DeadLetterFile, WrittenFile};
use crate::rows::quality::Findings;
use crate::source::STEP as SOURCE_STEP;
use etl_sdk::{CacheStats, Error, Ledger, Result};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Files, dead letters and counts of a run.
pub struct RunOutput {
    /// Those of tasks come first; they are registered.
    files: Vec<WrittenFile>,
    task_files: usize,
    /// Those of tasks come first.
    pub dead_letters: Vec<DeadLetterFile>,
    task_dead_letters: usize,
    /// What the quality rules found.
    pub quality: Findings,
    /// Rows per step.
    pub ledger: Ledger,
    /// Hit rates by cache.
    pub caches: BTreeMap<Cow<'static, str>, CacheStats>,
    /// Objects read.
    pub objects: u64,
    /// Objects in an archive.
    pub archived: u64,
    /// Bytes as stored.
    pub compressed_bytes: u64,
    /// Bytes as framed.
    pub decompressed_bytes: u64,
}

impl RunOutput {
    /// The output of the tasks, of which it takes the keys of quality rules.
    pub fn of(pipeline: &Pipeline, tasks: &mut Tasks) -> Self {
        let mut output = Self {
            files: Vec::new(),
            task_files: 0,
            dead_letters: Vec::new(),
            task_dead_letters: 0,
            quality: Findings { keys: std::mem::take(&mut tasks.keys), ..Findings::default() },
            ledger: pipeline.ledger(),
            caches: BTreeMap::new(),
            objects: 0,
            archived: 0,
            compressed_bytes: 0,
            decompressed_bytes: 0,
        };
        for result in &tasks.results {
            output.files.extend(result.files.iter().cloned());
            output.dead_letters.extend(result.dead_letters.clone());
            output.quality.counts.merge(&result.quality);
            output.ledger.merge(&result.ledger);
            output.objects += result.objects;
            output.archived += result.archived;
            output.compressed_bytes += result.compressed_bytes;
            output.decompressed_bytes += result.decompressed_bytes;
        }
        output.task_files = output.files.len();
        output.task_dead_letters = output.dead_letters.len();
        output.take_caches(&tasks.caches);
        output
    }

    /// Adds what the merges made. When one of them failed, what the others made is given up.
    pub fn add_merged(&mut self, merged: Vec<Result<Merged>>, shared: &Shared<'_>) -> Result<()> {
        let mut failure: Option<Error> = None;
        for merged in merged {
            match merged {
                Ok(merged) => {
                    self.files.extend(merged.files);
                    self.dead_letters.extend(merged.dead_letters);
                    self.quality.merge(merged.quality);
                    self.ledger.merge(&merged.out.ledger);
                    self.take_caches(&merged.caches);
                }
                Err(error) if failure.as_ref().is_none_or(super::read::is_consequence) => failure = Some(error),
                Err(_) => {}
            }
        }
        let Some(error) = failure else { return Ok(()) };
        self.give_up_merged(shared);
        Err(error)
    }

    /// All files of the tables.
    pub fn files(&self) -> &[WrittenFile] {
        &self.files
    }

    /// The dead letters of tasks.
    pub fn task_dead_letters(&self) -> impl Iterator<Item = &DeadLetterFile> {
        self.dead_letters[..self.task_dead_letters].iter()
    }

    /// Raw records read.
    pub fn records(&self) -> u64 {
        self.ledger.get(SOURCE_STEP).map_or(0, |counts| counts.read)
    }

    /// Gives up what the merges made: it is not registered, so nobody else counts on it.
    pub fn give_up_merged(&self, shared: &Shared<'_>) {
        shared.carrying.iter().for_each(Carrying::give_up);
        self.give_up(shared, self.task_files, self.task_dead_letters);
    }

    /// Gives up everything. Only for what is registered nowhere.
    pub fn give_up_all(&self, shared: &Shared<'_>) {
        shared.carrying.iter().for_each(Carrying::give_up);
        self.give_up(shared, 0, 0);
    }

    fn give_up(&self, shared: &Shared<'_>, first_file: usize, first_dead_letter: usize) {
        // What cannot be removed now is invisible; `gc` finds it.
        for file in &self.files[first_file..] {
            let _ = shared.tables.abandon(&file.pending);
        }
        for file in &self.dead_letters[first_dead_letter..] {
            let _ = shared.dead_letters.abandon(&file.pending);
        }
    }

    fn take_caches(&mut self, caches: &[CacheStats]) {
        for stats in caches {
            self.caches
                .entry(stats.name.clone())
                .or_insert_with(|| CacheStats { name: stats.name.clone(), ..CacheStats::default() })
                .merge(stats);
        }
    }
}
