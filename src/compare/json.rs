//! One text per nested value, whatever its form: keys sorted, no white space, numbers in one form, nulls of absent
//! members left out.

use super::value;
use arrow::array::{Array, AsArray, OffsetSizeTrait};
use arrow::datatypes::{
    DataType, Fields, Float16Type, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use etl_sdk::json::{Fault, Kind, Reader, Token};
use etl_sdk::{Error, Result};

/// Levels of nesting that a value may have.
pub(super) const MAX_DEPTH: u32 = 200;

/// What is left out of nested values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Paths of members, relative to a value.
    paths: Vec<String>,
    /// Whether entries of maps go whose value is null, as members of structs always do. JSON lines do not have them.
    pub(super) nulls: bool,
}

impl LeftOut {
    /// Adds `member.of.it`.
    pub(super) fn add(&mut self, path: &str) {
        self.paths.push(path.to_owned());
    }

    /// Whether there are members that are left out.
    pub(super) fn has_members(&self) -> bool {
        !self.paths.is_empty()
    }

    fn has(&self, member: &str) -> bool {
        self.paths.iter().any(|path| path == member)
    }

    /// What is left out below a member.
    fn below(&self, member: &str) -> Self {
        let rest = |path: &String| Some(path.strip_prefix(member)?.strip_prefix('.')?.to_owned());
        Self { paths: self.paths.iter().filter_map(rest).collect(), nulls: self.nulls }
    }
}

/// The one form of a JSON text. `like` is the type of the other side, when it has one: what is null in a struct is left
/// out, doubles and instants are taken as such.
///
/// Fails, with the place of the fault, for what is not JSON or is nested deeper than [`MAX_DEPTH`].
pub(super) fn of_text(text: &str, like: Option<&DataType>, left_out: &LeftOut) -> Result<String, Fault> {
    let mut reader = Reader::new(text, MAX_DEPTH);
    let mut out = String::with_capacity(text.len());
    read(&mut reader, like, left_out, &mut out)?;
    reader.end()?;
    Ok(out)
}

fn read(reader: &mut Reader<'_>, like: Option<&DataType>, left_out: &LeftOut, out: &mut String) -> Result<(), Fault> {
    match reader.peek() {
        Some(b'{') => read_object(reader, like, left_out, out),
        Some(b'[') => {
            let like = like.and_then(element_type);
            reader.enter()?;
            out.push('[');
            let mut first = true;
            while reader.next_element(&mut first)? {
                if !out.ends_with('[') {
                    out.push(',');
                }
                read(reader, like, left_out, out)?;
            }
            out.push(']');
            Ok(())
        }
        _ => {
            let token = reader.value()?;
            scalar(token, reader.text(), like, out);
            Ok(())
        }
    }
}

fn read_object(
    reader: &mut Reader<'_>,
    like: Option<&DataType>,
    left_out: &LeftOut,
    out: &mut String,
) -> Result<(), Fault> {
    reader.enter()?;
    let mut members = Vec::new();
    let (mut first, mut scratch) = (true, String::new());
    let drops = left_out.nulls || matches!(like, Some(DataType::Struct(_)));
    while let Some(key) = reader.next_key(&mut first)? {
        let key = text_of(key, reader.text(), &mut scratch).to_owned();
        let below = left_out.below(&key);
        let mut value = String::new();
        read(reader, like.and_then(|like| member_type(like, &key)), &below, &mut value)?;
        if !(left_out.has(&key) || (drops && value == "null")) {
            members.push((key, value));
        }
    }
    object(members, out);
    Ok(())
}

fn element_type(like: &DataType) -> Option<&DataType> {
    match like {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            Some(field.data_type())
        }
        _ => None,
    }
}

fn member_type<'a>(like: &'a DataType, name: &str) -> Option<&'a DataType> {
    match like {
        DataType::Struct(members) => members.iter().find(|member| member.name() == name).map(|found| found.data_type()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(members) => members.get(1).map(|value| value.data_type()),
            _ => None,
        },
        _ => None,
    }
}

/// The text of a JSON text. One with half a surrogate pair is no Unicode text, and stays as it is written: two of them are
/// not one because neither can be said.
pub(super) fn text_of<'t>(token: Token, source: &'t str, scratch: &'t mut String) -> &'t str {
    let raw = token.raw(source);
    if token.kind == Kind::EscapedText && has_half_pair(raw) { raw } else { token.decode(source, scratch) }
}

