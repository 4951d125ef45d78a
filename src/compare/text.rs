//! The comparison as a screen.

use super::cells::around;
use super::report::{
    CauseCount, ColumnDifference, ColumnName, Comparison, ComparisonStatus, DifferenceExample, Key, SideReport,
};
use crate::text::columns::Align::{Left, Right};
use crate::text::columns::{Columns, shortened};
use crate::text::printable;
use crate::text::{bytes, count, seconds};
use serde_json::Value;
use std::fmt::Write;

/// Columns that a value takes in a line.
const VALUE_WIDTH: usize = 48;

/// Characters before the first difference of a value that is cut.
const BEFORE: usize = 12;

/// Names that a line lists.
const MAX_NAMES: usize = 8;

impl Comparison {
    /// The first line: how it ended.
    pub fn verdict(&self) -> String {
        let word = match self.status {
            ComparisonStatus::Equal => "equal",
            ComparisonStatus::Different => "DIFFERENT",
        };
        format!("{word}  {} and {} by {}", self.left.url, self.right.url, self.key.join(", "))
    }

    /// What follows the first line.
    pub fn screen(&self) -> String {
        let mut out = self.sides();
        out.push_str(&self.matched());
        for (name, side) in [("left", &self.left), ("right", &self.right)] {
            out.push_str(&one_side(name, side));
        }
        if !self.types.is_empty() {
            out.push_str("\ntypes that differ; the values are compared all the same\n");
            let mut columns = Columns::headed(["column", "left", "right", "compared as"].map(|name| (name, Left)));
            for types in &self.types {
                let shown = |text: &str| visible(text, VALUE_WIDTH);
                columns.row([
                    types.column.clone(),
                    shown(&types.left),
                    shown(&types.right),
                    types.compared_as.to_owned(),
                ]);
            }
            out.push_str(&columns.render(2));
        }
        if !self.columns.is_empty() {
            out.push_str(&self.table());
        }
        for column in &self.columns {
            out.push_str(&examples(column));
        }
        if !self.ignored.is_empty() {
            let _ = writeln!(out, "\nignored  {}", self.ignored.join(", "));
        }
        for note in &self.notes {
            let _ = writeln!(out, "note     {note}");
        }
        out
    }

    fn sides(&self) -> String {
        let mut columns =
            Columns::headed([("", Left), ("files", Right), ("stored", Right), ("rows", Right), ("", Left)]);
        for (name, side) in [("left", &self.left), ("right", &self.right)] {
            let superseded = if self.latest.is_empty() {
                String::new()
            } else {
                format!("  {} left out by {}", count(side.superseded_rows), self.latest.join(", "))
            };
            columns.row([
                name.to_owned(),
                count(side.files),
                bytes(side.bytes),
                count(side.rows),
                format!("{}{superseded}", side.format),
            ]);
        }
        columns.render(0)
    }

    fn matched(&self) -> String {
        let same = self.matched.rows - self.matched.different;
        format!(
            "\nmatched  {}: {} equal, {} different in {} of {} columns, in {}\n",
            rows_text(self.matched.rows),
            count(same),
            count(self.matched.different),
            count(self.columns.len() as u64),
            count(self.compared_columns),
            seconds(self.elapsed_seconds)
        )
    }

    fn table(&self) -> String {
        let mut columns =
            Columns::headed([("column", Left), ("rows", Right), ("share", Right), ("guessed cause", Left)]);
        for column in &self.columns {
            let causes: Vec<String> = column.causes.iter().map(|cause| cause_text(cause, column.rows)).collect();
            columns.row([column.column.clone(), count(column.rows), percent(column.share), causes.join(", ")]);
        }
        format!("\n{}", columns.render(0))
    }
}

fn one_side(name: &str, side: &SideReport) -> String {
    let mut out = String::new();
    if side.only.rows > 0 {
        let keys = keys(&side.only.examples);
        let _ = writeln!(out, "only {name}  {}, such as {keys}", rows_text(side.only.rows));
    }
    if side.duplicates.keys > 0 {
        let _ = writeln!(
            out,
            "duplicate keys {name}  {} with {} rows, such as {}; paired in the order of their values",
            count(side.duplicates.keys),
            count(side.duplicates.rows),
            keys(&side.duplicates.examples)
        );
    }
    if !side.only_columns.is_empty() {
        let _ = writeln!(out, "columns only {name}  {}", names(&side.only_columns));
    }
    out
}

/// `1 row`, `2,000 rows`
fn rows_text(rows: u64) -> String {
    format!("{} {}", count(rows), if rows == 1 { "row" } else { "rows" })
}

fn names(columns: &[ColumnName]) -> String {
    let shown = columns
        .iter()
        .take(MAX_NAMES)
        .map(|column| format!("{} ({})", column.column, visible(&column.type_name, VALUE_WIDTH)));
    let more =
        if columns.len() > MAX_NAMES { format!(", and {} more", columns.len() - MAX_NAMES) } else { String::new() };
    format!("{}{more}", shown.collect::<Vec<_>>().join(", "))
}

fn keys(examples: &[Key]) -> String {
    examples.iter().map(key_text).collect::<Vec<_>>().join("; ")
}

fn key_text(key: &Key) -> String {
    let value = |value: &Value| value.as_str().map_or_else(|| "null".to_owned(), |text| visible(text, VALUE_WIDTH));
    key.values().map(value).collect::<Vec<_>>().join(", ")
}

/// `truncation`, or `truncation (12)` when there are others beside it.
fn cause_text(cause: &CauseCount, all: u64) -> String {
    let offsets = if cause.offsets.is_empty() { String::new() } else { format!(" {}", cause.offsets.join(" and ")) };
    let rows = if cause.rows == all { String::new() } else { format!(" ({})", count(cause.rows)) };
    format!("{}{offsets}{rows}", cause.cause.text())
}

fn examples(column: &ColumnDifference) -> String {
    let mut out = format!("\n{}\n", column.column);
    if !column.members.is_empty() {
        let shown = column.members.iter().take(MAX_NAMES);
        let shown: Vec<String> =
            shown.map(|member| format!("{} ({})", visible(&member.path, VALUE_WIDTH), count(member.rows))).collect();
        let more = if column.members.len() > MAX_NAMES { ", …" } else { "" };
        let _ = writeln!(out, "  members that differ: {}{more}", shown.join(", "));
    }
    let mut columns = Columns::headed(["key", "left", "right", ""].map(|name| (name, Left)));
    for example in &column.examples {
        columns.row(example_row(example));
    }
    out.push_str(&columns.render(2));
    out
}

fn example_row(example: &DifferenceExample) -> [String; 4] {
    let (left, right) = around(example.left.clone(), example.right.clone(), VALUE_WIDTH, BEFORE);
    let text =
        |value: Option<String>| value.map_or_else(|| "null".to_owned(), |value| format!("`{}`", printable(&value)));
    [key_text(&example.key), text(left), text(right), example.cause.text().to_owned()]
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        share if share < 0.01 => "<0.01%".to_owned(),
        share if share < 10.0 => format!("{share:.2}%"),
        share => format!("{share:.1}%"),
    }
}

/// Cut to a width, without what would move a terminal's cursor: values come from outside.
fn visible(text: &str, width: usize) -> String {
    printable(&shortened(text, width)).into_owned()
}
