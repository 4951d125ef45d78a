//! What of a table in the catalog must change, and what must not. Pure.

use super::definition::TableDefinition;
use super::input;
use aws_sdk_glue::types::{Column, Partition as FoundPartition, PartitionInput, StorageDescriptor, Table, TableInput};
use etl_sdk::{Error, Result};
use std::collections::HashMap;

/// What makes a table in the catalog as it is defined; `None` when it is. Columns that are new go to the end, parameters and
/// other settings that are not ours stay.
///
/// Fails when a column is gone or of another type, for other partition columns, and for a table at another place: rows that
/// are there already would not be read, or wrongly.
pub(super) fn change(wanted: &TableDefinition, found: &Table) -> Result<Option<TableInput>> {
    check_place(wanted, found)?;
    check_partition_keys(wanted, found)?;
    let before = input::as_it_is(found)?;
    let mut after = before.clone();
    let known = found.storage_descriptor.as_ref().map(StorageDescriptor::columns).unwrap_or_default();
    let columns = merged_columns(wanted, known)?;
    let fresh = input::descriptor(wanted, columns, &wanted.location);
    after.storage_descriptor = Some(match &found.storage_descriptor {
        Some(kept) => with(kept, fresh),
        None => fresh,
    });
    after.parameters = Some(merged_parameters(wanted, found));
    after.table_type = Some("EXTERNAL_TABLE".to_owned());
    if !wanted.description.is_empty() {
        after.description = Some(wanted.description().to_owned());
    }
    Ok((after != before).then_some(after))
}

/// A descriptor as it is found, with what is ours.
fn with(kept: &StorageDescriptor, ours: StorageDescriptor) -> StorageDescriptor {
    let mut storage = kept.clone();
    if !is_same_place(storage.location(), ours.location()) {
        storage.location = ours.location;
    }
    storage.columns = ours.columns;
    storage.input_format = ours.input_format;
    storage.output_format = ours.output_format;
    storage.serde_info = match (storage.serde_info, ours.serde_info) {
        (Some(mut serde), Some(ours)) => {
            serde.serialization_library = ours.serialization_library;
            let mut parameters = serde.parameters.unwrap_or_default();
            parameters.extend(ours.parameters.unwrap_or_default());
            serde.parameters = Some(parameters);
            Some(serde)
        }
        (_, ours) => ours,
    };
    storage
}