/// Whether a text has an escape of one half of a surrogate pair without the other.
fn has_half_pair(raw: &str) -> bool {
    let unit = |escape: &str| u16::from_str_radix(escape.get(2..6)?, 16).ok();
    let is = |escape: &str, half: std::ops::RangeInclusive<u16>| {
        escape.starts_with("\\u") && unit(escape).is_some_and(|unit| half.contains(&unit))
    };
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        rest = &rest[at..];
        let taken = if is(rest, 0xd800..=0xdbff) {
            if !rest.get(6..).is_some_and(|next| is(next, 0xdc00..=0xdfff)) {
                return true;
            }
            12
        } else if is(rest, 0xdc00..=0xdfff) {
            return true;
        } else {
            2
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    false
}

fn scalar(token: Token, text: &str, like: Option<&DataType>, out: &mut String) {
    let raw = token.raw(text);
    match token.kind {
        Kind::Number => {
            let is_double = matches!(like, Some(DataType::Float64 | DataType::Float32 | DataType::Float16));
            let double = if is_double { raw.parse::<f64>().ok() } else { None };
            match double {
                Some(number) => out.push_str(&value::double(number)),
                None => out.push_str(&value::number(raw).unwrap_or_else(|| raw.to_owned())),
            }
        }
        Kind::Text | Kind::EscapedText => {
            let mut scratch = String::new();
            let text = text_of(token, text, &mut scratch);
            match like {
                Some(DataType::Timestamp(..)) => match value::instant(text) {
                    Some(nanos) => quoted(&value::instant_text(nanos), out),
                    None => quoted(text, out),
                },
                _ => quoted(text, out),
            }
        }
        Kind::Missing | Kind::Null => out.push_str("null"),
        Kind::True | Kind::False | Kind::Array | Kind::Object => out.push_str(raw),
    }
}

/// Members sorted by name; those of one name by value.
fn object(mut members: Vec<(String, String)>, out: &mut String) {
    members.sort_unstable();
    out.push('{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        quoted(name, out);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
}

fn quoted(text: &str, out: &mut String) {
    // A text is always JSON.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Appends the one form of a row of an array, nested or not.
///
/// Fails for a type that has no text.
pub(super) fn of_row(array: &dyn Array, row: usize, left_out: &LeftOut, out: &mut String) -> Result<()> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Struct(fields) => return struct_row(array, fields, row, left_out, out),
        DataType::Map(..) => return map_row(array, row, left_out, out),
        DataType::List(_) => return list_row::<i32>(array, row, left_out, out),
        DataType::LargeList(_) => return list_row::<i64>(array, row, left_out, out),
        DataType::FixedSizeList(..) => return elements(&array.as_fixed_size_list().value(row), left_out, out),
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        other if other.is_integer() => out.push_str(&plain(array, row)?),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let text = value::double(double_at(array, row));
            // Not a number of JSON.
            if text.ends_with(char::is_alphabetic) { quoted(&text, out) } else { out.push_str(&text) }
        }
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            let text = plain(array, row)?;
            out.push_str(&value::number(&text).unwrap_or(text));
        }
        _ => quoted(&scalar_text(array, row)?, out),
    }
    Ok(())
}

fn struct_row(array: &dyn Array, fields: &Fields, row: usize, left_out: &LeftOut, out: &mut String) -> Result<()> {
    let mut members = Vec::with_capacity(fields.len());
    for (field, column) in fields.iter().zip(array.as_struct().columns()) {
        if column.is_null(row) || left_out.has(field.name()) {
            continue;
        }
        let mut value = String::new();
        of_row(column, row, &left_out.below(field.name()), &mut value)?;
        members.push((field.name().clone(), value));
    }
    object(members, out);
    Ok(())
}

fn map_row(array: &dyn Array, row: usize, left_out: &LeftOut, out: &mut String) -> Result<()> {
    let map = array.as_map();
    let mut members = Vec::new();
    for entry in map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize {
        let key = scalar_text(map.keys(), entry)?;
        if left_out.has(&key) || (left_out.nulls && map.values().is_null(entry)) {
            continue;
        }
        let mut value = String::new();
        of_row(map.values(), entry, &left_out.below(&key), &mut value)?;
        members.push((key, value));
    }
    object(members, out);
    Ok(())
}

fn list_row<O: OffsetSizeTrait>(array: &dyn Array, row: usize, left_out: &LeftOut, out: &mut String) -> Result<()> {
    elements(&array.as_list::<O>().value(row), left_out, out)
}

fn elements(array: &dyn Array, left_out: &LeftOut, out: &mut String) -> Result<()> {
    out.push('[');
    for row in 0..array.len() {
        if row > 0 {
            out.push(',');
        }
        of_row(array, row, left_out, out)?;
    }
    out.push(']');
    Ok(())
}

/// A value that is not nested and not null, as text without quotes.
pub(super) fn scalar_text(array: &dyn Array, row: usize) -> Result<String> {
    Ok(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::Binary => bytes_text(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => bytes_text(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => bytes_text(array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => bytes_text(array.as_fixed_size_binary().value(row)),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => value::double(double_at(array, row)),
        DataType::Timestamp(unit, _) => value::instant_text(nanos_at(array, *unit, row)),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            let text = plain(array, row)?;
            value::number(&text).unwrap_or(text)
        }
        DataType::Struct(_) | DataType::Map(..) | DataType::List(_) | DataType::LargeList(_) => {
            let mut text = String::new();
            of_row(array, row, &LeftOut::default(), &mut text)?;
            text
        }
        _ => plain(array, row)?,
    })
}

/// Bytes that are text as such, others as hexadecimal digits.
fn bytes_text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| value::hex(bytes), str::to_owned)
}

