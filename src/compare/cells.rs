//! Compares matched rows column by column, and counts what differs.

use super::cause::Cause;
use super::report::{CauseCount, ColumnDifference, DifferenceExample, Key, MatchedRows, MemberCount};
use super::{cause, convert, value};
use crate::compare::plan::{AlignedColumn, ComparePlan, Meaning, Physical};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::kernels::cmp::distinct;
use arrow::datatypes::{Float64Type, Int64Type};
use etl_sdk::Result;
use serde_json::Value;
use std::collections::BTreeMap;

/// Characters of a value that the report keeps.
const KEPT: usize = 1_000;

/// Characters before the first difference that are kept of a value that is cut.
const KEPT_BEFORE: usize = 40;

/// Distances of time zones that are told apart.
const MAX_OFFSETS: usize = 8;

/// Members of nested values that are told apart.
const MAX_MEMBERS: usize = 50;

/// How much values may differ and still be equal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tolerance {
    /// Nanoseconds between instants.
    pub(super) nanos: i128,
    /// Relative difference of doubles.
    pub(super) relative: f64,
}

/// What is counted of each column.
pub(super) struct Cells<'a> {
    plan: &'a ComparePlan,
    tolerance: Tolerance,
    examples: usize,
    matched: MatchedRows,
    /// For each column of the plan.
    counts: Vec<Count>,
}

#[derive(Clone, Debug, Default)]
struct Count {
    rows: u64,
    causes: BTreeMap<Cause, u64>,
    /// Minutes that right is ahead of left; empty again once there are too many.
    offsets: BTreeMap<i64, u64>,
    too_many_offsets: bool,
    members: BTreeMap<String, u64>,
    examples: Vec<DifferenceExample>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(plan: &'a ComparePlan, tolerance: Tolerance, examples: usize) -> Self {
        let counts = vec![Count::default(); plan.columns.len()];
        Self { plan, tolerance, examples, matched: MatchedRows::default(), counts }
    }

    /// Compares the rows of two batches of the plan's columns, row by row.
    pub(super) fn compare(&mut self, left: &RecordBatch, right: &RecordBatch) -> Result<()> {
        let plan = self.plan;
        let mut differs = vec![false; left.num_rows()];
        for (index, column) in plan.columns.iter().enumerate().skip(plan.key) {
            let (one, other) = (left.column(index), right.column(index));
            let distinct = distinct(one, other)?;
            for row in distinct.values().set_indices() {
                if let Some(guess) = self.guess(column, one, other, row) {
                    differs[row] = true;
                    self.note(index, row, left, right, guess);
                }
            }
        }
        self.matched.rows += differs.len() as u64;
        self.matched.different += differs.iter().filter(|differs| **differs).count() as u64;
        Ok(())
    }

    /// Why two values that are not the same differ; `None` within the tolerance.
    fn guess(&self, column: &AlignedColumn, left: &ArrayRef, right: &ArrayRef, row: usize) -> Option<Guess> {
        if left.is_null(row) || right.is_null(row) {
            let (one, other) = (convert::shown(column, left, row), convert::shown(column, right, row));
            return Cause::of_nulls(one.as_deref(), other.as_deref()).map(Guess::from);
        }
        match column.physical {
            Physical::Double => {
                let [one, other] = [left, right].map(|array| array.as_primitive::<Float64Type>().value(row));
                let is_equal = value::is_near(one, other, self.tolerance.relative);
                (!is_equal).then(|| Cause::of_doubles(one, other).into())
            }
            Physical::Int => {
                let [one, other] = [left, right].map(|array| array.as_primitive::<Int64Type>().value(row));
                match column.meaning {
                    Meaning::Instant => self.instants(convert::nanos(column, one), convert::nanos(column, other)),
                    Meaning::Date => Some(Cause::of_dates(one, other).into()),
                    _ => Some(Cause::of_integers(one, other).into()),
                }
            }
            Physical::Text => {
                let [one, other] = [left, right].map(|array| array.as_string::<i32>().value(row));
                self.texts(column, one, other)
            }
        }
    }

    fn instants(&self, left: i128, right: i128) -> Option<Guess> {
        if (left - right).abs() <= self.tolerance.nanos {
            return None;
        }
        let minutes = ((right - left) / 60_000_000_000) as i64;
        let cause = Cause::of_instants(left, right);
        Some(Guess { cause, minutes: (cause == Cause::TimeZone).then_some(minutes), members: Vec::new() })
    }

    fn texts(&self, column: &AlignedColumn, left: &str, right: &str) -> Option<Guess> {
        // JSON on both sides says of no column that it holds instants.
        if self.tolerance.nanos > 0
            && let (Some(one), Some(other)) = (value::instant(left), value::instant(right))
            && (one - other).abs() <= self.tolerance.nanos
        {
            return None;
        }
        match column.meaning {
            Meaning::Instant => {
                if let (Some(one), Some(other)) = (value::instant(left), value::instant(right)) {
                    return self.instants(one, other);
                }
            }
            Meaning::Number => {
                if let (Ok(one), Ok(other)) = (left.parse::<f64>(), right.parse::<f64>())
                    && self.tolerance.relative > 0.0
                    && value::is_near(one, other, self.tolerance.relative)
                {
                    return None;
                }
            }
            Meaning::Json => {
                if let Some(members) = cause::members(left, right, self.tolerance.relative) {
                    let Some(first) = members.first().map(|member| member.cause) else {
                        // Only within the tolerance; what else differs, such as a key that comes twice, is no member.
                        return (self.tolerance.relative == 0.0).then(|| Cause::of_texts(left, right).into());
                    };
                    let is_one = members.iter().all(|member| member.cause == first);
                    let cause = if is_one { first } else { Cause::Unknown };
                    let members = members.into_iter().map(|member| member.path).collect();
                    return Some(Guess { cause, minutes: None, members });
                }
            }
            Meaning::Int | Meaning::Double | Meaning::Date | Meaning::Text => {}
        }
        Some(Cause::of_texts(left, right).into())
    }

