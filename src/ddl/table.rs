//! What a table is for those who are told of it.

use crate::engine::TablePlan;
use crate::output::sink::{Format, TableSinkSpec};
use crate::query::Versions;
use arrow::datatypes::DataType;
use etl_sdk::{ColumnType, Keep, PartitionPart};
use std::collections::BTreeMap;

/// A table of the output.
#[derive(Clone, Debug)]
pub struct DdlTable {
    /// Its name.
    pub name: String,
    /// What one row is.
    pub description: String,
    /// The columns of its files, in their order.
    pub columns: Vec<DdlColumn>,
    /// The partition columns, outermost first: text, in the path as `<name>=<value>`.
    pub partitions: Vec<DdlPartition>,
    /// The url of its folder, with a slash at the end.
    pub location: String,
    /// The form of its files.
    pub format: Format,
    /// How the latest of several rows of a key is found; `None` when a key has one row.
    pub versions: Option<Versions>,
    /// Whether its folders are named `<name>=<value>`, so that engines find its partitions by themselves.
    pub has_hive_paths: bool,
    /// Parameters with which Athena works its partitions out; empty when it looks them up.
    pub projection: BTreeMap<String, String>,
    /// Columns by which it is mostly asked: of a table that continues from run to run the key, then the first instant.
    pub sort_by: Vec<String>,
}

/// A partition column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DdlPartition {
    /// Its name.
    pub name: String,
    /// What of a column its values are.
    pub takes: PartitionPart,
}

/// A column of the files.
#[derive(Clone, Debug)]
pub struct DdlColumn {
    /// Its name.
    pub name: String,
    /// Its type in the files.
    pub data_type: DataType,
    /// The longest text in bytes; `None` when there is no such bound.
    pub max_bytes: Option<usize>,
    /// Whether it is never null.
    pub required: bool,
    /// What it means; empty for a column that an enrichment added.
    pub description: String,
}

impl DdlTable {
    /// The table of a plan, under the sink's url. `None` when the job does not write it.
    pub fn of(plan: &TablePlan, sink: &str, format: Format) -> Option<Self> {
        let spec = plan.sink.as_ref()?;
        let schema = &plan.table.schema;
        let columns = spec.output().fields().iter().map(|field| {
            let declared = schema.columns.iter().find(|column| column.name == *field.name());
            DdlColumn {
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                max_bytes: declared.and_then(|column| column.max_bytes),
                required: declared.is_some_and(|column| column.required),
                description: declared.map(|column| column.description.clone()).unwrap_or_default(),
            }
        });
        let versions = Versions::of(plan, spec);
        Some(Self {
            name: schema.table.clone(),
            description: schema.description.clone(),
            columns: columns.collect(),
            partitions: spec.partitions().map(|(name, takes)| DdlPartition { name: name.to_owned(), takes }).collect(),
            location: format!("{}/{}/", sink.trim_end_matches('/'), schema.table),
            format,
            has_hive_paths: true,
            projection: BTreeMap::new(),
            sort_by: sort_by(plan, spec, versions.is_some()),
            versions,
        })
    }

    /// Names of all columns, those of the partitions last.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str()).chain(self.partition_names())
    }

    /// Names of the partition columns, outermost first.
    pub(super) fn partition_names(&self) -> impl Iterator<Item = &str> {
        self.partitions.iter().map(|partition| partition.name.as_str())
    }
}

fn sort_by(plan: &TablePlan, spec: &TableSinkSpec, by_key: bool) -> Vec<String> {
    let is_written = |column: &&str| spec.output().column_with_name(column).is_some();
    let key = match &plan.table.keep {
        Keep::Merged(merge) if by_key => merge.key.iter().map(String::as_str).filter(is_written).collect(),
        Keep::Merged(_) | Keep::All => Vec::new(),
    };
    let columns = plan.table.schema.columns.iter();
    let instant =
        columns.filter(|column| column.column_type == ColumnType::Timestamp).map(|column| column.name.as_str());
    key.into_iter().chain(instant.filter(is_written).take(1)).map(str::to_owned).collect()
}
