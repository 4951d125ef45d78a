//! The `manifest` section of the job file, and the rules that a commit keeps of it.

use super::record::ManifestRules;
use crate::output::sink::TableSinkSpec;
use crate::text::ByteSize;
use crate::text::suggest::unknown;
use etl_sdk::Result;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What is written beside the tables for a warehouse and a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ManifestConfig {
    /// `false` writes no COPY manifests. Default: `true`.
    pub enabled: bool,
    /// `false` writes no list of the partitions that a run touched. Default: `true`.
    pub partitions: bool,
    /// Partition columns whose values get manifests of their own; a table has those that it is partitioned by. Default:
    /// the table's first partition column that takes a column's value as it is, `partition_app` of the clickstream.
    /// `[]` gives manifests per table alone. Example: `[partition_app]`
    pub per: Option<Vec<String>>,
    /// Most files of one manifest. Default: `50`.
    pub files: u32,
    /// Most bytes of the files of one manifest; a file that is larger has a manifest of its own. Default: `4GiB`.
    pub bytes: ByteSize,
}

impl Default for ManifestConfig {
    fn default() -> Self {
        Self { enabled: true, partitions: true, per: None, files: 50, bytes: ByteSize::mib(4 << 10) }
    }
}

/// The rules for the tables that a job writes.
///
/// Fails when `per` names a column by which no table is partitioned.
pub fn rules<'a>(
    config: &ManifestConfig,
    tables: impl IntoIterator<Item = &'a TableSinkSpec>,
) -> Result<ManifestRules> {
    let tables: Vec<&TableSinkSpec> = tables.into_iter().collect();
    let known: BTreeSet<&str> = tables.iter().flat_map(|table| table.partition_names()).collect();
    for column in config.per.iter().flatten() {
        let known: Vec<&str> = known.iter().copied().collect();
        if !tables.is_empty() && !known.contains(&column.as_str()) {
            return Err(unknown("partition column", column, &known));
        }
    }
    let columns = |table: &TableSinkSpec| -> Vec<String> {
        let own = |column: &&String| table.partition_names().any(|name| name == column.as_str());
        match &config.per {
            Some(columns) => columns.iter().filter(own).cloned().collect(),
            None => table.value_partition().map(str::to_owned).into_iter().collect(),
        }
    };
    Ok(ManifestRules {
        copy: config.enabled,
        partitions: config.partitions,
        per: tables.iter().map(|table| (table.table().to_owned(), columns(table))).collect(),
        files: config.files,
        bytes: config.bytes.0,
    })
}