    fn note(&mut self, index: usize, row: usize, left: &RecordBatch, right: &RecordBatch, guess: Guess) {
        let column = &self.plan.columns[index];
        let count = &mut self.counts[index];
        count.rows += 1;
        *count.causes.entry(guess.cause).or_default() += 1;
        if let Some(minutes) = guess.minutes
            && !count.too_many_offsets
        {
            *count.offsets.entry(minutes).or_default() += 1;
            count.too_many_offsets = count.offsets.len() > MAX_OFFSETS;
        }
        let mut members = guess.members;
        members.sort_unstable();
        members.dedup();
        for path in members.into_iter().filter(|path| !path.is_empty()) {
            if count.members.len() < MAX_MEMBERS || count.members.contains_key(&path) {
                *count.members.entry(path).or_default() += 1;
            }
        }
        if count.examples.len() < self.examples {
            let one = convert::shown(column, left.column(index), row);
            let other = convert::shown(column, right.column(index), row);
            let (one, other) = around(one, other, KEPT, KEPT_BEFORE);
            count.examples.push(DifferenceExample {
                key: key_of(self.plan, left, row),
                left: one,
                right: other,
                cause: guess.cause,
            });
        }
    }

    /// The counts of rows, and the columns that differ, the most frequent first.
    pub(super) fn finish(self) -> (MatchedRows, Vec<ColumnDifference>) {
        let rows = self.matched.rows.max(1) as f64;
        let counted = self.counts.into_iter().zip(&self.plan.columns).filter(|(count, _)| count.rows > 0);
        let mut columns: Vec<ColumnDifference> = counted
            .map(|(count, column)| ColumnDifference {
                column: column.name.clone(),
                rows: count.rows,
                share: count.rows as f64 / rows,
                causes: causes(&count),
                members: most_first(count.members, |path, rows| MemberCount { path, rows }, |member| member.rows),
                examples: count.examples,
            })
            .collect();
        columns.sort_by(|one, other| other.rows.cmp(&one.rows).then_with(|| one.column.cmp(&other.column)));
        (self.matched, columns)
    }
}

/// A cause, and what is known with it.
struct Guess {
    cause: Cause,
    minutes: Option<i64>,
    members: Vec<String>,
}

impl From<Cause> for Guess {
    fn from(cause: Cause) -> Self {
        Self { cause, minutes: None, members: Vec::new() }
    }
}

fn causes(count: &Count) -> Vec<CauseCount> {
    let offsets: Vec<String> = if count.too_many_offsets {
        Vec::new()
    } else {
        count.offsets.keys().map(|minutes| offset(*minutes)).collect()
    };
    let one = |cause, rows| CauseCount {
        cause,
        rows,
        offsets: if cause == Cause::TimeZone { offsets.clone() } else { Vec::new() },
    };
    most_first(count.causes.clone(), one, |count| count.rows)
}

fn most_first<K: Ord, T>(counts: BTreeMap<K, u64>, make: impl Fn(K, u64) -> T, rows: impl Fn(&T) -> u64) -> Vec<T> {
    let mut found: Vec<T> = counts.into_iter().map(|(name, rows)| make(name, rows)).collect();
    found.sort_by_key(|one| std::cmp::Reverse(rows(one)));
    found
}

/// `+08:00`
fn offset(minutes: i64) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// The key of a row.
pub(super) fn key_of(plan: &ComparePlan, batch: &RecordBatch, row: usize) -> Key {
    let columns = plan.columns[..plan.key].iter().zip(batch.columns());
    let value = |(column, array): (&AlignedColumn, &ArrayRef)| {
        let shown = convert::shown(column, array, row);
        let (shown, _) = around(shown, None, KEPT, KEPT_BEFORE);
        (column.name.clone(), shown.map_or(Value::Null, Value::String))
    };
    columns.map(value).collect()
}

/// Cuts two long values to `most` characters, from `before` characters before the first difference on.
pub(super) fn around(
    left: Option<String>,
    right: Option<String>,
    most: usize,
    before: usize,
) -> (Option<String>, Option<String>) {
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().nth(most).is_some());
    if !is_long(&left) && !is_long(&right) {
        return (left, right);
    }
    let same = match (&left, &right) {
        (Some(one), Some(other)) => one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count(),
        _ => 0,
    };
    let start = if same < most { 0 } else { same.saturating_sub(before) };
    let cut = |text: String| {
        let head = if start > 0 { "…" } else { "" };
        let kept: String = text.chars().skip(start).take(most).collect();
        let tail = if text.chars().nth(start + most).is_some() { "…" } else { "" };
        format!("{head}{kept}{tail}")
    };
    (left.map(cut), right.map(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_around_their_difference() {
        let text = |end: &str| Some(format!("{}{end}", "x".repeat(50)));
        let (one, other) = around(text("abc"), text("abd-and-more"), 10, 2);
        assert_eq!((one.as_deref(), other.as_deref()), (Some("…abc"), Some("…abd-and-mo…")));
        let (one, other) = around(Some("short".to_owned()), None, 10, 2);
        assert_eq!((one.as_deref(), other), (Some("short"), None));
        assert_eq!(around(text(""), None, 4, 2).0.as_deref(), Some("xxxx…"));
    }

    #[test]
    fn offsets_are_written_as_zones_are() {
        assert_eq!([480, -570, 0].map(offset), ["+08:00", "-09:30", "+00:00"]);
    }
}
