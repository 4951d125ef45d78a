//! Which types files can hold, so that other programs read back what was written.

use arrow::datatypes::{DataType, Field};
use etl_sdk::{Error, Result};
use std::collections::HashSet;

/// Digits of a decimal that all readers know.
const MOST_DIGITS: u8 = 38;

/// Refuses a column that no file can hold, or that readers take for something else: with the column, the type, and what
/// to write instead.
pub fn check_writable(field: &Field) -> Result<()> {
    let Some(hint) = unwritable(field.data_type()) else { return Ok(()) };
    Err(Error::config("no file can hold the column")
        .with("column", field.name())
        .with("type", field.data_type())
        .hint(hint))
}

/// What to write in the place of a type; `None` when it can be written.
fn unwritable(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::Interval(_) => {
            Some("an interval has no type in Parquet: write it as text, or as a number in one unit")
        }
        DataType::Duration(_) => Some(
            "in a file a span is a number without a unit: write a number, such as \
             date_part('epoch', later) - date_part('epoch', earlier)",
        ),
        DataType::Null => Some("give the NULL a type: CAST(NULL AS VARCHAR)"),
        DataType::Union(..) => Some("a union has no type in Parquet: write a column per type"),
        DataType::Decimal256(digits, _) if *digits > MOST_DIGITS => {
            Some("readers know decimals of 38 digits: CAST it to DECIMAL(38, …) or to text")
        }
        DataType::Struct(members) if members.is_empty() => Some("a struct without members has no type in Parquet"),
        DataType::Struct(members) => {
            let mut names = HashSet::new();
            if members.iter().all(|member| names.insert(member.name())) {
                members.iter().find_map(|member| unwritable(member.data_type()))
            } else {
                Some("two members of a struct have one name: rename one")
            }
        }
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _)
        | DataType::Map(element, _) => unwritable(element.data_type()),
        DataType::Dictionary(_, values) => unwritable(values),
        DataType::RunEndEncoded(_, values) => unwritable(values.data_type()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{Fields, IntervalUnit, TimeUnit, UnionFields, UnionMode};
    use std::sync::Arc;

    #[test]
    fn what_no_reader_understands_is_refused_at_any_depth() {
        let within = |data_type: DataType| {
            let field = Arc::new(Field::new("x", data_type, true));
            let fields = Fields::from(vec![Arc::clone(&field)]);
            let entries = Field::new("entries", DataType::Struct(fields.clone()), false);
            [
                field.data_type().clone(),
                DataType::List(Arc::clone(&field)),
                DataType::FixedSizeList(field, 2),
                DataType::Struct(fields),
                DataType::Map(Arc::new(entries), false),
            ]
        };
        let twice = Fields::from(vec![Field::new("x", DataType::Utf8, true), Field::new("x", DataType::Utf8, true)]);
        for refused in [
            DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::Interval(IntervalUnit::DayTime),
            DataType::Duration(TimeUnit::Second),
            DataType::Null,
            DataType::Union(UnionFields::empty(), UnionMode::Sparse),
            DataType::Decimal256(39, 2),
            DataType::Struct(Fields::empty()),
            DataType::Struct(twice),
        ] {
            for data_type in within(refused) {
                let error = check_writable(&Field::new("c", data_type.clone(), true)).unwrap_err();
                assert!(error.to_string().contains("column=c type="), "{data_type}: {error}");
            }
        }
        for written in [DataType::Utf8, DataType::Boolean, DataType::Decimal128(38, 2), DataType::FixedSizeBinary(3)] {
            for data_type in within(written) {
                check_writable(&Field::new("c", data_type, true)).unwrap();
            }
        }
    }
}
