//! What a run made, before it is decided whether it counts.

use super::carry::Carrying;
use super::context::RunContext;
use super::merged::MergedTable;
use super::pipeline::Pipeline;
use super::read::Tasks;
use crate::output::dead_letter::Examples;
use crate::output::staging::{DeadLetterFile, WrittenFile};
use crate::source::{Losses, records_of};
use etl_sdk::{CacheStats, Ledger};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Files, dead letters and counts of a run.
pub struct RunOutput {
    /// Those of tasks come first.
    files: Vec<WrittenFile>,
    /// Those of tasks come first.
    dead_letters: Vec<DeadLetterFile>,
    registered: Registered,
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
    /// What damaged objects lost.
    pub losses: Losses,
    /// The first dead letter of each reason.
    pub examples: Examples,
}

/// How many files, counted from the first, are in registered results of tasks: other runners count on them.
#[derive(Clone, Copy, Debug, Default)]
struct Registered {
    files: usize,
    dead_letters: usize,
}

impl RunOutput {
    /// The output of the tasks.
    pub fn of(pipeline: &Pipeline, tasks: &Tasks) -> Self {
        let mut output = Self {
            files: Vec::new(),
            dead_letters: Vec::new(),
            registered: Registered::default(),
            ledger: pipeline.ledger(),
            caches: BTreeMap::new(),
            objects: 0,
            archived: 0,
            compressed_bytes: 0,
            decompressed_bytes: 0,
            losses: Losses::default(),
            examples: Examples::default(),
        };
        for result in &tasks.results {
            output.files.extend(result.files.iter().cloned());
            output.dead_letters.extend(result.dead_letters.clone());
            output.ledger.merge(&result.ledger);
            output.objects += result.objects;
            output.archived += result.archived;
            output.compressed_bytes += result.compressed_bytes;
            output.decompressed_bytes += result.decompressed_bytes;
            output.losses.merge(&result.losses);
            output.examples.merge(&result.examples);
        }
        if tasks.registered {
            output.registered = Registered { files: output.files.len(), dead_letters: output.dead_letters.len() };
        }
        output.take_caches(&tasks.caches);
        output
    }

    /// Adds what the merge of a table made.
    pub fn add(&mut self, table: MergedTable) {
        self.files.extend(table.files);
        self.dead_letters.extend(table.dead_letters);
        self.ledger.merge(&table.out.ledger);
        self.take_caches(&table.caches);
    }

    /// Rows of a table in all files.
    pub fn rows(&self, table: &str) -> u64 {
        self.files.iter().filter(|file| file.table == table).map(|file| file.rows).sum()
    }

    /// All files of the tables.
    pub fn files(&self) -> &[WrittenFile] {
        &self.files
    }

    /// All files of dead letters.
    pub fn dead_letters(&self) -> &[DeadLetterFile] {
        &self.dead_letters
    }

    /// The files of dead letters that other runners count on.
    pub fn registered_dead_letters(&self) -> &[DeadLetterFile] {
        &self.dead_letters[..self.registered.dead_letters]
    }

    /// Raw records read.
    pub fn records(&self) -> u64 {
        records_of(&self.ledger)
    }

    /// Gives up what is registered nowhere, so that nothing else counts on it.
    pub fn give_up(&self, context: &RunContext<'_>) {
        context.carrying.iter().for_each(Carrying::give_up);
        let files = self.files[self.registered.files..].iter().map(|file| &file.pending);
        let dead_letters = self.dead_letters[self.registered.dead_letters..].iter().map(|file| &file.pending);
        context.abandon(files, dead_letters);
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
