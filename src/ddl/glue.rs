//! The Glue Data Catalog: the request that creates a table.

use super::table::DdlTable;
use super::types;
use crate::output::sink::Format;
use etl_sdk::Result;
use serde_json::{Value, json};

/// The longest comment of a column, in bytes (Glue API, `Column`).
const MAX_COMMENT: usize = 255;
/// The longest description of a table, in bytes (Glue API, `TableInput`).
const MAX_DESCRIPTION: usize = 2_048;

/// How a form of files is read and written.
struct Serde {
    input: &'static str,
    output: &'static str,
    library: &'static str,
    classification: &'static str,
}

const PARQUET: Serde = Serde {
    input: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    output: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    library: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    classification: "parquet",
};

const JSON: Serde = Serde {
    input: "org.apache.hadoop.mapred.TextInputFormat",
    output: "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    library: "org.openx.data.jsonserde.JsonSerDe",
    classification: "json",
};

/// The request `CreateTable` for a table, in the form of the service's own JSON.
pub fn create_table(database: &str, table: &DdlTable) -> Result<Value> {
    let serde = match table.format {
        Format::Parquet => PARQUET,
        Format::Json => JSON,
    };
    let mut columns = Vec::new();
    for column in &table.columns {
        let mut declared = json!({"Name": column.name, "Type": types::hive(column)?});
        if !column.description.is_empty() {
            declared["Comment"] = cut(&column.description, MAX_COMMENT).into();
        }
        columns.push(declared);
    }
    let partitions: Vec<Value> = table.partitions.iter().map(|name| json!({"Name": name, "Type": "string"})).collect();
    Ok(json!({
        "DatabaseName": database,
        "TableInput": {
            "Name": table.name,
            "Description": cut(&table.description, MAX_DESCRIPTION),
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "classification": serde.classification},
            "PartitionKeys": partitions,
            "StorageDescriptor": {
                "Columns": columns,
                "Location": table.location,
                "InputFormat": serde.input,
                "OutputFormat": serde.output,
                "SerdeInfo": {
                    "SerializationLibrary": serde.library,
                    "Parameters": {"serialization.format": "1"},
                },
            },
        },
    }))
}

fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}
