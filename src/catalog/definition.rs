//! A table as a catalog knows it.

use super::partition::Partition;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The longest comment of a column, in bytes (Glue API, `Column`).
const MAX_COMMENT: usize = 255;

/// The longest description of a table, in bytes (Glue API, `TableInput`).
const MAX_DESCRIPTION: usize = 2_048;

/// A table as a catalog knows it. Serializable: a commit keeps it, and any process tells the catalog the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDefinition {
    /// Its name in the output, which is that of its folder.
    pub table: String,
    /// Its name in the catalog.
    pub name: String,
    /// What one row is.
    pub description: String,
    /// The columns of the files, in their order.
    pub columns: Vec<ColumnDefinition>,
    /// The partition columns, outermost first; all are text.
    pub partition_keys: Vec<String>,
    /// Where it is, with a slash at the end.
    pub location: String,
    /// The form of its files.
    pub form: FileForm,
    /// Table parameters besides those that follow from the form.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// A column of the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Its type in Hive's words: `map<string,bigint>`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What it means; empty when nothing is said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// The form of a table's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileForm {
    /// Parquet with snappy pages.
    ParquetSnappy,
    /// Parquet with zstd pages.
    ParquetZstd,
    /// JSON lines.
    Json,
}

/// How a form of files is read and written.
pub(super) struct Classes {
    pub(super) input: &'static str,
    pub(super) output: &'static str,
    pub(super) serde: &'static str,
}

const PARQUET: Classes = Classes {
    input: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    output: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    serde: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
};

const JSON: Classes = Classes {
    input: "org.apache.hadoop.mapred.TextInputFormat",
    output: "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    serde: "org.openx.data.jsonserde.JsonSerDe",
};

impl FileForm {
    pub(super) fn classes(self) -> Classes {
        match self {
            Self::ParquetSnappy | Self::ParquetZstd => PARQUET,
            Self::Json => JSON,
        }
    }

    /// The parameters that say the form, of tables and partitions alike.
    pub(super) fn parameters(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let (classification, compression) = match self {
            Self::ParquetSnappy => ("parquet", Some("SNAPPY")),
            Self::ParquetZstd => ("parquet", Some("ZSTD")),
            Self::Json => ("json", None),
        };
        let compression = compression.map(|name| ("parquet.compression", name));
        std::iter::once(("classification", classification)).chain(compression)
    }
}

impl TableDefinition {
    /// What one row is, as long as the catalog takes it.
    pub(super) fn description(&self) -> &str {
        cut(&self.description, MAX_DESCRIPTION)
    }

    /// All parameters of the table.
    pub(super) fn all_parameters(&self) -> BTreeMap<String, String> {
        let own = self.parameters.iter().map(|(key, value)| (key.clone(), value.clone()));
        let of_form = self.form.parameters().map(|(key, value)| (key.to_owned(), value.to_owned()));
        let external = std::iter::once(("EXTERNAL".to_owned(), "TRUE".to_owned()));
        external.chain(of_form).chain(own).collect()
    }

    /// The request `CreateTable`, in the form of the service's own JSON.
    pub fn create_request(&self, database: &str) -> Value {
        let classes = self.form.classes();
        let column = |column: &ColumnDefinition| {
            let mut declared = json!({"Name": column.name, "Type": column.type_name});
            if !column.comment.is_empty() {
                declared["Comment"] = column.comment().into();
            }
            declared
        };
        let keys = self.partition_keys.iter().map(|name| json!({"Name": name, "Type": "string"}));
        json!({
            "DatabaseName": database,
            "TableInput": {
                "Name": self.name,
                "Description": self.description(),
                "TableType": "EXTERNAL_TABLE",
                "Parameters": self.all_parameters(),
                "PartitionKeys": keys.collect::<Vec<_>>(),
                "StorageDescriptor": {
                    "Columns": self.columns.iter().map(column).collect::<Vec<_>>(),
                    "Location": self.location,
                    "InputFormat": classes.input,
                    "OutputFormat": classes.output,
                    "SerdeInfo": {
                        "SerializationLibrary": classes.serde,
                        "Parameters": {"serialization.format": "1"},
                    },
                },
            },
        })
    }

    /// The partition of a folder under the sink's url.
    pub fn partition(&self, values: Vec<String>, folder: &str) -> Partition {
        let below = folder.strip_prefix(&self.table).unwrap_or(folder).trim_matches('/');
        Partition { values, location: format!("{}{below}/", self.location) }
    }
}

impl ColumnDefinition {
    /// What it means, as long as the catalog takes it.
    pub(super) fn comment(&self) -> &str {
        cut(&self.comment, MAX_COMMENT)
    }
}

/// The beginning of a text, of so many bytes at most.
fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}
