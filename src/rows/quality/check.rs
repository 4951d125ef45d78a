//! Rules that look at rows, as one thread runs them on the batches of one table.

use super::config::Action;
use super::describe::RowText;
use super::keys::{key_schema, keys_of};
use super::rule::{Rule, TableRules, Test};
use super::values::missing;
use crate::output::sink::json_lines;
use crate::rows::sort::{RowCollector, Sorter};
use crate::rows::sql::SqlCondition;
use arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter_record_batch, take_record_batch};
use etl_sdk::{Error, Output, Reject, Result, Run, StepName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Examples kept of each rule.
const EXAMPLES: usize = 3;
/// Broken rows of a batch that are looked at for examples.
const LOOKED_AT: usize = 16;

/// What rules found, by the name of the rule. Counts of several tasks add up; as JSON they outlive their process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QualityCounts {
    /// By name; a rule that saw no row may be missing.
    pub rules: BTreeMap<String, RuleCounts>,
}

/// What one rule found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCounts {
    /// Rows it judged.
    pub rows: u64,
    /// Rows that break it.
    pub broken: u64,
    /// Values of up to three of these rows, shortened: `platform=TV`.
    pub examples: Vec<String>,
}

/// What a task leaves behind for the gate.
#[derive(Debug, Default)]
pub struct Findings {
    /// Counts of all rules but `rows`.
    pub counts: QualityCounts,
    /// Keys of `unique` rules, batches of [`key_schema`].
    pub keys: Vec<RowCollector>,
}

impl QualityCounts {
    /// Adds the counts of another task. The order does not matter.
    pub fn merge(&mut self, other: &Self) {
        for (name, found) in &other.rules {
            self.rules.entry(name.clone()).or_default().merge(found);
        }
    }
}

impl RuleCounts {
    fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.broken += other.broken;
        self.examples.extend_from_slice(&other.examples);
        // The first by their text, so that the same are kept whichever task ended first.
        self.examples.sort_unstable();
        self.examples.dedup();
        self.examples.truncate(EXAMPLES);
    }
}

impl Findings {
    /// Adds what another task found.
    pub fn merge(&mut self, other: Self) {
        self.counts.merge(&other.counts);
        self.keys.extend(other.keys);
    }
}

/// Judges the rows of one table, in one thread.
pub struct TableChecker {
    rules: Arc<TableRules>,
    /// Of the `sql` rules, at the indexes of their rules.
    conditions: Vec<Option<SqlCondition>>,
    counts: Vec<RuleCounts>,
    keys: Option<RowCollector>,
    sorter: Sorter,
    examples: bool,
}

