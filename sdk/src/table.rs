//! Tables: an ordered schema, how rows of one key become one row, and where rows go.

use crate::{Error, Result, StepName};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A table of a transformer.
#[derive(Clone, Debug)]
pub struct Table {
    /// Name, columns and lengths.
    pub schema: TableSchema,
    /// Whether rows are appended as they come or merged by key at the end of the run.
    pub keep: Keep,
    /// The partition columns unless the job file says otherwise.
    pub partition_by: Vec<PartitionBy>,
    /// The transformer's step whose kept rows are the rows it hands over for this table.
    pub step: StepName,
}

/// What becomes of the rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Every row is a row of the output.
    All,
    /// Rows are partial results; one row per key is written after all tasks.
    Merged(Merge),
}

/// How partial rows of one key become one row. Associative and independent of order: partial rows can be merged in
/// any grouping, and the result is again a partial row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// How the other columns are merged: each of them is in exactly one rule.
    pub rules: Vec<MergeRule>,
    /// Whether rows go on into later runs; `None` for a table whose rows are made of one run alone.
    pub carry: Option<Carry>,
}

/// What of a merged table goes on into later runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carry {
    /// Rows: a run writes the rows of its keys, merged with what earlier runs knew of them. Its own partial rows must not
    /// depend on other runs, so the columns that order picks tell runs apart. There are no totals among its rules: a run
    /// that replaces another meets that one's keys as rows without values, which are no rows to add up.
    Rows {
        /// A `timestamp` column: when the key was last met. A row where it is null says nothing and is not written.
        met: String,
        /// A `timestamp` column that tells which of several rows of a key is the latest: the runner sets it to the run's
        /// instant, or just past that of an earlier row.
        stamp: String,
        /// Days after which a key that was not met is forgotten, counted back from the run's instant.
        days: u32,
    },
    /// Keys alone: a row whose key the run of a window nearby has written is left out.
    Keys {
        /// How far the window may be from the run's own.
        hours: u32,
    },
}

/// How columns of the partial rows of one key become those of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeRule {
    /// The greatest value of a `string`, `bigint`, `timestamp` or `date` column, nulls ignored.
    Greatest(String),
    /// Columns that come from one row of the group: the first by `order`.
    Pick {
        /// Columns taken as a unit, nulls included.
        columns: Vec<String>,
        /// `bigint` columns compared in turn, smallest first. A row whose first order column is null is no candidate;
        /// when no row is, the columns are null.
        order: Vec<String>,
    },
    /// The sum of a `bigint` column, or of a decimal one where the Arrow schema has it; nulls are ignored, and the sum
    /// of nulls alone is null. A sum that the column cannot hold is an error of the run, and never wraps.
    ///
    /// A `double` is refused: its sum depends on the order of the rows, and so on how they were cut into tasks. Sum the
    /// smallest unit instead, such as cents.
    Sum(String),
    /// How many rows became the row. A `bigint` column that the transformer leaves null, for the one row that it is, or
    /// fills with the number of rows that it merged itself. A total that the column cannot hold is an error of the run.
    Count(String),
}

/// One partition column of the output path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionBy {
    /// Name in the path: `partition_year`.
    pub name: String,
    /// The column it is computed from.
    pub column: String,
    /// What is taken of the column.
    pub part: PartitionPart,
}

/// What a partition value takes of its column. Times are UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionPart {
    /// The value as text.
    Value,
    /// Four digits of a timestamp or date.
    Year,
    /// Two digits, `01` to `12`.
    Month,
    /// Two digits, `01` to `31`.
    Day,
    /// Two digits, `00` to `23`.
    Hour,
    /// `2026-11-20`.
    Date,
}

/// The columns of a table in their order: the single source of the Arrow schema, the DDL and the length checks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSchema {
    /// Name of the table and of its folder.
    pub table: String,
    /// What one row is.
    pub description: String,
    /// The columns; the order is a contract with every reader that goes by position.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Lower case, digits and underscores.
    pub name: String,
    /// In the catalog's words: `string`, `bigint`, `map<string,string>`.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// Longest value in bytes of UTF-8 that the warehouse column takes.
    #[serde(default)]
    pub max_bytes: Option<usize>,
    /// Whether the warehouse refuses a null.
    #[serde(default)]
    pub required: bool,
    /// Whether the column only exists between the transformer and the sink.
    #[serde(default)]
    pub transient: bool,
    /// What the value is, its unit, and its source.
    #[serde(default)]
    pub description: String,
}

/// The types of the catalog that the tables use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ColumnType {
    /// UTF-8 text.
    String,
    /// 64-bit integer.
    BigInt,
    /// 32-bit integer.
    Int,
    /// 64-bit float.
    Double,
    /// True or false.
    Boolean,
    /// An instant, microseconds in UTC.
    Timestamp,
    /// A calendar date.
    Date,
    /// Keys are strings and unique within a row.
    Map(Box<ColumnType>),
    /// Named members in order.
    Struct(Vec<(String, ColumnType)>),
    /// Any number of values.
    Array(Box<ColumnType>),
}

