//! How large the result of a function will be.

use super::sizes::{bytes_of, bytes_of_argument, bytes_of_constant, bytes_of_null, leaves_of};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::ColumnarValue;
use regex::Regex;
use std::sync::Arc;

/// A day at the change to summer time, in nanoseconds.
const SHORTEST_DAY: i128 = 23 * 3_600_000_000_000;
const DAY: i128 = 24 * 3_600_000_000_000;

/// Text of a number, at most.
const NUMBER: u64 = 32;

/// What the size of a function's result depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Growth {
    /// All arguments, so many times.
    Times(u64),
    /// All arguments, once.
    Sum,
    /// The first argument between all others.
    Separated,
    /// A text, as often as the second argument says.
    Repeated,
    /// A list of one value, as often as the second argument says.
    Listed,
    /// A text, filled up to a number of characters.
    Padded,
    /// A list, filled up to a number of values.
    Resized,
    /// Numbers, days or instants from one to another.
    Series,
    /// A text with another in all places of a third.
    Replaced,
    /// A text with another in all places of a pattern.
    Matched,
    /// A list as text.
    Joined,
    /// A list with another value in all places of one.
    Exchanged,
}

impl Growth {
    /// That of a function, if its result can be larger than what it is given.
    pub(super) fn of(function: &str) -> Option<Self> {
        Some(match function {
            "array_append" | "array_concat" | "array_prepend" | "array_union" | "concat" | "make_array" | "map"
            | "overlay" => Self::Sum,
            "arrays_zip" | "encode" => Self::Times(2),
            "translate" => Self::Times(4),
            "string_to_array" => Self::Times(5),
            // `%c` is the longest of what two letters can stand for.
            "to_char" => Self::Times(16),
            "concat_ws" => Self::Separated,
            "repeat" => Self::Repeated,
            "array_repeat" => Self::Listed,
            "lpad" | "rpad" => Self::Padded,
            "array_resize" => Self::Resized,
            "range" | "generate_series" => Self::Series,
            "replace" => Self::Replaced,
            "regexp_replace" => Self::Matched,
            "array_to_string" => Self::Joined,
            "array_replace" | "array_replace_n" | "array_replace_all" => Self::Exchanged,
            _ => return None,
        })
    }

    /// Bytes of the results for all rows, or a number that they are not above.
    pub(super) fn bytes(self, arguments: &[ColumnarValue], rows: usize) -> Result<u64> {
        let sum = || arguments.iter().map(|argument| bytes_of_argument(argument, rows)).fold(0, u64::saturating_add);
        Ok(match (self, arguments) {
            (Self::Times(times), _) => sum().saturating_mul(times),
            (Self::Separated, [separator, ..]) => {
                let between = arguments.len().saturating_sub(2) as u64;
                sum().saturating_add(bytes_of_argument(separator, rows).saturating_mul(between))
            }
            (Self::Repeated, [value, times]) => repeated(value, times, 0, rows)?,
            // Each copy also takes its index while they are gathered.
            (Self::Listed, [value, times]) => repeated(value, times, 8, rows)?,
            (Self::Padded, [text, length, fill @ ..]) => padded(text, length, fill.first(), rows)?,
            (Self::Resized, [list, length, fill @ ..]) => resized(list, length, fill.first(), rows)?,
            (Self::Series, _) => series(arguments, rows)?,
            (Self::Replaced, [text, from, to]) => replaced(text, from, to, rows),
            (Self::Matched, [text, pattern, to, flags @ ..]) => matched(text, pattern, to, flags.first(), rows),
            (Self::Joined, [list, between @ ..]) => joined(list, between, rows)?,
            (Self::Exchanged, [list, _, to, ..]) => {
                let list = list.to_array(rows)?;
                sum().saturating_add(leaves_of(&list).saturating_mul(longest(to)))
            }
            _ => sum(),
        })
    }
}

/// A length that is negative, or of no text, as none: the functions that fill up a text make room for it without a look.
pub(super) fn without_strange_lengths(arguments: &mut [ColumnarValue], rows: usize) -> Result<()> {
    let [text, length, ..] = arguments else { return Ok(()) };
    if let ColumnarValue::Scalar(ScalarValue::Int64(Some(0..))) = length {
        let is_missing = matches!(text, ColumnarValue::Scalar(value) if value.is_null());
        if !is_missing && !matches!(text, ColumnarValue::Array(array) if array.null_count() > 0) {
            return Ok(());
        }
    }
    let lengths = Wholes::of(length)?;
    let usual: Int64Array =
        (0..rows).map(|row| text_at(text, row).and_then(|_| lengths.get(row)).map(|length| length.max(0))).collect();
    *length = ColumnarValue::Array(Arc::new(usual));
    Ok(())
}

/// The numbers of an argument, a row each.
enum Wholes {
    Same(Option<i64>),
    Each(ArrayRef),
}

