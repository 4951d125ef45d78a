//! What a side knows about its columns: a kind that decides how values are compared, and a type name for people.

use super::value;
use arrow::datatypes::{DataType, TimeUnit};
use etl_sdk::json::Kind as JsonKind;
use std::collections::BTreeSet;

/// What kind of values a column has. Types of one kind are compared without a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    /// No value at all.
    Null,
    /// True or false.
    Bool,
    /// Integers of at most 64 bits with a sign.
    Int,
    /// Decimals, and integers that need more.
    Number,
    /// Floats.
    Double,
    /// Instants, to the microsecond or to the nanosecond.
    Instant {
        /// Whether there may be something behind the microsecond.
        nanos: bool,
    },
    /// Calendar dates.
    Date,
    /// Texts.
    Text,
    /// Bytes.
    Bytes,
    /// Structs, maps and lists.
    Nested,
    /// What is only compared as the text it is written as.
    Other,
}

/// A column of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SideColumn {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
    /// The type in the catalog's words; of JSON lines, what was found in them.
    pub(super) type_name: String,
    /// The Arrow type of a Parquet column.
    pub(super) data_type: Option<DataType>,
    /// The kinds of JSON values, of a column of JSON lines.
    pub(super) json: Option<JsonKinds>,
    /// What the names of folders say, of a column that only they have.
    pub(super) folders: Option<Folders>,
}

/// What the folders `name=value` of one name say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folders {
    /// Whole numbers, each written in one way alone.
    Numbers,
    /// Others.
    Texts,
}

impl Folders {
    /// Of all values; null says nothing.
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let values: BTreeSet<&str> = values.collect();
        let is_whole = |value: &&&str| value.bytes().all(|byte| byte.is_ascii_digit());
        let numbers: BTreeSet<_> = values.iter().filter(is_whole).filter_map(|text| value::number(text)).collect();
        if !values.is_empty() && numbers.len() == values.len() { Self::Numbers } else { Self::Texts }
    }
}

impl ColumnKind {
    /// The kind of an Arrow type.
    pub(super) fn of(data_type: &DataType) -> Self {
        use DataType as T;
        match data_type {
            T::Null => Self::Null,
            T::Boolean => Self::Bool,
            T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 => Self::Int,
            T::UInt64 | T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) => Self::Number,
            T::Float16 | T::Float32 | T::Float64 => Self::Double,
            T::Timestamp(unit, _) => Self::Instant { nanos: *unit == TimeUnit::Nanosecond },
            T::Date32 | T::Date64 => Self::Date,
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Self::Text,
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => Self::Bytes,
            T::Dictionary(_, value) => Self::of(value),
            T::RunEndEncoded(_, values) => Self::of(values.data_type()),
            T::Struct(_) | T::Map(..) | T::List(_) | T::LargeList(_) | T::FixedSizeList(..) => Self::Nested,
            _ => Self::Other,
        }
    }

    /// The kind of a column of two kinds.
    pub(super) fn with(self, other: Self) -> Self {
        match (self, other) {
            (one, two) if one == two => one,
            (Self::Null, other) | (other, Self::Null) => other,
            (Self::Instant { .. }, Self::Instant { .. }) => Self::Instant { nanos: true },
            (Self::Int | Self::Number | Self::Double, Self::Int | Self::Number | Self::Double) => Self::Number,
            _ => Self::Text,
        }
    }
}

