//! Merged tables of which something goes on from run to run: what a run takes over from earlier runs, and what it leaves to
//! later ones.

mod keys;
mod rows;

use super::pipeline::{Pipeline, TablePlan};
use crate::commit::carried::{CarriedState, Part, Piece, by_range, stem, take_out};
use crate::commit::{ContentHash, JobState, Objects, StateObject, WindowState, inputs, token};
use crate::rows::sort::{RowCollector, Sorter};
use crate::text::count;
use crate::window::Window;
use arrow::array::RecordBatch;
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use etl_sdk::{Carry, EpochMillis, Error, Keep, Merge, Result};
use hashbrown::HashSet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The reason under which rows are counted that are left out because a window nearby has their key.
pub const KNOWN_KEY: &str = "known_key";

/// What the merged tables of one run carry.
pub struct Carrying {
    objects: Objects,
    /// Name of the run's files.
    name: String,
    /// The path that the run's objects begin with.
    stem: String,
    window: Window,
    now_msec: EpochMillis,
    /// The entry of the log that made what the run rests on; 0 for none.
    version: u64,
    earlier: BTreeMap<String, Earlier>,
    /// What its rows are stamped with unless an earlier row of the key has as late a stamp, epoch microseconds.
    stamp: i64,
    /// `false` for a run that leaves nothing.
    keep: bool,
    left: Mutex<BTreeMap<String, Vec<Piece>>>,
    /// The commits of other windows by their runs' names, for a run that replaces another.
    others: BTreeMap<String, Other>,
    warnings: Mutex<Vec<String>>,
}

/// A commit of another window.
struct Other {
    window: Window,
    detail: String,
    detail_hash: ContentHash,
}

/// What earlier runs left of one table.
struct Earlier {
    /// Rows that count.
    stay: Vec<Piece>,
    /// Rows of the runs that this one replaces.
    replaced: Vec<Piece>,
}

/// Rows that a merge met beside those of its run's tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Rows that earlier runs left, of the keys of this run.
    pub taken: u64,
    /// Keys of runs that this one replaces.
    pub keys: u64,
    /// Keys that no run says anything of any more.
    pub silent: u64,
    /// Rows whose key another window has.
    pub known: u64,
}

/// How a table carries rows, if it does.
pub fn carry_of(plan: &TablePlan) -> Option<(&Merge, &Carry)> {
    match &plan.table.keep {
        Keep::Merged(merge) if plan.sink.is_some() => merge.carry.as_ref().map(|carry| (merge, carry)),
        _ => None,
    }
}

/// What a person should know of who begins to carry rows when windows were run without.
pub fn unknown(pipeline: &Pipeline, state: &JobState, window: &Window) -> Option<String> {
    let carries = pipeline.tables.iter().any(|plan| matches!(carry_of(plan), Some((_, Carry::Rows { .. }))));
    if !carries || state.carried.is_some() {
        return None;
    }
    // A window without input knows nothing that could go on.
    let has_input = |known: &WindowState| known.commits.iter().any(|commit| commit.counts.objects > 0);
    let earlier = state.windows.iter().filter(|(other, known)| *other != window && has_input(known)).count();
    (earlier > 0).then(|| {
        format!(
            "{} run before rows went on from run to run: `etl-runner state rebuild JOB --from DATE` \
             reads what they know of users and sessions",
            if earlier == 1 { "1 window was".to_owned() } else { format!("{} windows were", count(earlier as u64)) }
        )
    })
}

/// Which run carries.
#[derive(Clone, Copy)]
pub struct CarryingRun<'a> {
    /// Its window.
    pub window: Window,
    /// Committed windows that it replaces beside its own; `None` for one that adds to its window.
    pub replaces: Option<&'a [Window]>,
    /// Name of its files.
    pub name: &'a str,
    /// Its instant.
    pub now_msec: EpochMillis,
    /// Whether it leaves something to later runs.
    pub keep: bool,
}

impl Carrying {
    /// What a run finds; `None` when no table carries anything.
    pub fn open(
        pipeline: &Pipeline,
        objects: &Objects,
        state: &JobState,
        run: CarryingRun<'_>,
    ) -> Result<Option<Self>> {
        let plans = pipeline.tables.iter().filter(|plan| carry_of(plan).is_some());
        let tables: BTreeSet<&str> = plans.map(|plan| plan.table.schema.table.as_str()).collect();
        if tables.is_empty() && state.carried.is_none() {
            return Ok(None);
        }
        let mut carrying = Self::empty(objects, run);
        let (version, mut pieces): (u64, BTreeMap<String, Vec<Piece>>) = match &state.carried {
            Some((version, kept)) => (*version, CarriedState::read(objects, kept)?.tables),
            None => (0, BTreeMap::new()),
        };
        let replaced = run.replaces.map(|covered| inputs::replaced(state, &run.window, covered)).unwrap_or_default();
        let replaced: BTreeSet<String> = replaced.iter().flat_map(|(_, commit)| commit.names().cloned()).collect();
        for table in tables.iter().filter(|table| !pieces.contains_key(**table)).collect::<Vec<_>>() {
            pieces.insert((*table).to_owned(), Vec::new());
        }
        for (table, pieces) in pieces {
            let (stay, replaced) = take_out(objects, pieces, &run.window, &replaced)?;
            if tables.contains(table.as_str()) {
                carrying.earlier.insert(table, Earlier { stay, replaced });
            } else {
                // A later run may carry it again.
                carrying.leave_as_they_are(&table, stay);
            }
        }
        if !replaced.is_empty() {
            carrying.others = others(state, &replaced);
        }
        Ok(Some(Self { version, ..carrying }))
    }

