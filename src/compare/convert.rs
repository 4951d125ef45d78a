//! From the values of a side to those that are sorted and compared.

use super::column::ColumnKind;
use super::plan::{AlignedColumn, Meaning, Physical};
use super::{json, value};
use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Float64Builder, Int64Builder, StringBuilder, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use etl_sdk::json::{Kind as JsonKind, Token};
use etl_sdk::{Error, ErrorKind, Result};
use std::sync::Arc;

/// Bytes of the texts of one column of one batch.
const MAX_TEXT_BYTES: usize = 1 << 30;

/// Values of a column while they are collected.
#[derive(Debug)]
pub(super) enum Values {
    Int(Int64Builder),
    Double(Float64Builder),
    Text(StringBuilder),
}

impl Values {
    /// No values of an aligned column.
    pub(super) fn new(column: &AlignedColumn) -> Self {
        match column.physical {
            Physical::Int => Self::Int(Int64Builder::new()),
            Physical::Double => Self::Double(Float64Builder::new()),
            Physical::Text => Self::Text(StringBuilder::new()),
        }
    }

    /// Adds a null.
    pub(super) fn push_null(&mut self) {
        match self {
            Self::Int(values) => values.append_null(),
            Self::Double(values) => values.append_null(),
            Self::Text(values) => values.append_null(),
        }
    }

    /// Adds a value of a JSON line; `false` for one that was not there when the columns were looked at.
    ///
    /// Fails with `Limit` when the texts become too large.
    pub(super) fn push_token(&mut self, column: &AlignedColumn, token: Token, line: &str) -> Result<bool> {
        if !token.is_present() {
            self.push_null();
            return Ok(true);
        }
        let raw = token.raw(line);
        match self {
            Self::Int(values) => match raw.parse() {
                Ok(number) if token.kind == JsonKind::Number => values.append_value(number),
                _ => return Ok(false),
            },
            Self::Double(values) => match raw.parse() {
                Ok(number) if token.kind == JsonKind::Number => values.append_value(value::normal(number)),
                _ => return Ok(false),
            },
            Self::Text(values) => push_text(values, &token_text(column, token, line))?,
        }
        Ok(true)
    }

    /// The values as an array; none are left.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int(values) => Arc::new(values.finish()),
            Self::Double(values) => Arc::new(values.finish()),
            Self::Text(values) => Arc::new(values.finish()),
        }
    }
}

fn push_text(values: &mut StringBuilder, text: &str) -> Result<()> {
    if values.values_slice().len() + text.len() > MAX_TEXT_BYTES {
        return Err(Error::new(ErrorKind::Limit, "compare texts").with("max_bytes_of_a_batch", MAX_TEXT_BYTES));
    }
    values.append_value(text);
    Ok(())
}

fn token_text(column: &AlignedColumn, token: Token, line: &str) -> String {
    let raw = token.raw(line);
    let nested = |raw: &str| json::of_text(raw, column.like.as_ref(), &column.left_out);
    match token.kind {
        JsonKind::Text | JsonKind::EscapedText => {
            let mut scratch = String::new();
            text_of(column, json::text_of(token, line, &mut scratch))
        }
        JsonKind::Array | JsonKind::Object => nested(raw).unwrap_or_else(|_| raw.to_owned()),
        JsonKind::Number => value::number(raw).unwrap_or_else(|| raw.to_owned()),
        _ => raw.to_owned(),
    }
}

/// A text in the form in which its column is compared; unchanged when it is not what the column's meaning asks for.
pub(super) fn text_of(column: &AlignedColumn, text: &str) -> String {
    let formed = match column.meaning {
        Meaning::Number => value::number(text),
        Meaning::Instant => value::instant(text).map(value::instant_text),
        Meaning::Date => value::date(text),
        Meaning::Json => json::of_text(text, column.like.as_ref(), &column.left_out).ok(),
        Meaning::Int | Meaning::Double | Meaning::Text => None,
    };
    formed.unwrap_or_else(|| text.to_owned())
}

