//! Rules as they run: the job file's section checked against the tables.

use super::config::{Action, Asks, QualityConfig, RangeConfig, RowsConfig, reason_code};
use super::values::{Allowed, Bounds, Scalar};
use crate::limits::Share;
use crate::rows::sql::SqlCondition;
use crate::text::suggest::unknown;
use arrow::datatypes::SchemaRef;
use etl_sdk::{EpochMillis, Error, ReasonCode, Result, Run, StepName};
use serde_json::Value;
use std::sync::Arc;

/// Longest name of a rule: it is part of a reason code.
const MAX_NAME: usize = 64;

/// One rule of the job.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Place among the rules of the job that are enabled.
    pub number: u32,
    /// Unique in the job: lower case letters, digits and underscores.
    pub name: String,
    /// The table it judges.
    pub table: String,
    /// What a broken rule does.
    pub action: Action,
    /// Share of the rows that must meet it; all when none is given.
    pub at_least: Option<Share>,
    /// What it asks.
    pub test: Test,
    /// Reason of its dead letters.
    pub(super) reason: ReasonCode,
}

/// What a rule asks. Columns are indexes in the table's final working schema.
#[derive(Clone, Debug)]
pub enum Test {
    /// A value in each of the columns.
    Complete(Vec<usize>),
    /// The columns' values together come once.
    Unique(Vec<usize>),
    /// One of the values in the column.
    In(usize, Allowed),
    /// A value within bounds in the column; with the bounds as they were written.
    Range(usize, Bounds, String),
    /// A condition that holds.
    Sql(String),
    /// A number of rows.
    Rows(RowsConfig),
}

/// A table that rules may judge.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub table: String,
    /// Its columns after all enrichments.
    pub schema: SchemaRef,
    /// Whether the job writes it.
    pub written: bool,
    /// What a condition may make of one row.
    pub row_bytes: u64,
}

/// The rules of one table that look at its rows.
#[derive(Clone, Debug)]
pub struct TableRules {
    /// The ledger step in which rows leave: `quality event_v2`.
    pub step: StepName,
    /// The table.
    pub table: String,
    /// The columns of the batches.
    pub schema: SchemaRef,
    /// What a condition may make of one row.
    pub row_bytes: u64,
    /// In the order of the job file.
    pub rules: Vec<Arc<Rule>>,
}

impl Test {
    /// As the report names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Complete(_) => "complete",
            Self::Unique(_) => "unique",
            Self::In(..) => "in",
            Self::Range(..) => "range",
            Self::Sql(_) => "sql",
            Self::Rows(_) => "rows",
        }
    }
}

impl TableRules {
    /// The rules of a table; `None` when none of them looks at rows.
    pub fn of(rules: &[Arc<Rule>], target: &Target) -> Option<Arc<Self>> {
        let own: Vec<_> = rules
            .iter()
            .filter(|rule| rule.table == target.table && !matches!(rule.test, Test::Rows(_)))
            .cloned()
            .collect();
        (!own.is_empty()).then(|| {
            Arc::new(Self {
                step: format!("quality {}", target.table).into(),
                table: target.table.clone(),
                schema: Arc::clone(&target.schema),
                row_bytes: target.row_bytes,
                rules: own,
            })
        })
    }
}

/// Checks the job's rules against its tables. `placed` adds the place in the job file to an error.
///
/// Fails with kind `Config`.
pub fn build(
    configs: &[QualityConfig],
    targets: &[Target],
    placed: &dyn Fn(&[&str], Error) -> Error,
) -> Result<Vec<Arc<Rule>>> {
    let mut rules: Vec<Arc<Rule>> = Vec::new();
    let given: Vec<&str> =
        configs.iter().filter(|config| config.enabled).filter_map(|config| config.name.as_deref()).collect();
    for (index, config) in configs.iter().enumerate().filter(|(_, config)| config.enabled) {
        let number = index.to_string();
        let rule = Draft { config, targets, number: rules.len() as u32 }
            .rule(&given, &rules)
            .map_err(|(key, error)| placed(&["quality", &number, key], error))?;
        rules.push(Arc::new(rule));
    }
    Ok(rules)
}

