//! Brings the columns of both sides together: which are compared, as what, and which are on one side alone.

use super::column::{ColumnKind, Folders, SideColumn};
use super::json::LeftOut;
use super::report::{ColumnName, TypeDifference};
use crate::compare::plan::{AlignedColumn, ComparePlan, Meaning, Physical};
use crate::compare::request::{CompareRequest, CompareSetting, Side};
use crate::compare::side::SideReader;
use crate::text::suggest::nearest;
use etl_sdk::{Error, ErrorKind, Result};
use std::collections::BTreeMap;

/// Columns that an error lists.
const LISTED: usize = 40;

/// What is compared, and what the columns alone say.
#[derive(Debug)]
pub(super) struct Alignment {
    pub(super) plan: ComparePlan,
    /// Columns of the left side that the right one does not have.
    pub(super) left_only: Vec<ColumnName>,
    /// Columns of the right side that the left one does not have.
    pub(super) right_only: Vec<ColumnName>,
    /// Columns whose types differ.
    pub(super) types: Vec<TypeDifference>,
    /// About columns that were to be ignored and are on neither side.
    pub(super) notes: Vec<String>,
}

/// Decides what is compared.
///
/// Fails with `Usage` when a column of the key, or one that decides which row is the latest, is missing on a side.
pub(super) fn align(request: &CompareRequest, left: &SideReader, right: &SideReader) -> Result<Alignment> {
    let (ignored, notes) = ignored(request, left, right);
    let mut aligner = Aligner { left, right, ignored, columns: Vec::new(), types: Vec::new() };
    aligner.front(&request.key, CompareSetting::Key)?;
    let key = aligner.columns.len();
    aligner.front(&request.latest, CompareSetting::Latest)?;
    let latest = aligner.columns.len() - key;
    let (left_only, right_only) = (aligner.others(Side::Left), aligner.others(Side::Right));
    let Aligner { mut columns, types, .. } = aligner;
    columns[key + latest..].sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Alignment { plan: ComparePlan { columns, key, latest }, left_only, right_only, types, notes })
}

/// The ignored columns, with the ignored members of those that are only ignored in part; and what to note about names
/// that are on neither side.
fn ignored(
    request: &CompareRequest,
    left: &SideReader,
    right: &SideReader,
) -> (BTreeMap<String, LeftOut>, Vec<String>) {
    let mut all: BTreeMap<String, LeftOut> = BTreeMap::new();
    let mut notes = Vec::new();
    let is_column = |name: &str| left.columns.contains_key(name) || right.columns.contains_key(name);
    for path in &request.ignore {
        if is_column(path) {
            all.insert(path.clone(), LeftOut::default());
            continue;
        }
        let splits = path.match_indices('.').map(|(index, _)| path.split_at(index));
        match splits.into_iter().find(|(column, _)| is_column(column)) {
            // A column that is ignored as a whole stays so.
            Some((column, _)) if all.get(column).is_some_and(is_whole) => {}
            Some((column, member)) => all.entry(column.to_owned()).or_default().add(&member[1..]),
            None => notes.push(format!("no side has the column `{path}` that is to be ignored")),
        }
    }
    (all, notes)
}

/// Whether a column is ignored as a whole.
fn is_whole(ignored: &LeftOut) -> bool {
    !ignored.has_members()
}

/// Pairs the columns of the sides, one after the other.
struct Aligner<'a> {
    left: &'a SideReader,
    right: &'a SideReader,
    ignored: BTreeMap<String, LeftOut>,
    columns: Vec<AlignedColumn>,
    types: Vec<TypeDifference>,
}

impl<'a> Aligner<'a> {
    fn side(&self, side: Side) -> &'a SideReader {
        match side {
            Side::Left => self.left,
            Side::Right => self.right,
        }
    }

    /// Aligns the columns that `setting` names, which both sides must have.
    fn front(&mut self, names: &[String], setting: CompareSetting) -> Result<()> {
        for name in names {
            if self.has(name) {
                continue;
            }
            let left = required(self.left, self.right, name, setting)?;
            let right = required(self.right, self.left, name, setting)?;
            let column = self.aligned(&left, &right);
            if setting == CompareSetting::Latest && !is_ordered(&column) {
                return Err(Error::new(ErrorKind::Usage, "take the latest row of each key")
                    .with("setting", setting)
                    .with("column", name)
                    .with("left", &left.type_name)
                    .with("right", &right.type_name)
                    .hint("only integers of 64 bits, doubles, instants, dates and texts have a greatest value"));
            }
            self.columns.push(column);
        }
        Ok(())
    }

    /// Aligns the columns of `side` that are not aligned yet and not ignored. Gives those that the other side does not
    /// have.
    fn others(&mut self, side: Side) -> Vec<ColumnName> {
        let (own, other) = (self.side(side), self.side(side.other()));
        let mut alone = Vec::new();
        for column in own.columns.values() {
            if self.has(&column.name) || self.ignored.get(&column.name).is_some_and(is_whole) {
                continue;
            }
            let Some(partner) = other.column(&column.name) else {
                alone.push(ColumnName { column: column.name.clone(), type_name: column.type_name.clone() });
                continue;
            };
            let aligned = match side {
                Side::Left => self.aligned(column, &partner),
                Side::Right => self.aligned(&partner, column),
            };
            self.columns.push(aligned);
        }
        alone
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    fn aligned(&mut self, left: &SideColumn, right: &SideColumn) -> AlignedColumn {
        let mut left_out = self.ignored.remove(&left.name).unwrap_or_default();
        let (meaning, physical) =
            if left_out.has_members() { (Meaning::Json, Physical::Text) } else { meaning(left, right) };
        if !is_natural(left, right) {
            self.types.push(TypeDifference {
                column: left.name.clone(),
                left: left.type_name.clone(),
                right: right.type_name.clone(),
                compared_as: meaning.name(),
            });
        }
        left_out.nulls = left.json.is_some() || right.json.is_some();
        let nested =
            |column: &SideColumn| column.data_type.clone().filter(|like| ColumnKind::of(like) == ColumnKind::Nested);
        let is_absent = |column: &SideColumn| column.json.is_some() && column.kind == ColumnKind::Null;
        AlignedColumn {
            name: left.name.clone(),
            meaning,
            physical,
            nanos: left.kind == ColumnKind::Instant { nanos: true },
            left_out,
            like: nested(left).or_else(|| nested(right)),
            absent: match (is_absent(left), is_absent(right)) {
                (true, _) => Some(Side::Left),
                (false, true) => Some(Side::Right),
                (false, false) => None,
            },
        }
    }
}

