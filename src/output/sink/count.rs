//! How many partitions a table may get from one run.

use super::spec::TableSinkSpec;
use crate::output::staging::WrittenFile;
use etl_sdk::{Error, ErrorKind, Result};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The setting that bounds them.
const SETTING: &str = "limits.partitions";

/// The partitions that one sink has met.
#[derive(Debug, Default)]
pub(super) struct Partitions(HashSet<Arc<str>>);

impl Partitions {
    /// Counts a partition. Fails, naming the table, its partition columns and how many values they have, when there are too
    /// many.
    pub(super) fn add(&mut self, spec: &TableSinkSpec, path: &Arc<str>) -> Result<()> {
        if self.0.insert(Arc::clone(path)) && self.0.len() as u64 > spec.most_partitions {
            return Err(too_many(spec, self.0.iter().map(AsRef::as_ref)));
        }
        Ok(())
    }
}

/// Checks the files of a run, which several tasks have made, against the bound of their tables.
pub fn check_partitions<'f>(specs: impl IntoIterator<Item = &'f TableSinkSpec>, files: &[WrittenFile]) -> Result<()> {
    for spec in specs {
        let paths =
            files.iter().filter(|file| file.table == spec.table).filter_map(|file| partition_of(&file.pending.path));
        let partitions: HashSet<&str> = paths.collect();
        if partitions.len() as u64 > spec.most_partitions {
            return Err(too_many(spec, partitions.into_iter()));
        }
    }
    Ok(())
}

/// The part of a file's path between the table's folder and its name.
fn partition_of(path: &str) -> Option<&str> {
    let (folder, _) = path.rsplit_once('/')?;
    folder.split_once('/').map(|(_, partition)| partition)
}

fn too_many<'p>(spec: &TableSinkSpec, partitions: impl Iterator<Item = &'p str>) -> Error {
    let mut count = 0_u64;
    let mut values: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    for partition in partitions {
        count += 1;
        for (name, value) in partition.split('/').filter_map(|part| part.split_once('=')) {
            values.entry(name).or_default().insert(value);
        }
    }
    let of = |name: &str| values.get(name).map_or(0, HashSet::len);
    let columns: Vec<String> = spec.partition_names().map(|name| format!("{name}: {} values", of(name))).collect();
    Error::new(ErrorKind::Limit, "the run has too many partitions")
        .with("table", &spec.table)
        .with("partitions", count)
        .with("most", spec.most_partitions)
        .with("setting", SETTING)
        .with("partition_by", columns.join(", "))
        .hint(format!(
            "a column with so many values makes a file of each: choose others under tables.{}.partition_by, or raise {SETTING}",
            spec.table
        ))
}
