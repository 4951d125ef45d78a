//! What a comparison found. The names of its JSON are stable; docs/compare.md describes them.

use super::cause::Cause;
use serde::Serialize;
use serde_json::{Map, Value};

/// Version of the shape of the JSON.
pub const SCHEMA_VERSION: u32 = 1;

/// Whether the sides are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonStatus {
    /// All rows are on both sides and equal in all columns that are compared.
    #[default]
    Equal,
    /// A row or a column is on one side alone, or a value differs.
    Different,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// [`SCHEMA_VERSION`]
    pub schema_version: u32,
    /// Whether the sides are equal.
    pub status: ComparisonStatus,
    /// The columns of the key.
    pub key: Vec<String>,
    /// The columns whose greatest values decide which row of a key counts; empty for all rows.
    pub latest: Vec<String>,
    /// The left side.
    pub left: SideReport,
    /// The right side.
    pub right: SideReport,
    /// Rows that are on both sides.
    pub matched: MatchedRows,
    /// Columns that are compared, those of the key left out.
    pub compared_columns: u64,
    /// Columns that differ in a row or more, the most frequent first.
    pub columns: Vec<ColumnDifference>,
    /// Columns whose types differ; no difference by itself.
    pub types: Vec<TypeDifference>,
    /// What was not compared, as it was asked for.
    pub ignored: Vec<String>,
    /// What else is good to know.
    pub notes: Vec<String>,
    /// Bytes that were spilled to disk.
    pub spilled_bytes: u64,
    /// Time on the clock.
    pub elapsed_seconds: f64,
}

/// What is on one side.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SideReport {
    /// Where it is.
    pub url: String,
    /// `parquet`, `json`, or `parquet and json`.
    pub format: String,
    /// Files that were read.
    pub files: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// Rows in them.
    pub rows: u64,
    /// Rows that `latest` leaves out.
    pub superseded_rows: u64,
    /// Rows without a partner on the other side.
    pub only: KeyFinding,
    /// Keys with more than one row.
    pub duplicates: DuplicateFinding,
    /// Columns that the other side does not have.
    pub only_columns: Vec<ColumnName>,
}

/// Rows and the keys of a few of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct KeyFinding {
    /// How many rows.
    pub rows: u64,
    /// Keys of the first of them, in the order of the key.
    pub examples: Vec<Key>,
}

/// Keys that come more than once.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DuplicateFinding {
    /// How many keys.
    pub keys: u64,
    /// Rows of these keys.
    pub rows: u64,
    /// The first of them, in their order.
    pub examples: Vec<Key>,
}

/// The values of the key's columns, by name; `null` for a null.
pub type Key = Map<String, Value>;

/// A column of one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnName {
    /// Its name.
    pub column: String,
    /// Its type, as `bigint`; of JSON lines, what is in it.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// Rows that are on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MatchedRows {
    /// How many.
    pub rows: u64,
    /// Those that differ in a column or more.
    pub different: u64,
}

/// A column whose types differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypeDifference {
    /// Its name.
    pub column: String,
    /// Its type on the left.
    pub left: String,
    /// Its type on the right.
    pub right: String,
    /// `integers`, `doubles`, `numbers`, `instants`, `dates`, `texts` or `JSON`.
    pub compared_as: &'static str,
}

/// A column that differs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ColumnDifference {
    /// Its name.
    pub column: String,
    /// Matched rows in which it differs.
    pub rows: u64,
    /// Their share of all matched rows, 0 to 1.
    pub share: f64,
    /// Guessed causes, the most frequent first.
    pub causes: Vec<CauseCount>,
    /// Of a nested column: the members that differ, the most frequent first; fifty at most.
    pub members: Vec<MemberCount>,
    /// The first differences, in the order of the key.
    pub examples: Vec<DifferenceExample>,
}

/// A guessed cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CauseCount {
    /// The cause.
    pub cause: Cause,
    /// Rows that look like it.
    pub rows: u64,
    /// Of `time_zone`: how far right is ahead of left, as `+08:00`, when few values are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<String>,
}

/// A member of nested values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberCount {
    /// As [`CompareRequest::ignore`](super::CompareRequest::ignore) takes it.
    pub path: String,
    /// Rows in which it differs.
    pub rows: u64,
}

/// Two values that differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DifferenceExample {
    /// The row's key.
    pub key: Key,
    /// The value on the left, cut to 1,000 characters around the first difference; `null` for a null.
    pub left: Option<String>,
    /// The value on the right, cut in the same way.
    pub right: Option<String>,
    /// The guess.
    pub cause: Cause,
}

impl Comparison {
    /// Sets the status from what was found.
    pub(super) fn conclude(&mut self) {
        let side = |side: &SideReport| side.only.rows == 0 && side.only_columns.is_empty();
        let is_equal = side(&self.left) && side(&self.right) && self.columns.is_empty();
        self.status = if is_equal { ComparisonStatus::Equal } else { ComparisonStatus::Different };
    }
}
