//! What the types of files are called.

use super::table::DdlColumn;
use arrow::datatypes::{DataType, TimeUnit};
use etl_sdk::{Error, Result};

/// The longest text of Redshift, in bytes.
const MAX_VARCHAR: usize = 65_535;

/// A type in the words of Hive, which Glue, Athena and Spark share.
pub(super) fn hive(column: &DdlColumn) -> Result<String> {
    hive_type(&column.data_type).ok_or_else(|| unknown(column))
}

/// A type of Redshift. What is nested becomes `SUPER`.
pub(super) fn redshift(column: &DdlColumn) -> Result<String> {
    Ok(match &column.data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            format!("varchar({})", column.max_bytes.unwrap_or(MAX_VARCHAR).min(MAX_VARCHAR))
        }
        DataType::Int8 | DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "varbyte".to_owned(),
        DataType::List(_) | DataType::LargeList(_) | DataType::Struct(_) | DataType::Map(_, _) => "super".to_owned(),
        other => hive_type(other).ok_or_else(|| unknown(column))?,
    })
}

fn hive_type(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Millisecond, _) => "timestamp".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".to_owned(),
        DataType::List(element) | DataType::LargeList(element) => {
            format!("array<{}>", hive_type(element.data_type())?)
        }
        DataType::Struct(members) => {
            let member = |field: &arrow::datatypes::FieldRef| {
                Some(format!("{}:{}", field.name(), hive_type(field.data_type())?))
            };
            format!("struct<{}>", members.iter().map(member).collect::<Option<Vec<_>>>()?.join(","))
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(entry) = entries.data_type() else { return None };
            let [key, value] = entry.as_ref() else { return None };
            format!("map<{},{}>", hive_type(key.data_type())?, hive_type(value.data_type())?)
        }
        _ => return None,
    })
}

fn unknown(column: &DdlColumn) -> Error {
    Error::config("name the type of a column")
        .with("column", &column.name)
        .with("type", &column.data_type)
        .hint("the statements have no such type; cast the column in the SQL step that makes it")
}
