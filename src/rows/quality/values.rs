//! Values of columns that rules can judge, and what the job file says of them.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use chrono::{DateTime, NaiveDate, NaiveTime};
use etl_sdk::{Error, Result};
use serde_json::Value;
use std::collections::HashSet;

/// Kinds of columns that rules can judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// UTF-8.
    Text,
    /// Integers of any width.
    Whole,
    /// Floating point.
    Number,
    /// True or false.
    Flag,
    /// Microseconds in UTC.
    Instant,
    /// Days.
    Date,
}

/// The values that `in` allows.
#[derive(Clone, Debug)]
pub enum Allowed {
    /// Of a text column.
    Texts(HashSet<String>),
    /// Of a column of integers.
    Wholes(HashSet<i64>),
    /// Of a column of floating point numbers.
    Numbers(Vec<f64>),
    /// Of a column of true and false.
    Flags(Vec<bool>),
}

/// What `range` allows, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bounds {
    /// Integers, microseconds of an instant, or days of a date.
    Whole(i64, i64),
    /// Floating point.
    Number(f64, f64),
}

impl Scalar {
    /// The kind of a column; `None` for nested and other types.
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Utf8 => Some(Self::Text),
            // An unsigned 64-bit integer may not fit into what values are compared as.
            data_type if data_type.is_integer() && *data_type != DataType::UInt64 => Some(Self::Whole),
            DataType::Float32 | DataType::Float64 => Some(Self::Number),
            DataType::Boolean => Some(Self::Flag),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Some(Self::Instant),
            DataType::Date32 => Some(Self::Date),
            _ => None,
        }
    }

    /// A column in the type that its kind is compared as: text, 64-bit integers, 64-bit floats, booleans.
    pub(super) fn plain(self, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Text | Self::Flag => Ok(ArrayRef::clone(column)),
            Self::Number => cast(column, &DataType::Float64),
            Self::Whole | Self::Instant | Self::Date => cast(column, &DataType::Int64),
        }
    }
}

/// The rows without a value: null, an empty text, NaN.
pub(super) fn missing(column: &ArrayRef) -> Result<BooleanBuffer, ArrowError> {
    let rows = column.len();
    Ok(match Scalar::of(column.data_type()) {
        Some(Scalar::Text) => {
            let ends = column.as_string::<i32>().value_offsets();
            BooleanBuffer::collect_bool(rows, |row| column.is_null(row) || ends[row] == ends[row + 1])
        }
        Some(Scalar::Number) => {
            let numbers = Scalar::Number.plain(column)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            BooleanBuffer::collect_bool(rows, |row| column.is_null(row) || numbers.value(row).is_nan())
        }
        _ => match column.nulls() {
            Some(nulls) => !nulls.inner(),
            None => BooleanBuffer::new_unset(rows),
        },
    })
}

/// The rows with a value that `allows` refuses.
fn refused(column: &ArrayRef, allows: impl Fn(usize) -> bool) -> BooleanBuffer {
    BooleanBuffer::collect_bool(column.len(), |row| column.is_valid(row) && !allows(row))
}

/// The column at `index` in the type it is compared as.
fn plain_column(batch: &RecordBatch, index: usize) -> Result<ArrayRef> {
    let column = batch.column(index);
    let scalar = Scalar::of(column.data_type())
        .ok_or_else(|| Error::internal("judge a column").with("type", column.data_type()))?;
    Ok(scalar.plain(column)?)
}

impl Allowed {
    /// Reads the list of `in` for a column of this kind.
    pub fn read(scalar: Scalar, values: &[Value]) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::config("`in` allows no value"));
        }
        let wrong = |expected: &str| {
            let wrong = Error::config(format!("`in` holds a value that is no {expected}, as the column has"));
            move |value: &Value| wrong.with("value", value)
        };
        match scalar {
            Scalar::Text => all(
                values,
                |value| value.as_str().map(str::to_owned),
                |value| wrong("text")(value).hint("put it in quotes"),
            )
            .map(Self::Texts),
            Scalar::Whole => all(values, Value::as_i64, wrong("whole number")).map(Self::Wholes),
            Scalar::Number => all(values, Value::as_f64, wrong("number")).map(Self::Numbers),
            Scalar::Flag => all(values, Value::as_bool, wrong("true or false")).map(Self::Flags),
            Scalar::Instant | Scalar::Date => {
                Err(Error::config("`in` does not go with dates and instants").hint("write `range` or `sql`"))
            }
        }
    }

    /// The rows of the column at `index` whose value is not allowed; nulls are.
    pub(super) fn broken(&self, batch: &RecordBatch, index: usize) -> Result<BooleanBuffer> {
        let column = plain_column(batch, index)?;
        Ok(match self {
            Self::Texts(texts) => {
                let values = column.as_string::<i32>();
                refused(&column, |row| texts.contains(values.value(row)))
            }
            Self::Wholes(wholes) => {
                let values = column.as_primitive::<Int64Type>();
                refused(&column, |row| wholes.contains(&values.value(row)))
            }
            #[allow(clippy::float_cmp, reason = "the values are those written in the job file")]
            Self::Numbers(numbers) => {
                let values = column.as_primitive::<Float64Type>();
                refused(&column, |row| numbers.iter().any(|number| *number == values.value(row)))
            }
            Self::Flags(flags) => {
                let values: &BooleanArray = column.as_boolean();
                refused(&column, |row| flags.contains(&values.value(row)))
            }
        })
    }
}

