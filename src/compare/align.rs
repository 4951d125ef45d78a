//! Brings the columns of both sides together: which are compared, as what, and which are on one side alone.

use super::column::{Kind, SideColumn};
use super::json::LeftOut;
use super::report::{ColumnName, Comparison, TypeDifference};
use super::source::Source;
use super::{CompareRequest, Side};
use crate::text::suggest::nearest;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use etl_sdk::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Columns that an error lists.
const LISTED: usize = 40;

/// How the values of a column are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// As integers.
    Int,
    /// As doubles.
    Double,
    /// As decimal numbers of any length, in one form.
    Number,
    /// As instants.
    Instant,
    /// As dates.
    Date,
    /// As texts.
    Text,
    /// As JSON in one form.
    Json,
}

/// What the values of an aligned column are while they are sorted and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Physical {
    /// `Int64`: an integer, or microseconds, nanoseconds or days since 1970.
    Int,
    /// `Float64`
    Double,
    /// `Utf8`
    Text,
}

/// A column that is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Aligned {
    pub(super) name: String,
    pub(super) meaning: Meaning,
    pub(super) physical: Physical,
    /// Whether an instant of physical type `Int` counts nanoseconds.
    pub(super) nanos: bool,
    pub(super) left_out: LeftOut,
    /// The type that JSON texts are read like: that of the side which has one.
    pub(super) like: Option<DataType>,
    /// The side whose JSON lines never name it: there it is null.
    pub(super) absent: Option<Side>,
}

/// What is compared.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The key, the columns of `--latest`, and the others by name.
    pub(super) columns: Vec<Aligned>,
    /// Columns at the front that are the key.
    pub(super) key: usize,
    /// Columns behind the key that are those of `--latest`.
    pub(super) latest: usize,
}

impl Plan {
    /// The columns while they are sorted: named by their places, and the hash of the row behind them.
    pub(super) fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().enumerate().map(|(place, column)| {
            let data_type = match column.physical {
                Physical::Int => DataType::Int64,
                Physical::Double => DataType::Float64,
                Physical::Text => DataType::Utf8,
            };
            Field::new(place.to_string(), data_type, true)
        });
        let hash = Field::new("hash", DataType::UInt64, false);
        Arc::new(Schema::new(fields.chain([hash]).collect::<Vec<_>>()))
    }

    /// What rows are sorted by.
    pub(super) fn order(&self) -> Vec<String> {
        (0..self.key + self.latest).map(|place| place.to_string()).chain(["hash".to_owned()]).collect()
    }
}

/// Decides what is compared, and notes in `report` what is on one side alone, what has another type and what is ignored.
///
/// Fails with `Usage` when a column of the key or of `--latest` is missing on a side.
pub(super) fn align(request: &CompareRequest, left: &Source, right: &Source, report: &mut Comparison) -> Result<Plan> {
    let mut ignored = ignored(request, left, right, report);
    let mut columns: Vec<Aligned> = Vec::new();
    for (option, names) in [("--key", &request.key), ("--latest", &request.latest)] {
        for name in names {
            if columns.iter().any(|known| known.name == *name) {
                continue;
            }
            let (one, other) = (required(left, right, name, option)?, required(right, left, name, option)?);
            let column = aligned(&one, &other, ignored.remove(name).unwrap_or_default(), report);
            let sorts = matches!(column.physical, Physical::Int | Physical::Double)
                || matches!(column.meaning, Meaning::Text | Meaning::Instant | Meaning::Date);
            if option == "--latest" && !sorts {
                return Err(Error::new(ErrorKind::Usage, "take the latest row of each key")
                    .with("column", name)
                    .with("left", &one.type_name)
                    .with("right", &other.type_name)
                    .hint("the greatest value is known of integers, doubles, instants, dates and texts"));
            }
            columns.push(column);
        }
    }
    let key = request.key.iter().enumerate().filter(|(place, name)| !request.key[..*place].contains(name)).count();
    let latest = columns.len() - key;
    let front: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    for column in left.columns.values() {
        if front.contains(&column.name) || ignored.get(&column.name).is_some_and(is_whole) {
            continue;
        }
        match right.column(&column.name) {
            Some(other) => {
                columns.push(aligned(column, &other, ignored.remove(&column.name).unwrap_or_default(), report));
            }
            None => report.left.only_columns.push(name_of(column)),
        }
    }
    for column in right.columns.values() {
        let is_known = left.columns.contains_key(&column.name) || front.contains(&column.name);
        if is_known || ignored.get(&column.name).is_some_and(is_whole) {
            continue;
        }
        match left.column(&column.name) {
            Some(other) => {
                columns.push(aligned(&other, column, ignored.remove(&column.name).unwrap_or_default(), report));
            }
            None => report.right.only_columns.push(name_of(column)),
        }
    }
    columns[key + latest..].sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Plan { columns, key, latest })
}

