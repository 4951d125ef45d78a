//! What the footer of a Parquet file says of a side.

use super::column::{ColumnKind, SideColumn, type_name};
use super::files::DataFile;
use crate::output::stored::{Footer, damaged, footer};
use crate::storage::Storage;
use arrow::datatypes::FieldRef;
use etl_sdk::Result;
use std::collections::BTreeSet;

/// The columns of a file and its rows, from the footer.
///
/// Fails with kind `Config` for what is not Parquet.
pub(super) async fn columns(storage: &Storage, file: &DataFile) -> Result<(Vec<SideColumn>, u64)> {
    let Footer { metadata, old } = footer(storage, &file.meta).await?;
    let rows = metadata.metadata().file_metadata().num_rows();
    let column = |field: &FieldRef| SideColumn {
        name: field.name().clone(),
        kind: ColumnKind::of(field.data_type()),
        type_name: if old.contains(field.name()) && ColumnKind::of(field.data_type()) != ColumnKind::Nested {
            "timestamp(INT96)".to_owned()
        } else {
            type_name(field.data_type())
        },
        data_type: Some(field.data_type().clone()),
        json: None,
        folders: None,
    };
    let columns: Vec<SideColumn> = metadata.schema().fields().iter().map(column).collect();
    let mut names = BTreeSet::new();
    if let Some(twice) = columns.iter().find(|column| !names.insert(column.name.as_str())) {
        return Err(damaged(storage, &file.meta).with("column", &twice.name).hint("the column is there twice"));
    }
    Ok((columns, u64::try_from(rows).unwrap_or(0)))
}