/// All values as `read` takes them; fails on the first that it does not take.
fn all<T, C: FromIterator<T>>(
    values: &[Value],
    read: impl Fn(&Value) -> Option<T>,
    wrong: impl FnOnce(&Value) -> Error,
) -> Result<C> {
    match values.iter().find(|value| read(value).is_none()) {
        Some(value) => Err(wrong(value)),
        None => Ok(values.iter().filter_map(read).collect()),
    }
}

impl Bounds {
    /// Reads the bounds of `range` for a column of this kind.
    pub fn read(scalar: Scalar, min: Option<&Value>, max: Option<&Value>) -> Result<Self> {
        if min.is_none() && max.is_none() {
            return Err(Error::config("`range` has no bound: write min, max or both"));
        }
        let bounds = match scalar {
            Scalar::Text | Scalar::Flag => {
                return Err(Error::config("`range` goes with numbers, dates and instants").hint("write `in` or `sql`"));
            }
            Scalar::Number => {
                Self::Number(min.map_or(Ok(f64::NEG_INFINITY), number)?, max.map_or(Ok(f64::INFINITY), number)?)
            }
            Scalar::Whole => Self::Whole(
                min.map_or(Ok(i64::MIN), |bound| whole(bound, f64::ceil))?,
                max.map_or(Ok(i64::MAX), |bound| whole(bound, f64::floor))?,
            ),
            Scalar::Instant => Self::Whole(min.map_or(Ok(i64::MIN), instant)?, max.map_or(Ok(i64::MAX), instant)?),
            Scalar::Date => Self::Whole(min.map_or(Ok(i64::MIN), day)?, max.map_or(Ok(i64::MAX), day)?),
        };
        let empty = match bounds {
            Self::Whole(min, max) => min > max,
            Self::Number(min, max) => min > max,
        };
        if empty { Err(Error::config("no value is within `range`: `min` is greater than `max`")) } else { Ok(bounds) }
    }

    /// The rows of the column at `index` whose value is outside; NaN is, nulls are not.
    pub(super) fn broken(self, batch: &RecordBatch, index: usize) -> Result<BooleanBuffer> {
        let column = plain_column(batch, index)?;
        Ok(match self {
            Self::Whole(min, max) => {
                let values = column.as_primitive::<Int64Type>();
                refused(&column, |row| (min..=max).contains(&values.value(row)))
            }
            Self::Number(min, max) => {
                let values = column.as_primitive::<Float64Type>();
                refused(&column, |row| (min..=max).contains(&values.value(row)))
            }
        })
    }
}

fn number(bound: &Value) -> Result<f64> {
    bound.as_f64().ok_or_else(|| wrong_bound(bound, "a number"))
}

/// A bound of integers: one between two of them is moved inward.
fn whole(bound: &Value, inward: fn(f64) -> f64) -> Result<i64> {
    match bound.as_i64() {
        Some(whole) => Ok(whole),
        None => number(bound).map(|number| inward(number) as i64),
    }
}

fn instant(bound: &Value) -> Result<i64> {
    let text = bound.as_str().unwrap_or_default();
    let instant = DateTime::parse_from_rfc3339(text).map(|instant| instant.timestamp_micros());
    let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
    instant
        .or_else(|_| text.parse().map(midnight))
        .map_err(|_| wrong_bound(bound, "an instant such as 2026-11-20T05:00:00Z, or a date"))
}

fn day(bound: &Value) -> Result<i64> {
    let text = bound.as_str().unwrap_or_default();
    let date: NaiveDate = text.parse().map_err(|_| wrong_bound(bound, "a date such as 2026-11-20"))?;
    Ok(date.signed_duration_since(NaiveDate::default()).num_days())
}

fn wrong_bound(bound: &Value, expected: &str) -> Error {
    Error::config(format!("a bound of `range` is not {expected}, as the column needs")).with("bound", bound)
}