/// Whether the order in which values are sorted is that of what they mean.
fn is_ordered(column: &AlignedColumn) -> bool {
    matches!(column.physical, Physical::Int | Physical::Double)
        || matches!(column.meaning, Meaning::Text | Meaning::Instant | Meaning::Date)
}

fn required(source: &SideReader, other: &SideReader, name: &str, setting: CompareSetting) -> Result<SideColumn> {
    if let Some(column) = source.columns.get(name) {
        return Ok(column.clone());
    }
    // Without a row there is nothing that could have a column.
    if source.has_no_rows_of_json()
        && (other.columns.contains_key(name) || other.has_no_rows_of_json())
        && let Some(column) = source.column(name)
    {
        return Ok(column);
    }
    let known: Vec<&str> = source.columns.keys().map(String::as_str).collect();
    let more = if known.len() > LISTED { ", …" } else { "" };
    let list = known[..known.len().min(LISTED)].join(", ");
    let hint = match nearest(name, &known) {
        Some(near) => format!("did you mean `{near}`? columns there: {list}{more}"),
        None => format!("columns there: {list}{more}"),
    };
    let operation = match setting {
        CompareSetting::Latest => "find a column that decides which row is the latest",
        _ => "find a key column",
    };
    Err(Error::new(ErrorKind::Usage, operation)
        .with("setting", setting)
        .with("missing column", name)
        .with("side", source.side.name())
        .with("in", &source.url)
        .hint(hint))
}

/// How the values are compared, and what they are meanwhile.
fn meaning(left: &SideColumn, right: &SideColumn) -> (Meaning, Physical) {
    use ColumnKind::{Bool, Bytes, Date, Double, Instant, Int, Nested, Null, Number, Other, Text};
    let kinds = match (left.kind, right.kind) {
        (Null, other) | (other, Null) => (other, other),
        kinds => kinds,
    };
    // Folders are written with zeros in front by some programs and without by others.
    if left.folders == Some(Folders::Numbers) && right.folders == Some(Folders::Numbers) {
        return (Meaning::Number, Physical::Text);
    }
    match kinds {
        (Int, Int) => (Meaning::Int, Physical::Int),
        (Double, Double) => (Meaning::Double, Physical::Double),
        (Int | Number, Double) if is_as_double(left, right) => (Meaning::Double, Physical::Double),
        (Double, Int | Number) if is_as_double(right, left) => (Meaning::Double, Physical::Double),
        (Instant { nanos }, Instant { nanos: other }) if nanos == other => (Meaning::Instant, Physical::Int),
        (Date, Date) => (Meaning::Date, Physical::Int),
        (Int | Double | Number, Int | Double | Number | Text) | (Text, Int | Double | Number) => {
            (Meaning::Number, Physical::Text)
        }
        (Instant { .. }, Instant { .. } | Date | Text) | (Date | Text, Instant { .. }) => {
            (Meaning::Instant, Physical::Text)
        }
        (Date, Text) | (Text, Date) => (Meaning::Date, Physical::Text),
        (Nested, Nested | Text) | (Text, Nested) => (Meaning::Json, Physical::Text),
        (Null | Bool | Text | Bytes | Other | Int | Double | Number | Instant { .. } | Date | Nested, _) => {
            (Meaning::Text, Physical::Text)
        }
    }
}

/// Whether numbers of JSON are compared with doubles as such: a double that happens to be whole is written without a
/// point, and with as many digits as its program likes. Where JSON stands on both sides, all digits count.
fn is_as_double(numbers: &SideColumn, doubles: &SideColumn) -> bool {
    numbers.json.is_some_and(|kinds| doubles.json.is_none() || !kinds.has_long_numbers())
}

/// Whether the types are the same, or as near as JSON lines can come.
fn is_natural(left: &SideColumn, right: &SideColumn) -> bool {
    match (left.json, right.json) {
        (None, None) => left.type_name == right.type_name,
        (Some(kinds), None) => kinds.stand_for(right.kind),
        (None, Some(kinds)) => kinds.stand_for(left.kind),
        (Some(one), Some(other)) => one.stand_for(other.kind()) || other.stand_for(one.kind()),
    }
}