fn double_at(array: &dyn Array, row: usize) -> f64 {
    match array.data_type() {
        DataType::Float16 => f64::from(array.as_primitive::<Float16Type>().value(row)),
        DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)),
        _ => array.as_primitive::<Float64Type>().value(row),
    }
}

/// Nanoseconds since 1970 of a row of a timestamp array.
fn nanos_at(array: &dyn Array, unit: TimeUnit, row: usize) -> i128 {
    let (number, factor) = match unit {
        TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 1_000_000_000),
        TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000),
        TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000),
        TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().value(row), 1),
    };
    i128::from(number) * factor
}

/// The text that Arrow gives a value.
fn plain(array: &dyn Array, row: usize) -> Result<String> {
    let failed = |error| Error::internal("write a value as text").with("type", array.data_type()).source(error);
    let options = FormatOptions::default();
    Ok(ArrayFormatter::try_new(array, &options).map_err(failed)?.value(row).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_pairs_are_told_apart() {
        let form = |text: &str| of_text(text, None, &LeftOut::default()).unwrap();
        assert_ne!(form(r#""\ud800""#), form(r#""\ud801""#));
        assert_ne!(form(r#"{"\udc00":1}"#), form(r#"{"\udc01":1}"#));
        assert_ne!(form(r#""\ud83dx\ude00""#), form(r#""\ud83ex\ude00""#));
        assert_eq!(form(r#""\ud83d\ude00\n""#), form("\"\u{1f600}\\n\""));
        assert_eq!(form(r#""\\ud800""#), form(r#""\u005cud800""#));
    }
    use arrow::array::{
        Float64Builder, Int64Array, MapBuilder, MapFieldNames, StringArray, StringBuilder, StructArray,
    };
    use arrow::datatypes::Field;
    use std::sync::Arc;

    fn form(text: &str) -> String {
        of_text(text, None, &LeftOut { nulls: true, ..LeftOut::default() }).unwrap()
    }

    #[test]
    fn order_white_space_number_forms_and_absent_members_do_not_matter() {
        assert_eq!(form(r#"{"b": [1.0, "x"], "a": {"d": null, "c": true}}"#), r#"{"a":{"c":true},"b":[1,"x"]}"#);
        assert_eq!(form("[ ]"), "[]");
        assert_eq!(form(r#""ä\u00e4\n""#), r#""ää\n""#);
        let kept = of_text(r#"{"a":null}"#, None, &LeftOut::default()).unwrap();
        assert_eq!(kept, r#"{"a":null}"#);
        assert!(of_text("{", None, &LeftOut::default()).is_err());
        assert!(of_text(&"[".repeat(100_000), None, &LeftOut::default()).is_err());
    }

    #[test]
    fn members_are_ignored_by_path_also_in_lists() {
        let mut left_out = LeftOut::default();
        left_out.add("a.b");
        left_out.add("c");
        left_out.add("with.dot");
        let form = of_text(r#"{"a":[{"b":1,"x":2},{"b":3}],"c":1,"b":1,"with.dot":5}"#, None, &left_out).unwrap();
        assert_eq!(form, r#"{"a":[{"x":2},{}],"b":1}"#);
    }

    #[test]
    fn a_map_is_the_object_it_reads_as() {
        let names = MapFieldNames { entry: "entries".into(), key: "keys".into(), value: "values".into() };
        let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), Float64Builder::new());
        builder.keys().append_value("b");
        builder.values().append_value(1.0);
        builder.keys().append_value("a");
        builder.values().append_null();
        builder.append(true).unwrap();
        let map = builder.finish();
        let mut text = String::new();
        of_row(&map, 0, &LeftOut::default(), &mut text).unwrap();
        assert_eq!(text, r#"{"a":null,"b":1}"#);
        let read = r#"{"a": null, "b": 1.00}"#;
        assert_eq!(of_text(read, Some(map.data_type()), &LeftOut::default()).unwrap(), text);
        let left_out = LeftOut { nulls: true, ..LeftOut::default() };
        let mut text = String::new();
        of_row(&map, 0, &left_out, &mut text).unwrap();
        assert_eq!(text, r#"{"b":1}"#);
        assert_eq!(of_text(read, Some(map.data_type()), &left_out).unwrap(), text);
    }

    #[test]
    fn a_struct_has_no_null_members() {
        let fields = Fields::from(vec![Field::new("z", DataType::Int64, true), Field::new("a", DataType::Utf8, true)]);
        let columns: Vec<Arc<dyn Array>> =
            vec![Arc::new(Int64Array::from(vec![Some(1), None])), Arc::new(StringArray::from(vec!["x", "y"]))];
        let rows = StructArray::new(fields, columns, None);
        let texts: Vec<String> = (0..2)
            .map(|row| {
                let mut text = String::new();
                of_row(&rows, row, &LeftOut::default(), &mut text).unwrap();
                text
            })
            .collect();
        assert_eq!(texts, [r#"{"a":"x","z":1}"#, r#"{"a":"y"}"#]);
    }
}
