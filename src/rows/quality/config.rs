//! The `quality` section of the job file.

use crate::limits::Share;
use etl_sdk::{Error, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// One rule that the rows of a table must meet, with what happens when they do not.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "QualityFields")]
pub struct QualityConfig {
    /// Its name, unless it is made of the rule.
    pub name: Option<String>,
    /// The table whose rows it judges; the transformer's first table when there is none.
    pub table: Option<String>,
    /// What happens when the rule is broken.
    pub action: Action,
    /// What it asks.
    pub asks: Asks,
    /// Share of the rows that must meet the rule; all when there is none.
    pub at_least: Option<Share>,
    /// Whether it is judged at all.
    pub enabled: bool,
}

/// What a rule asks. The names of columns are those of the job file, not yet looked for in the table.
#[derive(Clone, Debug)]
pub enum Asks {
    /// A value in each of the columns.
    Complete(Vec<String>),
    /// The columns' values together come once.
    Unique(Vec<String>),
    /// One of the values in the column.
    In {
        /// The column.
        column: String,
        /// The values.
        values: Vec<Value>,
    },
    /// A value within bounds in the column.
    Range {
        /// The column.
        column: String,
        /// The bounds.
        bounds: RangeConfig,
    },
    /// A number of rows.
    Rows(RowsConfig),
    /// A condition that holds for each row.
    Sql(String),
}

/// A rule that cannot be, and the key at fault; no key when it is the whole rule.
#[derive(Debug)]
pub struct WrongRule {
    /// The key.
    pub key: &'static str,
    /// What is wrong.
    pub error: Error,
}

/// One rule that the rows of a table must meet, with what happens when they do not. It has one of `complete`, `unique`,
/// `in`, `range`, `rows` and `sql`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "QualityConfig")]
pub(crate) struct QualityFields {
    /// Name in the report, and of the dead letters' reason `quality_NAME`: lower case letters, digits and underscores.
    /// Default: made of the rule, such as `event_v2_unique_event_id`.
    #[serde(default)]
    name: Option<String>,
    /// The table whose rows it judges, after all enrichments. Default: the transformer's first table.
    #[serde(default)]
    table: Option<String>,
    /// What happens when the rule is broken.
    action: Action,
    /// Columns that have a value in every row: no null, no empty text, no NaN.
    #[serde(default)]
    complete: Option<Vec<String>>,
    /// Columns whose values together come once among all rows of the run. Rows with a null in one of them are not
    /// judged. It cannot say which of two rows is wrong: `warn` or `stop`.
    #[serde(default)]
    unique: Option<Vec<String>>,
    /// The column of `in` and `range`.
    #[serde(default)]
    column: Option<String>,
    /// The values that `column` may have. Nulls pass: `complete` is for them. Example: `in: [WEB, ANDROID]`
    #[serde(default)]
    r#in: Option<Vec<Value>>,
    /// The least and the greatest value that `column` may have. Nulls pass; NaN does not.
    #[serde(default)]
    range: Option<RangeConfig>,
    /// How many rows the run may write to the table: `warn` or `stop`.
    #[serde(default)]
    rows: Option<RowsConfig>,
    /// A SQL condition over the columns of one row. A row breaks it where it is false or null, and where it cannot be
    /// evaluated. `$now`, `$window_start` and `$window_end` are the run's instants.
    /// Example: `sql: event_timestamp <= $now`
    #[serde(default)]
    sql: Option<String>,
    /// Share of the rows that must meet the rule, for `warn` and `stop`. Default: `100%`, all of them. Example: `99.5%`
    #[serde(default)]
    at_least: Option<Share>,
    /// `false` leaves the rule out.
    #[serde(default = "yes")]
    enabled: bool,
}

impl QualityConfig {
    /// The reason code of its dead letters as the job file names it, if it makes any.
    pub fn given_reason(&self) -> Option<String> {
        let name = self.name.as_ref().filter(|_| self.action == Action::DeadLetter);
        name.map(|name| reason_code(name))
    }
}

/// The reason code of the dead letters of a rule of this name.
pub(super) fn reason_code(name: &str) -> String {
    format!("quality_{name}")
}

impl TryFrom<QualityFields> for QualityConfig {
    type Error = WrongRule;

    fn try_from(fields: QualityFields) -> Result<Self, WrongRule> {
        let QualityFields { name, table, action, complete, unique, column, r#in, range, rows, sql, at_least, enabled } =
            fields;
        let has_column = column.is_some();
        let column = column.unwrap_or_default();
        let asked = [
            complete.map(Asks::Complete),
            unique.map(Asks::Unique),
            r#in.map(|values| Asks::In { column: column.clone(), values }),
            range.map(|bounds| Asks::Range { column: column.clone(), bounds }),
            rows.map(Asks::Rows),
            sql.map(Asks::Sql),
        ];
        let mut asked = asked.into_iter().flatten();
        let asks = match (asked.next(), asked.next()) {
            (Some(asks), None) => asks,
            (None, _) => return Err(WrongRule::alone("", "a quality rule asks nothing".to_owned())),
            (Some(first), Some(second)) => {
                let what = format!("a quality rule has `{}` and `{}`", first.key(), second.key());
                return Err(WrongRule::alone(second.key(), what));
            }
        };
        match (matches!(asks, Asks::In { .. } | Asks::Range { .. }), has_column) {
            (true, false) => Err(WrongRule::about_column(asks.key(), &asks, "needs a `column`")),
            (false, true) => Err(WrongRule::about_column("column", &asks, "has no `column`")),
            _ => Ok(Self { name, table, action, asks, at_least, enabled }),
        }
    }
}

impl WrongRule {
    fn alone(key: &'static str, what: String) -> Self {
        let hint = "a rule has one of complete, unique, in, range, rows and sql; write one rule for each";
        Self { key, error: Error::config(what).hint(hint) }
    }

    fn about_column(key: &'static str, asks: &Asks, what: &str) -> Self {
        Self { key, error: Error::config(format!("a rule with `{}` {what}", asks.key())) }
    }
}

impl fmt::Display for WrongRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// The schema is that of the keys as they are written.
impl JsonSchema for QualityConfig {
    fn schema_name() -> Cow<'static, str> {
        QualityFields::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        QualityFields::json_schema(generator)
    }
}

impl Asks {
    /// The key that it is written under.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Complete(_) => "complete",
            Self::Unique(_) => "unique",
            Self::In { .. } => "in",
            Self::Range { .. } => "range",
            Self::Rows(_) => "rows",
            Self::Sql(_) => "sql",
        }
    }

    /// The columns it names, in the order they were written.
    pub fn columns(&self) -> &[String] {
        match self {
            Self::Complete(columns) | Self::Unique(columns) => columns,
            Self::In { column, .. } | Self::Range { column, .. } => std::slice::from_ref(column),
            Self::Rows(_) | Self::Sql(_) => &[],
        }
    }
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
