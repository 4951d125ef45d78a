//! What a job's catalog is to know: its tables, the projection of their partitions, and the table over the raw batches.

use super::glue;
use super::table::{DdlColumn, DdlPartition, DdlTable};
use crate::catalog::{ProjectionConfig, TableDefinition};
use crate::engine::Pipeline;
use crate::job::Job;
use crate::output::sink::Format;
use crate::source::Layout;
use crate::targets::catalog::{CatalogRules, RawTable};
use crate::text::suggest::unknown;
use arrow::datatypes::DataType;
use etl_sdk::{Error, PartitionPart, Result};
use std::collections::BTreeMap;

/// Years that Athena looks into unless the job says otherwise.
const YEARS: [u16; 2] = [2020, 2040];

/// The columns of a raw batch of the clickstream: what its collectors write, and `method` beside the older `m`.
/// `client_timestamp` is text, as it is sent.
const RAW_COLUMNS: [(&str, DataType); 16] = [
    ("date", DataType::Utf8),
    ("data", DataType::Utf8),
    ("ip", DataType::Utf8),
    ("source_type", DataType::Utf8),
    ("rid", DataType::Utf8),
    ("ua", DataType::Utf8),
    ("m", DataType::Utf8),
    ("method", DataType::Utf8),
    ("uri", DataType::Utf8),
    ("platform", DataType::Utf8),
    ("path", DataType::Utf8),
    ("appid", DataType::Utf8),
    ("compression", DataType::Utf8),
    ("ingest_time", DataType::Int64),
    ("server_ingest_time", DataType::Int64),
    ("client_timestamp", DataType::Utf8),
];

/// The partition columns of the raw batches.
const HOURS: [(&str, PartitionPart); 4] = [
    ("year", PartitionPart::Year),
    ("month", PartitionPart::Month),
    ("day", PartitionPart::Day),
    ("hour", PartitionPart::Hour),
];

/// What the catalog of a job is to know; `None` for a job without one. `sink` and `source` are their urls as they are opened.
///
/// Fails, at its place in the job file, for tables that are not in S3 and for a projection of what is no partition column.
pub fn catalog_rules(job: &Job, pipeline: &Pipeline, sink: &str, source: &str) -> Result<Option<CatalogRules>> {
    let Some(glue) = job.config.catalog.glue.as_ref().filter(|glue| glue.enabled) else { return Ok(None) };
    let off = "or turn it off here: catalog.glue.enabled: false";
    if !sink.starts_with("s3://") {
        let error = Error::config("tell the catalog of tables")
            .with("sink.url", sink)
            .hint(format!("who reads the catalog reads from S3 alone; write the tables to s3://BUCKET/PREFIX, {off}"));
        return Err(job.placed(&["catalog", "glue"], error));
    }
    if glue.raw_table.is_some() && !source.starts_with("s3://") {
        let error = Error::config("tell the catalog of raw batches")
            .with("source.url", source)
            .hint("who reads the catalog reads from S3 alone; leave `raw_table` out");
        return Err(job.placed(&["catalog", "glue", "raw_table"], error));
    }
    let compression = job.config.sink.compression;
    let define = |table: &DdlTable| {
        let mut parameters = job_parameters(&job.config.job);
        parameters.extend(table.projection.clone());
        glue::definition(table, format!("{}{}", glue.table_prefix, table.name), compression, parameters)
    };
    let tables = tables_of(job, pipeline, sink)?.iter().map(define).collect::<Result<_>>()?;
    let raw = match raw_table(job, source) {
        Some(table) => {
            let hours = Some(job.config.source.layout).filter(|_| table.projection.is_empty());
            let definition = TableDefinition { table: String::new(), ..define(&table)? };
            Some(RawTable { definition, hours, zone: job.config.source.path_time_zone })
        }
        None => None,
    };
    let (database, catalog_id) = (glue.database.clone(), glue.catalog_id.clone());
    Ok(Some(CatalogRules { database, catalog_id, tables, raw }))
}