    /// What a person should know of what the run does not carry any more.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a run finds where no run was before.
    pub fn empty(objects: &Objects, run: CarryingRun<'_>) -> Self {
        Self {
            objects: objects.clone(),
            name: run.name.to_owned(),
            stem: stem(run.name, &token()),
            window: run.window,
            now_msec: run.now_msec,
            version: 0,
            earlier: BTreeMap::new(),
            stamp: run.now_msec.micros(),
            keep: run.keep,
            left: Mutex::default(),
            others: BTreeMap::new(),
            warnings: Mutex::default(),
        }
    }

    /// The entry of the log that made what the run rests on; 0 for none.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Merges the partial rows of a table with what earlier runs left of their keys. `each` is given the rows to write.
    pub fn merge(
        &self,
        plan: &TablePlan,
        collectors: Vec<RowCollector>,
        sorter: &Sorter,
        each: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<Met> {
        match carry_of(plan) {
            Some((merge, Carry::Keys { hours })) => self.merge_keys(plan, merge, *hours, collectors, sorter, each),
            _ => self.merge_rows(plan, collectors, sorter, each),
        }
    }

    /// Leaves these pieces of a table.
    pub fn leave_as_they_are(&self, table: &str, pieces: Vec<Piece>) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), pieces);
    }

    /// Leaves of all tables what other runs left, and nothing of this one.
    pub fn leave_others(&self) {
        for (table, earlier) in &self.earlier {
            self.leave_as_they_are(table, earlier.stay.clone());
        }
    }

    fn piece(&self, (rows, parts): (u64, Vec<Part>)) -> Piece {
        let (run, stamp) = (Some(self.name.clone()), self.stamp);
        Piece { run, level: 0, window: self.window, stamp, rows, parts, made_of: None }
    }

    /// Writes the list of what all tables leave; `None` for a run that leaves nothing.
    pub fn finish(&self) -> Result<Option<StateObject>> {
        if !self.keep {
            return Ok(None);
        }
        let tables = self.left.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = CarriedState { tables, ..CarriedState::default() };
        state.keep(&self.objects, &self.stem).map(Some)
    }

    /// Removes what the run wrote. Only for a run that nothing counts on; what stays for lack of an answer, `gc` removes.
    pub fn give_up(&self) {
        let (folder, _) = self.stem.rsplit_once('/').unwrap_or_default();
        for object in self.objects.list(folder, None).unwrap_or_default() {
            if object.path.starts_with(&self.stem) {
                let _ = self.objects.delete(&object.path);
            }
        }
    }

    fn stem_of(&self, table: &str, what: &str) -> String {
        format!("{}-{table}{what}", self.stem)
    }
}

fn others(state: &JobState, without: &BTreeSet<String>) -> BTreeMap<String, Other> {
    let commits = state.windows.iter().flat_map(|(window, known)| known.commits.iter().map(move |of| (window, of)));
    let others = commits.filter(|(_, commit)| !without.contains(&commit.name)).flat_map(|(window, commit)| {
        commit.names().map(|name| {
            let (detail, detail_hash) = (commit.detail.clone(), commit.detail_hash.clone());
            (name.clone(), Other { window: *window, detail, detail_hash })
        })
    });
    others.collect()
}

/// A run's own rows in one range of hashes.
struct Own {
    rows: RowCollector,
    keys: HashSet<u64>,
}

impl Own {
    fn new(sorter: &Sorter, schema: &SchemaRef) -> Self {
        Self { rows: sorter.collector(schema), keys: HashSet::new() }
    }

    /// Adds rows to the ranges that they belong to.
    fn push_all(ranges: &mut [Self], batch: &RecordBatch, hashes: &[u64], bits: u32) -> Result<()> {
        for (range, indexes) in by_range(hashes, bits) {
            let own = &mut ranges[range as usize];
            own.keys.extend(indexes.values().iter().map(|index| hashes[*index as usize]));
            own.rows.push(take_record_batch(batch, &indexes)?)?;
        }
        Ok(())
    }
}

/// Indexes of a merge's key columns.
fn key_of(schema: &SchemaRef, merge: &Merge) -> Result<Vec<usize>> {
    merge.key.iter().map(|name| Ok(schema.index_of(name)?)).collect()
}

fn wrong(table: &str) -> Error {
    Error::internal("carry the rows of a merged table").with("table", table)
}