impl Wholes {
    fn of(argument: &ColumnarValue) -> Result<Self> {
        Ok(match argument {
            ColumnarValue::Scalar(value) => match value.cast_to(&DataType::Int64)? {
                ScalarValue::Int64(value) => Self::Same(value),
                _ => Self::Same(None),
            },
            ColumnarValue::Array(array) => Self::Each(cast(array, &DataType::Int64)?),
        })
    }

    fn get(&self, row: usize) -> Option<i64> {
        match self {
            Self::Same(value) => *value,
            Self::Each(array) => array.is_valid(row).then(|| array.as_primitive::<Int64Type>().value(row)),
        }
    }

    /// As a count: none is nothing.
    fn count(&self, row: usize) -> u64 {
        self.get(row).and_then(|value| u64::try_from(value).ok()).unwrap_or(0)
    }
}

/// Bytes of the value of one row.
fn bytes_at(argument: &ColumnarValue, row: usize) -> u64 {
    match argument {
        ColumnarValue::Scalar(value) if value.is_null() => 0,
        ColumnarValue::Scalar(value) => {
            text_of(value).map_or_else(|| bytes_of_constant(value), |text| text.len() as u64)
        }
        ColumnarValue::Array(array) => length_at(array, row),
    }
}

/// Bytes of a text, without the place that it takes; of other values, all.
fn length_at(array: &ArrayRef, row: usize) -> u64 {
    if array.is_null(row) {
        return 0;
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value_length(row) as u64,
        DataType::LargeUtf8 => array.as_string::<i64>().value_length(row) as u64,
        DataType::Utf8View => array.as_string_view().value(row).len() as u64,
        _ => bytes_of(&array.slice(row, 1)),
    }
}