/// Whether a column is ignored as a whole.
fn is_whole(ignored: &LeftOut) -> bool {
    !ignored.has_members()
}

fn name_of(column: &SideColumn) -> ColumnName {
    ColumnName { column: column.name.clone(), type_name: column.type_name.clone() }
}

/// The ignored columns; those of which only members are, with these.
fn ignored(
    request: &CompareRequest,
    left: &Source,
    right: &Source,
    report: &mut Comparison,
) -> BTreeMap<String, LeftOut> {
    let mut all: BTreeMap<String, LeftOut> = BTreeMap::new();
    let is_column = |name: &str| left.columns.contains_key(name) || right.columns.contains_key(name);
    for path in &request.ignore {
        report.ignored.push(path.clone());
        if is_column(path) {
            all.insert(path.clone(), LeftOut::default());
            continue;
        }
        let splits = path.match_indices('.').map(|(place, _)| path.split_at(place));
        match splits.into_iter().find(|(column, _)| is_column(column)) {
            // A column that is ignored as a whole stays so.
            Some((column, _)) if all.get(column).is_some_and(is_whole) => {}
            Some((column, member)) => all.entry(column.to_owned()).or_default().add(&member[1..]),
            None => report.notes.push(format!("no side has the column `{path}` that is to be ignored")),
        }
    }
    all
}

fn required(source: &Source, other: &Source, name: &str, option: &str) -> Result<SideColumn> {
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
    Err(Error::new(ErrorKind::Usage, format!("find the column of {option}"))
        .with("missing column", name)
        .with("side", source.side.name())
        .with("in", &source.url)
        .hint(hint))
}

fn aligned(left: &SideColumn, right: &SideColumn, mut left_out: LeftOut, report: &mut Comparison) -> Aligned {
    let (meaning, physical) =
        if left_out.has_members() { (Meaning::Json, Physical::Text) } else { meaning(left, right) };
    if !is_natural(left, right) {
        report.types.push(TypeDifference {
            column: left.name.clone(),
            left: left.type_name.clone(),
            right: right.type_name.clone(),
            compared_as: compared_as(meaning),
        });
    }
    left_out.nulls = left.json.is_some() || right.json.is_some();
    let nested = |column: &SideColumn| column.data_type.clone().filter(|like| Kind::of(like) == Kind::Nested);
    Aligned {
        name: left.name.clone(),
        meaning,
        physical,
        nanos: left.kind == Kind::Instant { nanos: true },
        left_out,
        like: nested(left).or_else(|| nested(right)),
        absent: if left.json.is_some() && left.kind == Kind::Null {
            Some(Side::Left)
        } else if right.json.is_some() && right.kind == Kind::Null {
            Some(Side::Right)
        } else {
            None
        },
    }
}

/// How the values are compared, and what they are meanwhile.
fn meaning(left: &SideColumn, right: &SideColumn) -> (Meaning, Physical) {
    use Kind::{Bool, Bytes, Date, Double, Instant, Int, Nested, Null, Number, Other, Text};
    let kinds = match (left.kind, right.kind) {
        (Null, other) | (other, Null) => (other, other),
        kinds => kinds,
    };
    let is_json = |kind: Kind| [left, right].iter().any(|column| column.kind == kind && column.json.is_some());
    match kinds {
        (Int, Int) => (Meaning::Int, Physical::Int),
        (Double, Double) => (Meaning::Double, Physical::Double),
        // A double that happens to be whole is written without a point.
        (Int, Double) | (Double, Int) if is_json(Int) || is_json(Double) => (Meaning::Double, Physical::Double),
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

fn compared_as(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Int => "integers",
        Meaning::Double => "doubles",
        Meaning::Number => "numbers",
        Meaning::Instant => "instants",
        Meaning::Date => "dates",
        Meaning::Text => "texts",
        Meaning::Json => "JSON",
    }
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
