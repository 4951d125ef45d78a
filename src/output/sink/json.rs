//! Rows as JSON lines, for looking at.

use super::hive;
use super::hive::DAY_MICROS;
use arrow::array::{Array, AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, FieldRef, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::json::writer::{LineDelimited, NullableEncoder, WriterBuilder};
use arrow::json::{Encoder, EncoderFactory, EncoderOptions};
use std::sync::Arc;

/// One line per row, each with a line end; nulls are left out, times are ISO 8601.
pub(crate) fn lines(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = WriterBuilder::new().with_encoder_factory(Arc::new(Times)).build::<_, LineDelimited>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    Ok(writer.into_inner())
}

/// Writes times and dates so that none is refused: what has no four-digit year is written as its number.
#[derive(Debug)]
struct Times;

impl EncoderFactory for Times {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder> = match array.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => Box::new(Instants(array.as_primitive())),
            DataType::Date32 => Box::new(Dates(array.as_primitive())),
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

struct Instants<'a>(&'a PrimitiveArray<TimestampMicrosecondType>);

impl Encoder for Instants<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let micros = self.0.value(row);
        match hive::instant(micros) {
            Some(text) => push_text(&text, out),
            None => out.extend_from_slice(micros.to_string().as_bytes()),
        }
    }
}

struct Dates<'a>(&'a PrimitiveArray<Date32Type>);

impl Encoder for Dates<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let days = i64::from(self.0.value(row));
        match days.checked_mul(DAY_MICROS).and_then(hive::instant) {
            Some(text) => push_text(&text[..10], out),
            None => out.extend_from_slice(days.to_string().as_bytes()),
        }
    }
}

fn push_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}