/// The name of an Arrow type in the words of catalogs: `bigint`, `timestamp(us, UTC)`, `map<string,bigint>`.
pub(super) fn type_name(data_type: &DataType) -> String {
    use DataType as T;
    match data_type {
        T::Int8 => "tinyint".to_owned(),
        T::Int16 => "smallint".to_owned(),
        T::Int32 => "int".to_owned(),
        T::Int64 => "bigint".to_owned(),
        T::Float32 => "float".to_owned(),
        T::Float64 => "double".to_owned(),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => "string".to_owned(),
        T::Binary | T::LargeBinary | T::BinaryView => "binary".to_owned(),
        T::Date32 | T::Date64 => "date".to_owned(),
        T::Timestamp(unit, zone) => {
            let unit = match unit {
                TimeUnit::Second => "s",
                TimeUnit::Millisecond => "ms",
                TimeUnit::Microsecond => "us",
                TimeUnit::Nanosecond => "ns",
            };
            match zone {
                Some(zone) => format!("timestamp({unit}, {zone})"),
                None => format!("timestamp({unit})"),
            }
        }
        T::Decimal32(precision, scale)
        | T::Decimal64(precision, scale)
        | T::Decimal128(precision, scale)
        | T::Decimal256(precision, scale) => format!("decimal({precision},{scale})"),
        T::Dictionary(_, value) => type_name(value),
        T::RunEndEncoded(_, values) => type_name(values.data_type()),
        T::List(element) | T::LargeList(element) | T::FixedSizeList(element, _) => {
            format!("array<{}>", type_name(element.data_type()))
        }
        T::Map(entries, _) => match entries.data_type() {
            T::Struct(members) if members.len() == 2 => {
                format!("map<{},{}>", type_name(members[0].data_type()), type_name(members[1].data_type()))
            }
            _ => "map".to_owned(),
        },
        T::Struct(members) => {
            let member =
                |member: &arrow::datatypes::FieldRef| format!("{}:{}", member.name(), type_name(member.data_type()));
            format!("struct<{}>", members.iter().map(member).collect::<Vec<_>>().join(","))
        }
        other => other.to_string().to_lowercase(),
    }
}

/// The kinds of JSON values that a column of JSON lines has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct JsonKinds(u8);