/// The tables that the job writes, with the projection that the job file asks for. `sink` is the url as it is opened.
pub fn tables_of(job: &Job, pipeline: &Pipeline, sink: &str) -> Result<Vec<DdlTable>> {
    let format = job.config.sink.format;
    let mut tables: Vec<DdlTable> =
        pipeline.tables.iter().filter_map(|plan| DdlTable::of(plan, sink, format)).collect();
    let projection = job.config.catalog.glue.as_ref().and_then(|glue| glue.projection.as_ref());
    if let Some(projection) = projection {
        check(projection, &tables).map_err(|error| job.placed(&["catalog", "glue", "projection", "values"], error))?;
        for table in tables.iter_mut().filter(|table| !table.partitions.is_empty()) {
            table.projection = projected(projection, &table.partitions, &table.location, Layout::HiveHourly);
        }
    }
    Ok(tables)
}

/// The table over the raw batches, if the job file asks for one. `source` is the url as it is opened.
pub fn raw_table(job: &Job, source: &str) -> Option<DdlTable> {
    let glue = job.config.catalog.glue.as_ref()?;
    let raw = glue.raw_table.as_ref()?;
    let layout = job.config.source.layout;
    let column = |(name, data_type): &(&str, DataType)| DdlColumn {
        name: (*name).to_owned(),
        data_type: data_type.clone(),
        max_bytes: None,
        required: false,
        description: String::new(),
    };
    let partitions: Vec<DdlPartition> = match layout {
        Layout::Flat => Vec::new(),
        Layout::HiveHourly | Layout::FirehoseHourly => {
            HOURS.iter().map(|(name, takes)| DdlPartition { name: (*name).to_owned(), takes: *takes }).collect()
        }
    };
    let location = format!("{}/", source.trim_end_matches('/'));
    let projection = if raw.projection && !partitions.is_empty() {
        projected(&glue.projection.clone().unwrap_or_default(), &partitions, &location, layout)
    } else {
        BTreeMap::new()
    };
    Some(DdlTable {
        name: raw.name.clone(),
        description: "The raw batches as they arrive, one request per line.".to_owned(),
        columns: RAW_COLUMNS.iter().map(column).collect(),
        partitions,
        location,
        format: Format::Json,
        versions: None,
        has_hive_paths: layout == Layout::HiveHourly,
        projection,
        sort_by: Vec::new(),
    })
}

fn job_parameters(job: &str) -> BTreeMap<String, String> {
    [("etl_runner.job", job), ("etl_runner.version", env!("CARGO_PKG_VERSION"))]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn check(projection: &ProjectionConfig, tables: &[DdlTable]) -> Result<()> {
    let all = tables.iter().flat_map(|table| &table.partitions);
    let mut known: Vec<&str> = all
        .filter(|partition| partition.takes == PartitionPart::Value)
        .map(|partition| partition.name.as_str())
        .collect();
    known.sort_unstable();
    known.dedup();
    match projection.values.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(unknown("partition column that takes a value", name, &known)),
        None => Ok(()),
    }
}

/// The table parameters with which Athena works out partitions by itself.
fn projected(
    projection: &ProjectionConfig,
    partitions: &[DdlPartition],
    location: &str,
    layout: Layout,
) -> BTreeMap<String, String> {
    let [first, last] = projection.years.unwrap_or(YEARS);
    let mut parameters = BTreeMap::from([("projection.enabled".to_owned(), "true".to_owned())]);
    let mut template = location.to_owned();
    for DdlPartition { name, takes } in partitions {
        let of_numbers = |range: String, digits: &str| {
            vec![("type", "integer".to_owned()), ("range", range), ("digits", digits.to_owned())]
        };
        let settings = match takes {
            PartitionPart::Year => of_numbers(format!("{first},{last}"), "4"),
            PartitionPart::Month => of_numbers("1,12".to_owned(), "2"),
            PartitionPart::Day => of_numbers("1,31".to_owned(), "2"),
            PartitionPart::Hour => of_numbers("0,23".to_owned(), "2"),
            PartitionPart::Date => vec![
                ("type", "date".to_owned()),
                ("format", "yyyy-MM-dd".to_owned()),
                ("range", format!("{first:04}-01-01,{last:04}-12-31")),
            ],
            PartitionPart::Value => match projection.values.get(name) {
                Some(values) => vec![("type", "enum".to_owned()), ("values", values.join(","))],
                None => vec![("type", "injected".to_owned())],
            },
        };
        parameters.extend(settings.into_iter().map(|(key, value)| (format!("projection.{name}.{key}"), value)));
        if layout != Layout::FirehoseHourly {
            template.extend([name, "="]);
        }
        template.extend(["${", name, "}/"]);
    }
    parameters.insert("storage.location.template".to_owned(), template);
    parameters
}
