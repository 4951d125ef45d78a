//! How far the catalog agrees with the commits of a job, and bringing it to agree.

use super::record::CatalogRules;
use super::target::is_empty;
use crate::catalog::{Glue, Kept, Partition, TableChange, TableDefinition, Wanted};
use crate::commit::{CommitDetail, JobState, Objects};
use crate::storage::Storage;
use crate::window::Window;
use etl_sdk::Result;
use std::collections::{BTreeMap, BTreeSet};
use tokio::runtime::Handle;

/// Where to look.
pub struct Look<'a> {
    /// The catalog.
    pub glue: &'a Glue,
    /// Where the tables are.
    pub sink: &'a Storage,
    /// A runtime with threads of its own.
    pub runtime: &'a Handle,
}

/// A table of the job, and how far the catalog agrees with it.
pub struct TableAgreement<'a> {
    /// The table.
    pub table: &'a TableDefinition,
    /// What is to become of the table itself.
    pub kept: Kept,
    /// Partitions that commits wrote and the catalog does not have.
    pub missing: Vec<Partition>,
    /// Partitions that it has in another way.
    pub different: Vec<Partition>,
    /// Partitions that it has and that hold no file. Not looked for when a window is given.
    pub empty: Vec<Vec<String>>,
    /// Partitions that it has and that hold files of no commit.
    pub foreign: u64,
    /// Partitions that are as they should be.
    pub same: u64,
}

impl TableAgreement<'_> {
    /// Whether nothing is to be done.
    pub fn agrees(&self) -> bool {
        self.kept.change == TableChange::None
            && self.missing.is_empty()
            && self.different.is_empty()
            && self.empty.is_empty()
    }
}

/// The partitions of live commits, by the name of their table; of those that overlap a window, if one is given.
pub fn committed(
    rules: &CatalogRules,
    state: &JobState,
    objects: &Objects,
    window: Option<&Window>,
) -> Result<BTreeMap<String, BTreeSet<Partition>>> {
    let mut all: BTreeMap<String, BTreeSet<Partition>> = BTreeMap::new();
    let is_asked = |other: &Window| window.is_none_or(|window| window.overlaps(other));
    for (_, known) in state.windows.iter().filter(|(other, _)| is_asked(other)) {
        for commit in &known.commits {
            let detail = CommitDetail::read(objects, &commit.detail, &commit.detail_hash)?;
            for (table, partitions) in rules.partitions(&detail) {
                all.entry(table.table.clone()).or_default().extend(partitions);
            }
        }
    }
    Ok(all)
}

impl Look<'_> {
    /// Compares a table and the partitions that it should have. `is_whole` also looks for those that it should not have,
    /// which lists all of them.
    pub fn compare<'t>(
        &self,
        table: &'t TableDefinition,
        wanted: &BTreeSet<Partition>,
        is_whole: bool,
    ) -> Result<TableAgreement<'t>> {
        let kept = self.glue.look(table)?;
        let mut agreement = TableAgreement {
            table,
            kept,
            missing: Vec::new(),
            different: Vec::new(),
            empty: Vec::new(),
            foreign: 0,
            same: 0,
        };
        if agreement.kept.change == TableChange::Made {
            agreement.missing.extend(wanted.iter().cloned());
        } else if is_whole {
            self.compare_all(wanted, &mut agreement)?;
        } else {
            let wanted: Vec<Partition> = wanted.iter().cloned().collect();
            let found = self.glue.look_for(table, &agreement.kept, &wanted)?;
            for (partition, found) in wanted.into_iter().zip(found) {
                match found {
                    Wanted::Missing => agreement.missing.push(partition),
                    Wanted::Different => agreement.different.push(partition),
                    Wanted::Same => agreement.same += 1,
                }
            }
        }
        Ok(agreement)
    }

    fn compare_all(&self, wanted: &BTreeSet<Partition>, agreement: &mut TableAgreement<'_>) -> Result<()> {
        let table = agreement.table;
        let mut left: BTreeMap<&[String], &Partition> =
            wanted.iter().map(|partition| (partition.values.as_slice(), partition)).collect();
        let kept = agreement.kept.clone();
        self.glue.list(&table.name, &mut |found| {
            match left.remove(found.values()) {
                Some(partition) if found.agrees(table, &kept, partition) => agreement.same += 1,
                Some(partition) => agreement.different.push(partition.clone()),
                None => match self.folder(table, found.location()) {
                    Some(folder) if is_empty(self.sink, self.runtime, &folder, &BTreeSet::new())? => {
                        agreement.empty.push(found.values().to_vec());
                    }
                    _ => agreement.foreign += 1,
                },
            }
            Ok(())
        })?;
        agreement.missing.extend(left.into_values().cloned());
        Ok(())
    }

    /// The folder under the sink's url of a location; `None` for one elsewhere, of which nothing is known.
    fn folder(&self, table: &TableDefinition, location: &str) -> Option<String> {
        let below = location.strip_prefix(&table.location)?.trim_matches('/');
        let is_of_sink = table.location.starts_with(self.sink.url());
        (is_of_sink && !below.is_empty() && !table.table.is_empty()).then(|| format!("{}/{below}", table.table))
    }

    /// Makes what is missing, and changes what differs. With `removes`, also removes what is empty.
    pub fn apply(&self, agreement: &TableAgreement<'_>, removes: bool) -> Result<()> {
        let table = agreement.table;
        let kept = self.glue.keep(table)?;
        let partitions: Vec<Partition> = agreement.missing.iter().chain(&agreement.different).cloned().collect();
        self.glue.register(table, &kept, &partitions)?;
        if removes {
            self.glue.unregister(&table.name, &agreement.empty)?;
        }
        Ok(())
    }
}