impl JsonKinds {
    const TEXT: u8 = 1;
    const INTEGER: u8 = 2;
    const NUMBER: u8 = 4;
    const BOOLEAN: u8 = 8;
    const OBJECT: u8 = 16;
    const ARRAY: u8 = 32;
    /// Integers that a double cannot hold, also those that 64 bits cannot.
    const LONG_INTEGER: u8 = 64;
    /// Decimals with more digits than a double keeps.
    const LONG_DECIMAL: u8 = 128;
    const NAMES: [(u8, &'static str); 6] = [
        (Self::TEXT, "text"),
        (Self::INTEGER, "integer"),
        (Self::NUMBER, "number"),
        (Self::BOOLEAN, "boolean"),
        (Self::OBJECT, "object"),
        (Self::ARRAY, "array"),
    ];

    /// Adds a value; `raw` is a number's text.
    pub(super) fn add(&mut self, kind: JsonKind, raw: &str) {
        self.0 |= match kind {
            JsonKind::Missing | JsonKind::Null => 0,
            JsonKind::True | JsonKind::False => Self::BOOLEAN,
            JsonKind::Number => number_kinds(raw),
            JsonKind::Text | JsonKind::EscapedText => Self::TEXT,
            JsonKind::Array => Self::ARRAY,
            JsonKind::Object => Self::OBJECT,
        };
    }

    fn only(self, kinds: u8) -> bool {
        self.0 & !(kinds | Self::LONG_INTEGER | Self::LONG_DECIMAL) == 0
    }

    fn has(self, kinds: u8) -> bool {
        self.0 & kinds != 0
    }

    /// Whether there are numbers that a double cannot hold.
    pub(super) fn has_long_numbers(self) -> bool {
        self.has(Self::LONG_INTEGER | Self::LONG_DECIMAL)
    }

    /// The kind of the column.
    pub(super) fn kind(self) -> ColumnKind {
        match self.0 & !(Self::LONG_INTEGER | Self::LONG_DECIMAL) {
            0 => ColumnKind::Null,
            Self::TEXT => ColumnKind::Text,
            Self::INTEGER => ColumnKind::Int,
            Self::BOOLEAN => ColumnKind::Bool,
            _ if self.only(Self::INTEGER | Self::NUMBER) => {
                if self.has(Self::LONG_INTEGER | Self::LONG_DECIMAL) {
                    ColumnKind::Number
                } else {
                    ColumnKind::Double
                }
            }
            _ if self.only(Self::OBJECT | Self::ARRAY) => ColumnKind::Nested,
            _ => ColumnKind::Text,
        }
    }

    /// `JSON text`, `JSON integer or number`.
    pub(super) fn name(self) -> String {
        let names: Vec<&str> =
            Self::NAMES.iter().filter(|(kind, _)| self.0 & kind != 0).map(|(_, name)| *name).collect();
        if names.is_empty() { "JSON null".to_owned() } else { format!("JSON {}", names.join(" or ")) }
    }

    /// These and others.
    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether these are what values of `kind` are written as: instants as texts, say.
    pub(super) fn stand_for(self, kind: ColumnKind) -> bool {
        self.only(match kind {
            ColumnKind::Null => 0,
            ColumnKind::Bool => Self::BOOLEAN,
            ColumnKind::Int => Self::INTEGER,
            ColumnKind::Number | ColumnKind::Double => Self::INTEGER | Self::NUMBER,
            ColumnKind::Instant { .. }
            | ColumnKind::Date
            | ColumnKind::Text
            | ColumnKind::Bytes
            | ColumnKind::Other => Self::TEXT,
            ColumnKind::Nested => Self::OBJECT | Self::ARRAY,
        })
    }
}

/// Digits that every double keeps.
const DOUBLE_DIGITS: usize = 15;

/// The kinds of a number: whether it is an integer of 64 bits, and whether a double can hold it.
fn number_kinds(raw: &str) -> u8 {
    let has_exponent = raw.contains(['e', 'E']);
    let is_kept = || {
        let digits = raw.bytes().filter(u8::is_ascii_digit).count();
        let double = || raw.parse::<f64>().ok().map(value::double);
        digits <= DOUBLE_DIGITS && !has_exponent || double().is_some_and(|double| value::number(raw) == Some(double))
    };
    let is_integer = !has_exponent && !raw.contains('.');
    match (raw.parse::<i64>().is_ok(), is_integer) {
        (true, _) if is_kept() => JsonKinds::INTEGER,
        (true, _) => JsonKinds::INTEGER | JsonKinds::LONG_INTEGER,
        (false, true) => JsonKinds::NUMBER | if is_kept() { 0 } else { JsonKinds::LONG_INTEGER },
        (false, false) => JsonKinds::NUMBER | if is_kept() { 0 } else { JsonKinds::LONG_DECIMAL },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_numbers_where_each_is_written_in_one_way() {
        for (values, folders) in [
            (&["01", "2", "2"][..], Folders::Numbers),
            (&["01", "1"], Folders::Texts),
            (&["01", "x"], Folders::Texts),
            (&["-1"], Folders::Texts),
            (&[""], Folders::Texts),
            (&[], Folders::Texts),
        ] {
            assert_eq!(Folders::of(values.iter().copied()), folders, "{values:?}");
        }
    }

    #[test]
    fn numbers_are_doubles_only_where_a_double_holds_them_all() {
        for (numbers, kind) in [
            (&["1", "-2"][..], ColumnKind::Int),
            (&["9007199254740993"], ColumnKind::Int),
            (&["1", "2.5"], ColumnKind::Double),
            (&["0.30000000000000004", "1e300"], ColumnKind::Double),
            (&["9007199254740993", "2.5"], ColumnKind::Number),
            (&["18446744073709551615"], ColumnKind::Number),
            (&["9223372036854775808"], ColumnKind::Number),
            (&["10000000000000000000", "1.5"], ColumnKind::Double),
            (&["0.12345678901234567891"], ColumnKind::Number),
            (&["1e30", "-2.5E-7", "0e999"], ColumnKind::Double),
            (&["1e400"], ColumnKind::Number),
            (&["1e-400"], ColumnKind::Number),
            (&["1e99999999999999999999"], ColumnKind::Number),
        ] {
            let mut kinds = JsonKinds::default();
            for number in numbers {
                kinds.add(JsonKind::Number, number);
            }
            assert_eq!(kinds.kind(), kind, "{numbers:?}");
        }
    }
}