impl fmt::Debug for TableChecker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableChecker").field("rules", &self.rules).field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl TableChecker {
    /// Plans the conditions. Keys of `unique` rules are collected with `sorter`. Without `examples` no value of a row
    /// is kept in reports and messages.
    pub fn new(rules: &Arc<TableRules>, run: &Run, sorter: &Sorter, examples: bool) -> Result<Self> {
        let condition = |rule: &Arc<Rule>| match &rule.test {
            Test::Sql(sql) => SqlCondition::new(sql, &rules.table, run, &rules.schema, rules.row_bytes).map(Some),
            _ => Ok(None),
        };
        Ok(Self {
            conditions: rules.rules.iter().map(condition).collect::<Result<_>>()?,
            counts: vec![RuleCounts::default(); rules.rules.len()],
            rules: Arc::clone(rules),
            keys: None,
            sorter: sorter.clone(),
            examples,
        })
    }

    /// The step that it is in the ledger.
    pub fn step(&self) -> &StepName {
        &self.rules.step
    }

    /// Judges a batch of the table's final columns. Rows that break a rule with the action `dead_letter` become dead
    /// letters of the step [`TableRules::step`]; the others are judged by the other rules, and returned.
    pub fn check(&mut self, batch: RecordBatch, out: &mut Output) -> Result<RecordBatch> {
        if batch.schema_ref().fields() != self.rules.schema.fields() {
            return Err(Error::internal("judge rows")
                .with("columns", &self.rules.schema)
                .with("batch", batch.schema()));
        }
        out.ledger.step(&self.rules.step).read += batch.num_rows() as u64;
        let batch = self.remove_broken(batch, out)?;
        out.ledger.step(&self.rules.step).kept += batch.num_rows() as u64;
        let rules = Arc::clone(&self.rules);
        for (index, rule) in rules.rules.iter().enumerate().filter(|(_, rule)| rule.action != Action::DeadLetter) {
            if let Test::Unique(columns) = &rule.test {
                self.collect_keys(index, rule.number, &batch, columns)?;
            } else {
                self.judge(index, &batch)?;
            }
        }
        Ok(batch)
    }

    /// Takes what was found since the last call.
    pub fn take(&mut self) -> Findings {
        let names = self.rules.rules.iter().map(|rule| rule.name.clone());
        let rules = names.zip(self.counts.iter_mut().map(std::mem::take)).collect();
        Findings { counts: QualityCounts { rules }, keys: self.keys.take().into_iter().collect() }
    }

    fn remove_broken(&mut self, batch: RecordBatch, out: &mut Output) -> Result<RecordBatch> {
        let rules = Arc::clone(&self.rules);
        let mut dead: Option<BooleanBuffer> = None;
        // Each row with the first rule it breaks.
        let mut broken_by: Vec<(u32, usize)> = Vec::new();
        for (index, _) in rules.rules.iter().enumerate().filter(|(_, rule)| rule.action == Action::DeadLetter) {
            let broken = self.judge(index, &batch)?;
            if broken.count_set_bits() == 0 {
                continue;
            }
            let new = dead.as_ref().map_or_else(|| broken.clone(), |dead| &broken & &!dead);
            broken_by.extend(new.set_indices().map(|row| (row as u32, index)));
            dead = Some(dead.map_or_else(|| broken.clone(), |dead| &dead | &broken));
        }
        let Some(dead) = dead else { return Ok(batch) };
        broken_by.sort_unstable();
        self.reject(&batch, &broken_by, out)?;
        Ok(filter_record_batch(&batch, &BooleanArray::new(!&dead, None))?)
    }

    /// Makes dead letters of rows, each with its row as JSON.
    fn reject(&self, batch: &RecordBatch, broken_by: &[(u32, usize)], out: &mut Output) -> Result<()> {
        let rows: UInt32Array = broken_by.iter().map(|(row, _)| *row).collect::<Vec<_>>().into();
        let lines = json_lines(&take_record_batch(batch, &rows)?)?;
        let mut texts: Vec<Option<RowText<'_>>> = Vec::new();
        for index in 0..self.rules.rules.len() {
            let wanted = self.examples && broken_by.iter().any(|(_, by)| *by == index);
            texts.push(wanted.then(|| RowText::new(batch, self.columns(index))).transpose()?);
        }
        let mut text = String::new();
        // A line end inside a value is written as an escape, so lines are rows.
        for ((row, index), raw) in broken_by.iter().zip(lines.split(|byte| *byte == b'\n')) {
            let rule = &self.rules.rules[*index];
            let mut message = format!("the row of {} breaks the quality rule {}", rule.table, rule.name);
            if let Some(texts) = &mut texts[*index] {
                texts.write(*row as usize, &mut text);
                message.extend([": ", &text]);
            }
            out.reject(Reject {
                address: None,
                step: self.rules.step.clone(),
                reason: rule.reason.clone(),
                message,
                raw: raw.to_vec(),
                truncated: false,
            });
        }
        Ok(())
    }

    /// The rows of a batch that break the rule at `index`, counted.
    fn judge(&mut self, index: usize, batch: &RecordBatch) -> Result<BooleanBuffer> {
        let broken = self.broken(index, batch)?;
        let found = broken.count_set_bits() as u64;
        let counts = &mut self.counts[index];
        counts.rows += batch.num_rows() as u64;
        counts.broken += found;
        if found > 0 && self.examples && counts.examples.len() < EXAMPLES {
            self.keep_examples(index, batch, &broken)?;
        }
        Ok(broken)
    }

    fn broken(&self, index: usize, batch: &RecordBatch) -> Result<BooleanBuffer> {
        let test = &self.rules.rules[index].test;
        Ok(match test {
            Test::Complete(columns) => {
                let mut broken = BooleanBuffer::new_unset(batch.num_rows());
                for column in columns {
                    broken = &broken | &missing(batch.column(*column))?;
                }
                broken
            }
            Test::In(column, allowed) => allowed.broken(batch, *column)?,
            Test::Range(column, bounds, _) => bounds.broken(batch, *column)?,
            Test::Sql(_) => match &self.conditions[index] {
                Some(condition) => !&condition.holds(batch)?,
                None => return Err(Error::internal("judge rows by a condition that was not planned")),
            },
            Test::Unique(_) | Test::Rows(_) => return Err(Error::internal("judge one row by a rule for many")),
        })
    }

    fn keep_examples(&mut self, index: usize, batch: &RecordBatch, broken: &BooleanBuffer) -> Result<()> {
        let mut texts = RowText::new(batch, self.columns(index))?;
        let (mut found, mut text) = (Vec::new(), String::new());
        for row in broken.set_indices().take(LOOKED_AT) {
            texts.write(row, &mut text);
            if !text.is_empty() && !found.contains(&text) {
                found.push(text.clone());
            }
        }
        let kept = &mut self.counts[index].examples;
        found.retain(|text| !kept.contains(text));
        kept.extend(found);
        kept.truncate(EXAMPLES);
        Ok(())
    }

    /// The columns that a rule looks at.
    fn columns(&self, index: usize) -> &[usize] {
        match &self.rules.rules[index].test {
            Test::Complete(columns) | Test::Unique(columns) => columns,
            Test::In(column, _) | Test::Range(column, ..) => std::slice::from_ref(column),
            Test::Sql(_) => self.conditions[index].as_ref().map_or(&[], SqlCondition::columns),
            Test::Rows(_) => &[],
        }
    }

    fn collect_keys(&mut self, index: usize, number: u32, batch: &RecordBatch, columns: &[usize]) -> Result<()> {
        let keys = keys_of(number, batch, columns, self.examples)?;
        self.counts[index].rows += keys.num_rows() as u64;
        let sorter = &self.sorter;
        self.keys.get_or_insert_with(|| sorter.collector(&key_schema())).push(keys)
    }
}
