//! What a commit keeps for the catalog.

use crate::catalog::{Partition, TableDefinition, values_of};
use crate::commit::CommitDetail;
use crate::source::{Layout, PathZone, hour_folders};
use crate::window::Window;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which tables are in which database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogRules {
    /// Name of the database.
    pub database: String,
    /// The account whose catalog it is; that of the credentials without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_id: Option<String>,
    /// The tables that the job writes.
    pub tables: Vec<TableDefinition>,
    /// The table over the raw batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawTable>,
}

/// The table over the raw batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawTable {
    /// What it is.
    pub definition: TableDefinition,
    /// How its hours are laid out; `None` where none is registered.
    pub hours: Option<Layout>,
    /// The clocks of the paths.
    #[serde(default)]
    pub zone: PathZone,
}

/// What a commit's detail keeps for the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CatalogRecord {
    /// What the job file said.
    pub(super) rules: CatalogRules,
    /// Partitions of the commits that it replaces: some may be empty once their files are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) replaced: Vec<ReplacedPartition>,
}

/// A partition that may be empty once a commit is published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ReplacedPartition {
    pub(super) database: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) catalog_id: Option<String>,
    /// Name of the table in the catalog.
    pub(super) table: String,
    pub(super) values: Vec<String>,
    /// Its folder under the sink's url.
    pub(super) folder: String,
}

impl CatalogRules {
    /// The partitions that a commit has files in, by table, each once.
    pub(super) fn partitions<'a>(&'a self, commit: &CommitDetail) -> Vec<(&'a TableDefinition, Vec<Partition>)> {
        let mut by_table: BTreeMap<&str, BTreeSet<Partition>> = BTreeMap::new();
        for file in &commit.files {
            let Some(table) = self.tables.iter().find(|table| table.table == file.table) else { continue };
            if table.partition_keys.is_empty() {
                continue;
            }
            let partition = table.partition(values_of(&file.partition), folder_of(&file.pending.path));
            by_table.entry(&table.table).or_default().insert(partition);
        }
        let of_table = |table: &'a TableDefinition| {
            (table, by_table.remove(table.table.as_str()).unwrap_or_default().into_iter().collect())
        };
        self.tables.iter().map(of_table).collect()
    }

    /// The same partitions, as those of a commit that is replaced.
    pub(super) fn replaced(&self, commit: &CommitDetail) -> impl Iterator<Item = ReplacedPartition> {
        commit.files.iter().filter_map(|file| {
            let table = self.tables.iter().find(|table| table.table == file.table)?;
            let is_partitioned = !table.partition_keys.is_empty();
            is_partitioned.then(|| ReplacedPartition {
                database: self.database.clone(),
                catalog_id: self.catalog_id.clone(),
                table: table.name.clone(),
                values: values_of(&file.partition),
                folder: folder_of(&file.pending.path).to_owned(),
            })
        })
    }
}

impl RawTable {
    /// The partitions of the hours of a window.
    pub fn partitions(&self, window: &Window) -> Vec<Partition> {
        let hours = self.hours.into_iter().flat_map(|layout| hour_folders(layout, self.zone, window));
        hours.map(|hour| self.definition.partition(hour.values.into(), &hour.folder)).collect()
    }
}

/// The folder of a file under the sink's url.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
