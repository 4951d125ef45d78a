//! Athena, Hive and Spark: external tables over the files where they lie.

use super::table::DdlTable;
use super::types;
use super::write::{Quote, escaped_text, latest_view, listed};
use crate::output::sink::Format;
use etl_sdk::Result;

/// How such an engine writes a table.
pub(super) struct Engine {
    /// What begins the statement.
    create: &'static str,
    /// How it names the form of the files.
    parquet: &'static str,
    json: &'static str,
    /// Whether the partition columns have a type of their own in the clause that names them.
    types_of_partitions: bool,
    /// Whether it works partitions out by the table's parameters.
    projects: bool,
    /// How views write names: Athena has another parser for them.
    view: Quote,
}

const JSON_SERDE: &str = "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'\nSTORED AS TEXTFILE";

pub(super) const ATHENA: Engine = Engine {
    create: "CREATE EXTERNAL TABLE IF NOT EXISTS",
    parquet: "STORED AS PARQUET",
    json: JSON_SERDE,
    types_of_partitions: true,
    projects: true,
    view: Quote::Double,
};

pub(super) const HIVE: Engine = Engine {
    create: "CREATE EXTERNAL TABLE IF NOT EXISTS",
    parquet: "STORED AS PARQUET",
    json: "ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'\nSTORED AS TEXTFILE",
    types_of_partitions: true,
    projects: false,
    view: Quote::Backtick,
};

pub(super) const SPARK: Engine = Engine {
    create: "CREATE TABLE IF NOT EXISTS",
    parquet: "USING PARQUET",
    json: "USING JSON",
    types_of_partitions: false,
    projects: false,
    view: Quote::Backtick,
};

/// A folder of this machine is one of its file system, whatever the engine's own is.
fn location(table: &DdlTable) -> String {
    if table.location.starts_with('/') { format!("file://{}", table.location) } else { table.location.clone() }
}

/// The clause with the parameters of a table, on a line of its own; nothing without any.
fn properties(table: &DdlTable) -> String {
    if table.projection.is_empty() {
        return String::new();
    }
    let pairs = table.projection.iter().map(|(key, value)| format!("{} = {}", escaped_text(key), escaped_text(value)));
    format!("\nTBLPROPERTIES {}", listed(&pairs.collect::<Vec<_>>()))
}

/// The table, the search for its partitions, and a view of the latest rows where a key has several.
pub(super) fn statements(engine: &Engine, database: &str, table: &DdlTable) -> Result<Vec<String>> {
    let quote = Quote::Backtick;
    let name = format!("{}.{}", quote.name(database), quote.name(&table.name));
    let mut columns = Vec::new();
    for column in &table.columns {
        let comment = match column.description.as_str() {
            "" => String::new(),
            text => format!(" COMMENT {}", escaped_text(text)),
        };
        columns.push(format!("{} {}{comment}", quote.name(&column.name), types::hive(column)?));
    }
    let is_partitioned = !table.partitions.is_empty();
    let partitions = table.partition_names().map(|name| quote.name(name));
    let partitions: Vec<String> = if engine.types_of_partitions {
        partitions.map(|name| format!("{name} string")).collect()
    } else {
        // Spark wants them among the columns.
        columns.extend(table.partition_names().map(|name| format!("{} string", quote.name(name))));
        partitions.collect()
    };
    let form = match table.format {
        Format::Parquet => engine.parquet,
        Format::Json => engine.json,
    };
    let comment = format!("COMMENT {}", escaped_text(&table.description));
    let partitioned = is_partitioned.then(|| format!("PARTITIONED BY ({})", partitions.join(", ")));
    let clauses = if engine.types_of_partitions {
        vec![Some(comment), partitioned, Some(form.to_owned())]
    } else {
        vec![Some(form.to_owned()), partitioned, Some(comment)]
    };
    let clauses: Vec<String> = clauses.into_iter().flatten().collect();
    let create = format!(
        "{} {name} {}\n{}\nLOCATION {}{};",
        engine.create,
        listed(&columns),
        clauses.join("\n"),
        escaped_text(&location(table)),
        if engine.projects { properties(table) } else { String::new() }
    );
    let is_found = is_partitioned && table.has_hive_paths && (table.projection.is_empty() || !engine.projects);
    let repair = is_found.then(|| format!("MSCK REPAIR TABLE {name};"));
    let latest = latest_view("CREATE OR REPLACE VIEW", engine.view, database, table);
    Ok([Some(create), repair, latest].into_iter().flatten().collect())
}