fn text_of(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

/// The text of one row; `None` where it is missing, or no text.
fn text_at(argument: &ColumnarValue, row: usize) -> Option<&str> {
    match argument {
        ColumnarValue::Scalar(value) => text_of(value),
        ColumnarValue::Array(array) if array.is_null(row) => None,
        ColumnarValue::Array(array) => match array.data_type() {
            DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
            DataType::Utf8View => Some(array.as_string_view().value(row)),
            _ => None,
        },
    }
}

fn longest(argument: &ColumnarValue) -> u64 {
    match argument {
        ColumnarValue::Scalar(_) => bytes_at(argument, 0),
        ColumnarValue::Array(array) => (0..array.len()).map(|row| length_at(array, row)).max().unwrap_or(0),
    }
}

fn total(rows: usize, bytes: impl Fn(usize) -> u64) -> u64 {
    (0..rows).map(bytes).fold(0, u64::saturating_add)
}

fn repeated(value: &ColumnarValue, times: &ColumnarValue, place: u64, rows: usize) -> Result<u64> {
    let counts = Wholes::of(times)?;
    Ok(total(rows, |row| counts.count(row).saturating_mul(bytes_at(value, row) + place)))
}

fn padded(text: &ColumnarValue, length: &ColumnarValue, fill: Option<&ColumnarValue>, rows: usize) -> Result<u64> {
    let lengths = Wholes::of(length)?;
    let widest = |text: Option<&str>| text.map_or(1, |text| text.chars().map(char::len_utf8).max().unwrap_or(1)) as u64;
    Ok(total(rows, |row| {
        let filled = lengths.count(row).saturating_mul(fill.map_or(1, |fill| widest(text_at(fill, row))));
        filled.saturating_add(bytes_at(text, row))
    }))
}

fn resized(list: &ColumnarValue, length: &ColumnarValue, fill: Option<&ColumnarValue>, rows: usize) -> Result<u64> {
    let lengths = Wholes::of(length)?;
    let null = match list.data_type() {
        DataType::List(element) | DataType::LargeList(element) => bytes_of_null(element.data_type()),
        _ => bytes_of_null(&DataType::Int64),
    };
    let value = fill.map_or(0, longest).max(null);
    let filled = total(rows, |row| lengths.count(row).saturating_mul(value));
    Ok(filled.saturating_add(bytes_of_argument(list, rows)))
}

fn series(arguments: &[ColumnarValue], rows: usize) -> Result<u64> {
    let bytes = size_of::<i64>() as u64;
    let whole = |argument: &ColumnarValue| argument.data_type().is_integer() || argument.data_type().is_null();
    let (first, last, step) = match arguments {
        [last] => (None, last, None),
        [first, last] => (Some(first), last, None),
        [first, last, step, ..] => (Some(first), last, Some(step)),
        [] => return Ok(0),
    };
    if !arguments.iter().all(whole) {
        let (Some(first), Some(step)) = (first, step) else { return Ok(0) };
        return instants(first, last, step, rows);
    }
    let of = |argument: Option<&ColumnarValue>, default| argument.map_or(Ok(Wholes::Same(Some(default))), Wholes::of);
    let (first, last, step) = (of(first, 0)?, Wholes::of(last)?, of(step, 1)?);
    Ok(total(rows, |row| {
        let (Some(first), Some(last), Some(step)) = (first.get(row), last.get(row), step.get(row)) else { return 0 };
        if step == 0 || (step > 0) != (last >= first) {
            return bytes;
        }
        (first.abs_diff(last) / step.unsigned_abs()).saturating_add(1).saturating_mul(bytes)
    }))
}

/// Of days or instants from one to another, by an interval.
fn instants(first: &ColumnarValue, last: &ColumnarValue, step: &ColumnarValue, rows: usize) -> Result<u64> {
    let (first, last, step) = (first.to_array(rows)?, last.to_array(rows)?, step.to_array(rows)?);
    let step = cast(&step, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let step = step.as_primitive::<IntervalMonthDayNanoType>();
    let mut bytes = 0_u64;
    for row in (0..rows).filter(|row| step.is_valid(*row)) {
        let (Some(first), Some(last)) = (nanoseconds(&first, row), nanoseconds(&last, row)) else { continue };
        let (months, days, nanoseconds) = IntervalMonthDayNanoType::to_parts(step.value(row));
        let parts = [i128::from(months) * 28 * DAY, i128::from(days) * SHORTEST_DAY, i128::from(nanoseconds)];
        if parts.iter().any(|part| *part > 0) && parts.iter().any(|part| *part < 0) {
            return exec_err!("a step of a series goes forwards or backwards in all of its parts");
        }
        let step: i128 = parts.iter().sum();
        if step == 0 || (step > 0) != (last >= first) {
            continue;
        }
        let count = (last - first).unsigned_abs() / step.unsigned_abs() + 1;
        bytes = bytes.saturating_add(u64::try_from(count * 8).unwrap_or(u64::MAX));
    }
    Ok(bytes)
}

fn nanoseconds(array: &ArrayRef, row: usize) -> Option<i128> {
    let unit = match array.data_type() {
        DataType::Date32 => DAY,
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
        DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1,
        _ => return None,
    };
    // Days are numbers of 32 bits, all others of 64.
    let wide = cast(&array.slice(row, 1), &DataType::Int64).ok()?;
    Some(i128::from(Wholes::Each(wide).get(0)?) * unit)
}

fn replaced(text: &ColumnarValue, from: &ColumnarValue, to: &ColumnarValue, rows: usize) -> u64 {
    total(rows, |row| {
        let length = bytes_at(text, row);
        let (Some(whole), Some(from), put) = (text_at(text, row), text_at(from, row), bytes_at(to, row)) else {
            return 0;
        };
        let most = length / (from.len() as u64).max(1) + 1;
        if put <= from.len() as u64 {
            return length;
        }
        // Places are counted only where it matters.
        let places = if most.saturating_mul(put) > COUNTED { whole.matches(from).count() as u64 } else { most };
        length.saturating_add(places.saturating_mul(put))
    })
}

/// From here on it is worth to count what would be replaced.
const COUNTED: u64 = 4_096;

fn matched(
    text: &ColumnarValue,
    pattern: &ColumnarValue,
    to: &ColumnarValue,
    flags: Option<&ColumnarValue>,
    rows: usize,
) -> u64 {
    let mut known: Option<(String, Option<Regex>)> = None;
    let mut bytes = 0_u64;
    for row in 0..rows {
        let (Some(whole), Some(to)) = (text_at(text, row), text_at(to, row)) else { continue };
        let length = whole.len() as u64;
        let flags = flags.and_then(|flags| text_at(flags, row)).unwrap_or_default();
        // `$1` and `\1` stand for a part of what was found.
        let parts = to.bytes().filter(|byte| matches!(byte, b'$' | b'\\')).count() as u64;
        let most = if flags.contains('g') { length + 1 } else { 1 };
        let put = to.len() as u64;
        let mut places = most;
        if most.saturating_mul(put) > COUNTED {
            let Some(pattern) = text_at(pattern, row) else { continue };
            let letters: String = flags.chars().filter(|flag| *flag != 'g').collect();
            let written = if letters.is_empty() { pattern.to_owned() } else { format!("(?{letters}){pattern}") };
            if known.as_ref().is_none_or(|(text, _)| *text != written) {
                // A pattern that cannot be read is for the function to refuse.
                known = Some((written.clone(), Regex::new(&written).ok()));
            }
            let Some((_, Some(regex))) = &known else { continue };
            places = (regex.find_iter(whole).count() as u64).min(most);
        }
        let found = length.saturating_mul(parts + 1);
        bytes = bytes.saturating_add(found).saturating_add(places.saturating_mul(put));
    }
    bytes
}

fn joined(list: &ColumnarValue, between: &[ColumnarValue], rows: usize) -> Result<u64> {
    let list = list.to_array(rows)?;
    let own = bytes_of(&list);
    let put = between.iter().map(longest).max().unwrap_or(0) + NUMBER;
    let most = own.saturating_add(leaves_of(&list).saturating_mul(put));
    if between.iter().all(|text| matches!(text, ColumnarValue::Scalar(_))) || most <= COUNTED {
        return Ok(most);
    }
    let each = |row| {
        let put = between.iter().map(|text| bytes_at(text, row)).max().unwrap_or(0) + NUMBER;
        leaves_of(&list.slice(row, 1)).saturating_mul(put)
    };
    Ok(own.saturating_add(total(rows, each)))
}
