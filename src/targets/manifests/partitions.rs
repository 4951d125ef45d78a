//! The partitions that a commit touched, for a catalog.

use super::files::{CommitFile, FOLDER, ManifestInput, ManifestObject};
use crate::output::staging::PartitionValue;
use etl_sdk::{Error, Result};
use serde::{Deserialize, Serialize};

/// Version of the list's fields. It grows when a field changes its meaning or goes away, not when one is added.
const VERSION: u32 = 1;

/// How the list's name ends.
pub(super) const ENDING: &str = ".partitions.json";

/// Path of the list of the commit of a name.
pub(super) fn path(name: &str) -> String {
    format!("{FOLDER}/{name}{ENDING}")
}

/// The partitions that a commit touched: `_manifests/<name>.partitions.json` under the sink's url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionList {
    /// Version of the fields; 1.
    pub version: u32,
    /// Name of the run with its revision and amendment.
    pub run: String,
    /// The tables with files, sorted by name.
    pub tables: Vec<TablePartitions>,
}

/// The partitions of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePartitions {
    /// Name of the table.
    pub table: String,
    /// Its partitions, sorted by their paths. A table without partition columns has one, without values.
    pub partitions: Vec<PartitionEntry>,
}

/// One partition, and what the commit did there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionEntry {
    /// Names and values of the partition columns, outermost first.
    pub values: Vec<ListedValue>,
    /// Where it is, with a slash at its end.
    pub location: String,
    /// What became of it.
    pub change: Change,
    /// Files that the commit added.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that the commit removed.
    pub removed_files: u64,
}

/// A partition column and its value, as the list has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedValue {
    /// The column's name.
    pub name: String,
    /// Its value as text; `null` for a null or empty one.
    pub value: Option<String>,
}

/// What a commit did to a partition. It says nothing of the files that other windows have there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Files came.
    Added,
    /// Files came, and files that an earlier commit of the window had there went.
    Replaced,
    /// Files went and none came: the partition may be empty now, unless other windows have files there.
    Removed,
}

/// The list of a commit, from its files.
pub(super) fn list(input: &ManifestInput<'_>) -> PartitionList {
    let added = input.added.iter().map(|file| (*file, true));
    let removed = input.removed.iter().map(|file| (*file, false));
    let mut files: Vec<(CommitFile<'_>, bool)> = added.chain(removed).collect();
    files.sort_unstable_by(|(left, _), (right, _)| (left.table, left.folder()).cmp(&(right.table, right.folder())));
    let tables = files.chunk_by(|(left, _), (right, _)| left.table == right.table).map(|files| TablePartitions {
        table: files[0].0.table.to_owned(),
        partitions: files
            .chunk_by(|(left, _), (right, _)| left.folder() == right.folder())
            .map(|files| entry(input.location, files))
            .collect(),
    });
    PartitionList { version: VERSION, run: input.name.to_owned(), tables: tables.collect() }
}

/// The entry of one partition; there is at least one file.
fn entry(location: &str, files: &[(CommitFile<'_>, bool)]) -> PartitionEntry {
    let first = &files[0].0;
    let added = || files.iter().filter(|(_, added)| *added).map(|(file, _)| file);
    let count = added().count() as u64;
    let removed_files = files.len() as u64 - count;
    let value = |part: &PartitionValue| ListedValue { name: part.name.clone(), value: part.value.clone() };
    PartitionEntry {
        values: first.partition.iter().map(value).collect(),
        location: format!("{location}/{}/", first.folder()),
        change: match (count, removed_files) {
            (0, _) => Change::Removed,
            (_, 0) => Change::Added,
            _ => Change::Replaced,
        },
        files: count,
        rows: added().map(|file| file.rows).sum(),
        bytes: added().map(|file| file.bytes).sum(),
        removed_files,
    }
}

impl PartitionList {
    /// The list as an object; `None` when the commit touched no partition.
    pub(super) fn object(&self) -> Result<Option<ManifestObject>> {
        if self.tables.is_empty() {
            return Ok(None);
        }
        let bytes =
            serde_json::to_vec(self).map_err(|error| Error::internal("write the list of partitions").source(error))?;
        Ok(Some(ManifestObject { path: path(&self.run), bytes }))
    }
}