impl TableSchema {
    /// Reads a schema file's text.
    pub fn parse(text: &str) -> Result<Self> {
        let schema: Self =
            serde_json::from_str(text).map_err(|error| Error::config("read a table schema").source(error))?;
        for (index, column) in schema.columns.iter().enumerate() {
            if schema.columns[..index].iter().any(|earlier| earlier.name == column.name) {
                return Err(Error::config("read a table schema")
                    .with("table", &schema.table)
                    .with("twice", &column.name));
            }
        }
        Ok(schema)
    }

    /// All columns as the transformer builds them, transient ones included. Every field is nullable.
    pub fn working_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(Column::field).collect::<Vec<_>>()))
    }

    /// The columns that are written.
    pub fn output_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.columns.iter().filter(|column| !column.transient).map(Column::field).collect::<Vec<_>>(),
        ))
    }

    /// Index of a column in the working schema.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

impl Column {
    fn field(&self) -> Field {
        Field::new(&self.name, self.column_type.data_type(), true)
    }
}

impl ColumnType {
    /// The Arrow type. Map entries carry Parquet's own names, so that files look as other writers' do.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::String => DataType::Utf8,
            Self::BigInt => DataType::Int64,
            Self::Int => DataType::Int32,
            Self::Double => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
            Self::Map(value) => {
                let entries = Fields::from(vec![
                    Field::new("key", DataType::Utf8, false),
                    Field::new("value", value.data_type(), true),
                ]);
                DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
            }
            Self::Struct(members) => DataType::Struct(
                members.iter().map(|(name, member)| Field::new(name, member.data_type(), true)).collect(),
            ),
            Self::Array(element) => DataType::List(Arc::new(Field::new("element", element.data_type(), true))),
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("string"),
            Self::BigInt => f.write_str("bigint"),
            Self::Int => f.write_str("int"),
            Self::Double => f.write_str("double"),
            Self::Boolean => f.write_str("boolean"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Date => f.write_str("date"),
            Self::Map(value) => write!(f, "map<string,{value}>"),
            Self::Array(element) => write!(f, "array<{element}>"),
            Self::Struct(members) => {
                f.write_str("struct<")?;
                for (index, (name, member)) in members.iter().enumerate() {
                    write!(f, "{}{name}:{member}", if index == 0 { "" } else { "," })?;
                }
                f.write_str(">")
            }
        }
    }
}

impl TryFrom<String> for ColumnType {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let mut rest = text.as_str();
        match parse_type(&mut rest) {
            Some(column_type) if rest.is_empty() => Ok(column_type),
            _ => Err(Error::config("read a column type").with("type", &text).hint(
                "types are string, bigint, int, double, boolean, timestamp, date, map<string,T>, array<T> and struct<name:T,...>",
            )),
        }
    }
}

fn parse_type(rest: &mut &str) -> Option<ColumnType> {
    let end = rest.find(['<', '>', ',']).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after;
    let simple = match name {
        "string" => ColumnType::String,
        "bigint" => ColumnType::BigInt,
        "int" => ColumnType::Int,
        "double" => ColumnType::Double,
        "boolean" => ColumnType::Boolean,
        "timestamp" => ColumnType::Timestamp,
        "date" => ColumnType::Date,
        "map" => {
            *rest = rest.strip_prefix("<string,")?;
            let value = parse_type(rest)?;
            *rest = rest.strip_prefix('>')?;
            return Some(ColumnType::Map(Box::new(value)));
        }
        "array" => {
            *rest = rest.strip_prefix('<')?;
            let element = parse_type(rest)?;
            *rest = rest.strip_prefix('>')?;
            return Some(ColumnType::Array(Box::new(element)));
        }
        "struct" => {
            *rest = rest.strip_prefix('<')?;
            let mut members = Vec::new();
            loop {
                let colon = rest.find(':')?;
                let member = rest[..colon].to_owned();
                *rest = &rest[colon + 1..];
                members.push((member, parse_type(rest)?));
                match rest.strip_prefix(',') {
                    Some(more) => *rest = more,
                    None => break,
                }
            }
            *rest = rest.strip_prefix('>')?;
            return Some(ColumnType::Struct(members));
        }
        _ => return None,
    };
    Some(simple)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_printed_alike() {
        for text in [
            "string",
            "map<string,string>",
            "map<string,struct<value:string,type:string,set_time_msec:bigint>>",
            "array<map<string,int>>",
        ] {
            assert_eq!(ColumnType::try_from(text.to_owned()).map(|t| t.to_string()).ok().as_deref(), Some(text));
        }
        for text in ["text", "map<int,string>", "map<string,string", "struct<>", "string>"] {
            assert!(ColumnType::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_column_named_twice_is_refused() {
        let text = r#"{"table":"t","description":"","columns":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#;
        assert!(TableSchema::parse(text).is_err_and(|error| error.to_string().contains("twice=a")));
    }
}
