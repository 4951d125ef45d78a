//! The `quality` section of the job file.

use crate::limits::Share;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One rule that the rows of a table must meet, with what happens when they do not. It has one of `complete`, `unique`,
/// `in`, `range`, `rows` and `sql`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QualityConfig {
    /// Name in the report, and of the dead letters' reason `quality_NAME`: lower case letters, digits and underscores.
    /// Default: made of the rule, such as `event_v2_unique_event_id`.
    #[serde(default)]
    pub name: Option<String>,
    /// The table whose rows it judges, after all enrichments. Default: the transformer's first table.
    #[serde(default)]
    pub table: Option<String>,
    /// What happens when the rule is broken.
    pub action: Action,
    /// Columns that have a value in every row: no null, no empty text, no NaN.
    #[serde(default)]
    pub complete: Option<Vec<String>>,
    /// Columns whose values together come once among all rows of the run. Rows with a null in one of them are not
    /// judged. It cannot say which of two rows is wrong: `warn` or `stop`.
    #[serde(default)]
    pub unique: Option<Vec<String>>,
    /// The column of `in` and `range`.
    #[serde(default)]
    pub column: Option<String>,
    /// The values that `column` may have. Nulls pass: `complete` is for them. Example: `in: [WEB, ANDROID]`
    #[serde(default)]
    pub r#in: Option<Vec<Value>>,
    /// The least and the greatest value that `column` may have. Nulls pass; NaN does not.
    #[serde(default)]
    pub range: Option<RangeConfig>,
    /// How many rows the run may write to the table: `warn` or `stop`.
    #[serde(default)]
    pub rows: Option<RowsConfig>,
    /// A SQL condition over the columns of one row. A row breaks it where it is false or null, and where it cannot be
    /// evaluated. `$now`, `$window_start` and `$window_end` are the run's instants.
    /// Example: `sql: event_timestamp <= $now`
    #[serde(default)]
    pub sql: Option<String>,
    /// Share of the rows that must meet the rule, for `warn` and `stop`. Default: `100%`, all of them. Example: `99.5%`
    #[serde(default)]
    pub at_least: Option<Share>,
    /// `false` leaves the rule out.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// What a broken rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The run is published, and the report warns.
    Warn,
    /// Each row that breaks the rule is a dead letter; the others are published.
    DeadLetter,
    /// Nothing is published, and the run ends with exit code 3.
    Stop,
}

/// Bounds of a column's values, both inclusive: numbers, or dates and instants such as `2026-11-20` and
/// `2026-11-20T05:00:00Z`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RangeConfig {
    /// The least value. Default: none.
    pub min: Option<Value>,
    /// The greatest value. Default: none.
    pub max: Option<Value>,
}

/// Bounds of the number of rows: `min` and `max`, or `against_last` with `within`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RowsConfig {
    /// The fewest rows. `1` also stops or warns when the window has no object at all. Default: none.
    pub min: Option<u64>,
    /// The most rows. Default: none.
    pub max: Option<u64>,
    /// Compares with the mean of the last windows of the same length before this one, as many as are said here.
    /// Without any, the rule passes.
    pub against_last: Option<u32>,
    /// How far from that mean the number may be, up or down, as a share of it. Example: `50%`
    pub within: Option<Share>,
}

impl Action {
    /// As it is written in the job file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::DeadLetter => "dead_letter",
            Self::Stop => "stop",
        }
    }
}

fn yes() -> bool {
    true
}
