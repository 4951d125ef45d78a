//! The Glue Data Catalog: a table as it knows it.

use super::table::DdlTable;
use super::types;
use crate::catalog::{ColumnDefinition, FileForm, TableDefinition};
use crate::output::sink::{Compression, Format};
use etl_sdk::Result;
use std::collections::BTreeMap;

/// A table as the catalog knows it. `parameters` are those of the table besides the ones that say its form.
pub fn definition(
    table: &DdlTable,
    name: String,
    compression: Compression,
    parameters: BTreeMap<String, String>,
) -> Result<TableDefinition> {
    let column = |column: &super::table::DdlColumn| {
        Ok(ColumnDefinition {
            name: column.name.clone(),
            type_name: types::hive(column)?,
            comment: column.description.clone(),
        })
    };
    Ok(TableDefinition {
        table: table.name.clone(),
        name,
        description: table.description.clone(),
        columns: table.columns.iter().map(column).collect::<Result<_>>()?,
        partition_keys: table.partition_names().map(str::to_owned).collect(),
        location: table.location.clone(),
        form: match (table.format, compression) {
            (Format::Parquet, Compression::Snappy) => FileForm::ParquetSnappy,
            (Format::Parquet, Compression::Zstd) => FileForm::ParquetZstd,
            (Format::Json, _) => FileForm::Json,
        },
        parameters,
    })
}