/// A fault and the key it is under.
type Fault = (&'static str, Error);

struct Draft<'a> {
    config: &'a QualityConfig,
    targets: &'a [Target],
    number: u32,
}

impl Draft<'_> {
    fn rule(&self, given: &[&str], earlier: &[Arc<Rule>]) -> Result<Rule, Fault> {
        let target = self.target()?;
        let test = self.test(target)?;
        self.check_action()?;
        let name = match &self.config.name {
            Some(name) => check_name(name, given).map_err(|error| ("name", error))?,
            None => derived_name(&target.table, &self.config.asks, |name| {
                given.contains(&name) || earlier.iter().any(|rule| rule.name == name)
            }),
        };
        let reason = reason_code(&name).into();
        let QualityConfig { action, at_least, .. } = *self.config;
        Ok(Rule { number: self.number, name, table: target.table.clone(), action, at_least, test, reason })
    }

    fn target(&self) -> Result<&Target, Fault> {
        let found = match &self.config.table {
            None => self.targets.first(),
            Some(name) => self.targets.iter().find(|target| target.table == *name),
        };
        let Some(target) = found else {
            let known: Vec<&str> = self.targets.iter().map(|target| target.table.as_str()).collect();
            return Err(("table", unknown("table", self.config.table.as_deref().unwrap_or_default(), &known)));
        };
        if target.written {
            return Ok(target);
        }
        let error = Error::config(format!("the job does not write the table `{}`", target.table))
            .hint("remove the rule, or `write: false` of the table");
        Err(("table", error))
    }

    fn test(&self, target: &Target) -> Result<Test, Fault> {
        let asks = &self.config.asks;
        let key = asks.key();
        let placed = |error| (key, error);
        let column = |name: &str| column(name, target).map_err(|error| ("column", error));
        match asks {
            Asks::Complete(names) => Ok(Test::Complete(columns(names, key, target).map_err(placed)?)),
            Asks::Unique(names) => Ok(Test::Unique(columns(names, key, target).map_err(placed)?)),
            Asks::Rows(rows) => Ok(Test::Rows(check_rows(*rows).map_err(placed)?)),
            Asks::Sql(sql) => {
                const EPOCH: EpochMillis = EpochMillis(0);
                // Any run will do: its instants change no type.
                let run = Run { id: String::new(), now: EPOCH, window_start: EPOCH, window_end: EPOCH };
                SqlCondition::new(sql, &target.table, &run, &target.schema, target.row_bytes).map_err(placed)?;
                Ok(Test::Sql(sql.clone()))
            }
            Asks::In { column: name, values } => {
                let (index, scalar) = column(name)?;
                Ok(Test::In(index, Allowed::read(scalar, values).map_err(placed)?))
            }
            Asks::Range { column: name, bounds: RangeConfig { min, max } } => {
                let (index, scalar) = column(name)?;
                let bounds = Bounds::read(scalar, min.as_ref(), max.as_ref()).map_err(placed)?;
                Ok(Test::Range(index, bounds, range_text(min.as_ref(), max.as_ref())))
            }
        }
    }

    fn check_action(&self) -> Result<(), Fault> {
        let asks = &self.config.asks;
        let dead_letter = self.config.action == Action::DeadLetter;
        if dead_letter && matches!(asks, Asks::Unique(_) | Asks::Rows(_)) {
            let error = Error::config(format!("a rule with `{}` cannot have the action `dead_letter`", asks.key()))
                .hint("it judges all rows together and cannot say which of them is wrong: choose `warn` or `stop`");
            return Err(("action", error));
        }
        match self.config.at_least {
            Some(_) if dead_letter => Err(("at_least", {
                Error::config("`at_least` goes with the actions `warn` and `stop`")
                    .hint("with `dead_letter` every broken row leaves; limits.dead_letters bounds how many may")
            })),
            Some(_) if matches!(asks, Asks::Rows(_)) => Err(("at_least", {
                Error::config("`at_least` does not go with `rows`").hint("`rows` has `min`, `max` and `within`")
            })),
            _ => Ok(()),
        }
    }
}