/// The columns that are there in their order, then those that are new.
fn merged_columns(wanted: &TableDefinition, known: &[Column]) -> Result<Vec<Column>> {
    let ours = input::columns(wanted)?;
    let mut merged = Vec::with_capacity(ours.len());
    for column in known {
        let Some(own) = ours.iter().find(|own| own.name.eq_ignore_ascii_case(&column.name)) else {
            return Err(refused(wanted, &column.name).with("type", column.r#type().unwrap_or_default()).hint(
                "the catalog has a column that the job does not write any more; write it again, or take it out of the \
                 table in the catalog",
            ));
        };
        let types = [column, own].map(|column| plain_type(column.r#type().unwrap_or_default()));
        if types[0] != types[1] {
            let [there, ours] = types;
            return Err(refused(wanted, &column.name).with("type_in_the_catalog", there).with("type", ours).hint(
                "files that are written already have the old type; give the column another name, or write to a table of \
                 another name (catalog.glue.table_prefix)",
            ));
        }
        let mut kept = column.clone();
        if own.comment().is_some() {
            kept.comment.clone_from(&own.comment);
        }
        merged.push(kept);
    }
    let is_new = |own: &Column| !known.iter().any(|column| column.name.eq_ignore_ascii_case(&own.name));
    merged.extend(ours.into_iter().filter(is_new));
    Ok(merged)
}

fn refused(wanted: &TableDefinition, column: &str) -> Error {
    Error::config("change a table in the catalog").with("table", &wanted.name).with("column", column)
}

/// A type without blanks and capitals, which mean nothing in it.
fn plain_type(name: &str) -> String {
    name.chars().filter(|character| !character.is_whitespace()).flat_map(char::to_lowercase).collect()
}

fn check_partition_keys(wanted: &TableDefinition, found: &Table) -> Result<()> {
    let there: Vec<&str> = found.partition_keys().iter().map(|key| key.name.as_str()).collect();
    if there == wanted.partition_keys {
        return Ok(());
    }
    Err(Error::config("change a table in the catalog")
        .with("table", &wanted.name)
        .with("partitioned_by_in_the_catalog", there.join(", "))
        .with("partitioned_by", wanted.partition_keys.join(", "))
        .hint("a table cannot change its partition columns; write to another place under another name (sink.url and catalog.glue.table_prefix)"))
}

fn check_place(wanted: &TableDefinition, found: &Table) -> Result<()> {
    let there = found.storage_descriptor.as_ref().and_then(|storage| storage.location());
    if is_same_place(there, Some(&wanted.location)) {
        return Ok(());
    }
    Err(Error::config("change a table in the catalog")
        .with("table", &wanted.name)
        .with("location_in_the_catalog", there.unwrap_or("none"))
        .with("location", &wanted.location)
        .hint(
            "the catalog has a table of this name at another place; give catalog.glue.table_prefix or another database",
        ))
}

fn is_same_place(one: Option<&str>, other: Option<&str>) -> bool {
    let plain = |place: Option<&str>| place.map(|place| place.trim_end_matches('/').to_owned());
    plain(one) == plain(other)
}

/// The parameters that are there and ours; of those of projection only ours.
fn merged_parameters(wanted: &TableDefinition, found: &Table) -> HashMap<String, String> {
    let is_of_projection = |key: &str| key.starts_with("projection.") || key == "storage.location.template";
    let there = found.parameters.clone().unwrap_or_default();
    let kept = there.into_iter().filter(|(key, _)| !is_of_projection(key));
    kept.chain(wanted.all_parameters()).collect()
}

/// Whether a partition in the catalog is read as `wanted` says: same place, form and columns.
pub(super) fn is_same_partition(wanted: &PartitionInput, found: &FoundPartition) -> bool {
    let (Some(ours), Some(there)) = (&wanted.storage_descriptor, &found.storage_descriptor) else { return false };
    let types = |storage: &StorageDescriptor| -> Vec<(String, String)> {
        let column = |column: &Column| (column.name.to_lowercase(), plain_type(column.r#type().unwrap_or_default()));
        storage.columns().iter().map(column).collect()
    };
    let serde =
        |storage: &StorageDescriptor| storage.serde_info.as_ref().and_then(|serde| serde.serialization_library.clone());
    is_same_place(there.location(), ours.location())
        && there.input_format == ours.input_format
        && there.output_format == ours.output_format
        && serde(there) == serde(ours)
        && types(there) == types(ours)
}

#[cfg(test)]
mod tests {
    use super::super::definition::{ColumnDefinition, FileForm};
    use super::*;

    fn definition(columns: &[(&str, &str)]) -> TableDefinition {
        let column = |(name, type_name): &(&str, &str)| ColumnDefinition {
            name: (*name).to_owned(),
            type_name: (*type_name).to_owned(),
            comment: String::new(),
        };
        TableDefinition {
            table: "event".to_owned(),
            name: "web_event".to_owned(),
            description: "One event".to_owned(),
            columns: columns.iter().map(column).collect(),
            partition_keys: vec!["app".to_owned()],
            location: "s3://tables/event/".to_owned(),
            form: FileForm::ParquetSnappy,
            parameters: [("etl_runner.job".to_owned(), "web".to_owned())].into(),
        }
    }

    /// A table as the catalog gives it once a definition has been made.
    fn found(definition: &TableDefinition) -> Table {
        let made = input::table(definition).unwrap();
        Table::builder()
            .name(made.name)
            .set_description(made.description)
            .set_table_type(made.table_type)
            .set_parameters(made.parameters)
            .set_partition_keys(made.partition_keys)
            .set_storage_descriptor(made.storage_descriptor)
            .build()
            .unwrap()
    }

    fn names(input: &TableInput) -> Vec<&str> {
        let columns = input.storage_descriptor.as_ref().unwrap().columns();
        columns.iter().map(|column| column.name.as_str()).collect()
    }

    #[test]
    fn a_table_that_is_as_it_is_defined_stays() {
        let wanted = definition(&[("id", "string"), ("facts", "map<string,bigint>")]);
        let mut there = found(&wanted);
        assert_eq!(change(&wanted, &there).unwrap(), None);
        let storage = there.storage_descriptor.as_mut().unwrap();
        storage.columns.as_mut().unwrap()[1].r#type = Some("MAP<string, bigint>".to_owned());
        storage.location = Some("s3://tables/event".to_owned());
        assert_eq!(change(&wanted, &there).unwrap(), None, "spelled otherwise");
    }

    #[test]
    fn new_columns_go_to_the_end_and_what_is_not_ours_stays() {
        let mut there = found(&definition(&[("id", "string"), ("price", "double")]));
        there.owner = Some("analysts".to_owned());
        there.parameters.as_mut().unwrap().insert("team".to_owned(), "web".to_owned());
        there.parameters.as_mut().unwrap().insert("projection.enabled".to_owned(), "true".to_owned());
        let input =
            change(&definition(&[("new", "int"), ("price", "double"), ("id", "string")]), &there).unwrap().unwrap();
        assert_eq!(names(&input), ["id", "price", "new"]);
        assert_eq!(input.owner.as_deref(), Some("analysts"));
        let parameters = input.parameters.unwrap();
        assert_eq!(parameters["team"], "web");
        assert!(!parameters.contains_key("projection.enabled"), "the job has none any more");
    }

    #[test]
    fn what_would_make_rows_unreadable_is_refused_with_its_name() {
        let there = found(&definition(&[("id", "string"), ("price", "double")]));
        let refusal = |wanted: TableDefinition| change(&wanted, &there).unwrap_err().to_string();
        assert!(refusal(definition(&[("id", "string")])).contains("column=price"));
        assert!(refusal(definition(&[("id", "string"), ("price", "bigint")])).contains("type_in_the_catalog=double"));
        let elsewhere = TableDefinition { location: "s3://other/event/".to_owned(), ..definition(&[]) };
        assert!(refusal(elsewhere).contains("location_in_the_catalog=s3://tables/event/"));
        let other_keys = TableDefinition { partition_keys: vec!["day".to_owned()], ..definition(&[]) };
        assert!(refusal(other_keys).contains("partitioned_by_in_the_catalog=app"));
    }

    #[test]
    fn a_partition_is_compared_by_what_readers_need() {
        let wanted = definition(&[("id", "string")]);
        let columns = input::columns(&wanted).unwrap();
        let ours = wanted.partition(vec!["shop".to_owned()], "event/app=shop");
        let input = input::partition(&wanted, &columns, &ours);
        assert_eq!(input.storage_descriptor.as_ref().unwrap().location(), Some("s3://tables/event/app=shop/"));
        let there = |storage: StorageDescriptor| FoundPartition::builder().storage_descriptor(storage).build();
        let storage = input.storage_descriptor.clone().unwrap();
        assert!(is_same_partition(&input, &there(storage.clone())));
        let mut bare = storage.clone();
        bare.columns = None;
        assert!(!is_same_partition(&input, &there(bare)));
        let mut wrong = storage;
        wrong.output_format.clone_from(&wrong.input_format);
        assert!(!is_same_partition(&input, &there(wrong)));
    }
}
