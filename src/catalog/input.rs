//! Definitions in the types of the SDK.

use super::definition::{ColumnDefinition, TableDefinition};
use super::partition::Partition;
use aws_sdk_glue::error::BuildError;
use aws_sdk_glue::types::{Column, PartitionInput, SerDeInfo, StorageDescriptor, Table, TableInput};
use etl_sdk::{Error, Result};
use std::collections::HashMap;

/// What the SDK says of a request that lacks something.
pub(super) fn incomplete(error: BuildError) -> Error {
    Error::internal("write a request of the catalog").source(error)
}

/// The columns of a table's files.
pub(super) fn columns(table: &TableDefinition) -> Result<Vec<Column>> {
    let column = |column: &ColumnDefinition| {
        let comment = Some(column.comment()).filter(|comment| !comment.is_empty()).map(str::to_owned);
        Column::builder().name(&column.name).r#type(&column.type_name).set_comment(comment).build().map_err(incomplete)
    };
    table.columns.iter().map(column).collect()
}

/// The partition columns of a table.
pub(super) fn partition_keys(table: &TableDefinition) -> Result<Vec<Column>> {
    let key = |name: &String| Column::builder().name(name).r#type("string").build().map_err(incomplete);
    table.partition_keys.iter().map(key).collect()
}

/// Where files are and how they are read. A partition has one of its own: one without columns or with the output format of
/// another kind is read by some engines and not by others.
pub(super) fn descriptor(table: &TableDefinition, columns: Vec<Column>, location: &str) -> StorageDescriptor {
    let classes = table.form.classes();
    let serde =
        SerDeInfo::builder().serialization_library(classes.serde).parameters("serialization.format", "1").build();
    StorageDescriptor::builder()
        .set_columns(Some(columns))
        .location(location)
        .input_format(classes.input)
        .output_format(classes.output)
        .serde_info(serde)
        .build()
}

/// A table that is not there yet.
pub(super) fn table(table: &TableDefinition) -> Result<TableInput> {
    let input = TableInput::builder()
        .name(&table.name)
        .description(table.description())
        .table_type("EXTERNAL_TABLE")
        .set_parameters(Some(table.all_parameters().into_iter().collect()))
        .set_partition_keys(Some(partition_keys(table)?))
        .storage_descriptor(descriptor(table, columns(table)?, &table.location));
    input.build().map_err(incomplete)
}

/// A table that is there, as what would make it.
pub(super) fn as_it_is(found: &Table) -> Result<TableInput> {
    TableInput::builder()
        .name(&found.name)
        .set_description(found.description.clone())
        .set_owner(found.owner.clone())
        .set_last_access_time(found.last_access_time)
        .set_last_analyzed_time(found.last_analyzed_time)
        .retention(found.retention)
        .set_storage_descriptor(found.storage_descriptor.clone())
        .set_partition_keys(found.partition_keys.clone())
        .set_view_original_text(found.view_original_text.clone())
        .set_view_expanded_text(found.view_expanded_text.clone())
        .set_table_type(found.table_type.clone())
        .set_parameters(found.parameters.clone())
        .set_target_table(found.target_table.clone())
        .build()
        .map_err(incomplete)
}

/// A partition of a table whose columns are `columns` now.
pub(super) fn partition(table: &TableDefinition, columns: &[Column], partition: &Partition) -> PartitionInput {
    PartitionInput::builder()
        .set_values(Some(partition.values.clone()))
        .storage_descriptor(descriptor(table, columns.to_vec(), &partition.location))
        .set_parameters(Some(parameters(table)))
        .build()
}

fn parameters(table: &TableDefinition) -> HashMap<String, String> {
    table.form.parameters().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