/// The value of a folder `name=value` for `rows` rows.
pub(super) fn constant(column: &AlignedColumn, text: Option<&str>, rows: usize) -> Result<ArrayRef> {
    let mut values = Values::new(column);
    let text = text.map(|text| text_of(column, text));
    for _ in 0..rows {
        match (&mut values, &text) {
            (Values::Text(values), Some(text)) => push_text(values, text)?,
            (values, _) => values.push_null(),
        }
    }
    Ok(values.finish())
}

/// The values of a column of a Parquet file.
///
/// Fails with kind `Config` for values that the common type cannot hold.
pub(super) fn array(column: &AlignedColumn, array: &ArrayRef) -> Result<ArrayRef> {
    let wrong = |error| {
        Error::config("bring both sides to one type")
            .with("column", &column.name)
            .with("type", array.data_type())
            .source(error)
    };
    let to = |data_type: &DataType, array: &ArrayRef| {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(array, data_type, &options).map_err(wrong)
    };
    if array.data_type() == &DataType::Null {
        return Ok(new_null_array(&column.physical.data_type(), array.len()));
    }
    let array = match array.data_type() {
        DataType::Dictionary(_, value) => &to(value, array)?,
        DataType::RunEndEncoded(_, values) => &to(values.data_type(), array)?,
        _ => array,
    };
    match (column.physical, column.meaning) {
        (Physical::Int, Meaning::Instant) => {
            let unit = if column.nanos { TimeUnit::Nanosecond } else { TimeUnit::Microsecond };
            let zone = match array.data_type() {
                DataType::Timestamp(_, zone) => zone.clone(),
                _ => None,
            };
            let instants = to(&DataType::Timestamp(unit, zone), array)?;
            to(&DataType::Int64, &instants)
        }
        (Physical::Int, Meaning::Date) => {
            let days = to(&DataType::Int32, &to(&DataType::Date32, array)?)?;
            to(&DataType::Int64, &days)
        }
        (Physical::Int, _) => to(&DataType::Int64, array),
        (Physical::Double, _) => {
            let doubles = to(&DataType::Float64, array)?;
            let normal: Float64Array = doubles.as_primitive::<Float64Type>().unary(value::normal);
            Ok(Arc::new(normal))
        }
        (Physical::Text, _) => texts(column, array),
    }
}

fn texts(column: &AlignedColumn, array: &ArrayRef) -> Result<ArrayRef> {
    if let (Meaning::Text, DataType::Utf8) = (column.meaning, array.data_type()) {
        return Ok(Arc::clone(array));
    }
    let kind = ColumnKind::of(array.data_type());
    let mut values = StringBuilder::new();
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            values.append_null();
            continue;
        }
        match kind {
            ColumnKind::Nested => {
                text.clear();
                json::of_row(array, row, &column.left_out, &mut text)?;
                push_text(&mut values, &text)?;
            }
            ColumnKind::Text => push_text(&mut values, &text_of(column, &json::scalar_text(array, row)?))?,
            // A date becomes an instant at midnight, and Arrow may write a date as one.
            ColumnKind::Date if matches!(column.meaning, Meaning::Instant | Meaning::Date) => {
                push_text(&mut values, &text_of(column, &json::scalar_text(array, row)?))?;
            }
            _ => push_text(&mut values, &json::scalar_text(array, row)?)?,
        }
    }
    Ok(Arc::new(values.finish()))
}

/// The value of a row for a person; `None` for null.
pub(super) fn shown(column: &AlignedColumn, array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match column.physical {
        Physical::Double => value::double(array.as_primitive::<Float64Type>().value(row)),
        Physical::Int => {
            let number = array.as_primitive::<Int64Type>().value(row);
            match column.meaning {
                Meaning::Instant => value::short_instant(&value::instant_text(nanos(column, number))),
                Meaning::Date => value::date_text(number),
                _ => number.to_string(),
            }
        }
        Physical::Text => {
            let text = array.as_string::<i32>().value(row);
            if column.meaning == Meaning::Instant { value::short_instant(text) } else { text.to_owned() }
        }
    })
}

/// Nanoseconds since 1970 of an instant of physical type `Int`.
pub(super) fn nanos(column: &AlignedColumn, number: i64) -> i128 {
    i128::from(number) * if column.nanos { 1 } else { 1_000 }
}