/// The columns of `complete` and `unique`.
fn columns(names: &[String], key: &str, target: &Target) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Err(Error::config(format!("`{key}` names no column")));
    }
    names.iter().map(|name| column(name, target).map(|(index, _)| index)).collect()
}

/// A column that can be judged.
fn column(name: &str, target: &Target) -> Result<(usize, Scalar)> {
    let index = find(name, target)?;
    Ok((index, scalar(name, index, target)?))
}

fn find(name: &str, target: &Target) -> Result<usize> {
    target.schema.index_of(name).map_err(|_| {
        let known: Vec<&str> = target.schema.fields().iter().map(|field| field.name().as_str()).collect();
        unknown("column", name, &known).with("table", &target.table)
    })
}

fn scalar(name: &str, index: usize, target: &Target) -> Result<Scalar> {
    let data_type = target.schema.field(index).data_type();
    Scalar::of(data_type).ok_or_else(|| {
        Error::config(format!("a rule cannot judge the column `{name}`"))
            .with("table", &target.table)
            .with("type", data_type)
            .hint("it judges texts, numbers, true and false, dates and instants; write a `sql` condition for others")
    })
}

fn check_rows(rows: RowsConfig) -> Result<RowsConfig> {
    let wrong = |what: &str| Err(Error::config(what.to_owned()));
    let bounded = rows.min.is_some() || rows.max.is_some();
    match (rows.against_last, rows.within) {
        (None, None) if !bounded => wrong("`rows` has no bound: write min, max, or against_last with within"),
        (Some(_), None) => wrong("`rows.against_last` needs `within`: how far from the mean, such as 50%"),
        (None, Some(_)) => {
            wrong("`rows.within` needs `against_last`: how many earlier runs to compare with, such as 7")
        }
        (Some(0), _) => wrong("`rows.against_last` must be at least 1"),
        (Some(_), Some(_)) if bounded => wrong("`rows` has min or max and against_last; write two rules"),
        _ if rows.min > rows.max && rows.max.is_some() => wrong("`rows.min` is greater than `rows.max`"),
        _ => Ok(rows),
    }
}

/// `from 0 to 5`.
fn range_text(min: Option<&Value>, max: Option<&Value>) -> String {
    let text = |bound: &Value| bound.as_str().map_or_else(|| bound.to_string(), str::to_owned);
    match (min.map(text), max.map(text)) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, max) => format!("at most {}", max.unwrap_or_default()),
    }
}

fn check_name(name: &str, given: &[&str]) -> Result<String> {
    let fits = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !fits {
        return Err(Error::config(format!("a quality rule cannot have the name `{name}`"))
            .hint("lower case letters, digits and underscores, 64 at most, such as known_platforms"));
    }
    if given.iter().filter(|other| **other == name).count() > 1 {
        return Err(Error::config(format!("two quality rules have the name `{name}`")));
    }
    Ok(name.to_owned())
}

/// `event_v2_unique_event_id`, with a number behind it when it is taken.
fn derived_name(table: &str, asks: &Asks, taken: impl Fn(&str) -> bool) -> String {
    let columns = asks.columns().iter().map(String::as_str);
    let whole = [table, asks.key()].into_iter().chain(columns).collect::<Vec<_>>().join("_");
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    // Room for a number at the end.
    let name: String = whole.chars().map(plain).take(MAX_NAME - 6).collect();
    let numbered = (2_u32..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(name)
}
