//! Error records of Amazon Data Firehose: what it could not transform, convert or deliver, as JSON objects one behind the
//! other, each with the record's bytes in `rawData`.

use super::config::{Framing, SourceConfig};
use super::emit::Frame;
use super::read::{ObjectStats, read_object};
use crate::limits::LimitsConfig;
use chrono::{DateTime, Utc};
use etl_sdk::{ObjectRef, RawRecord, Result};
use serde::Deserialize;
use std::io::{Cursor, Read};
use std::sync::Arc;

/// The keys of an error record that are read. Its kinds (`processing-failed`, `format-conversion-failed` and those of
/// destinations) have them in common.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorRecord {
    arrival_timestamp: i64,
    raw_data: String,
}

/// A part of an object with error records, in the order of its bytes.
pub enum ErrorPart<'a> {
    /// An error record begins: when its record arrived at Firehose.
    Record(DateTime<Utc>),
    /// What cannot be read as an error record.
    Broken,
    /// A record of the last error record's `rawData`, framed as the source says. Its offset counts in the decoded
    /// `rawData` of the object, one behind the other.
    Frame(Frame<'a>),
}

/// Reads an object with error records to its end.
///
/// Fails as [`read_object`] does.
pub fn read_errors(
    input: Box<dyn Read + Send>,
    object: &Arc<ObjectRef>,
    config: &SourceConfig,
    limits: &LimitsConfig,
    visit: &mut dyn FnMut(ErrorPart<'_>) -> Result<()>,
) -> Result<ObjectStats> {
    let outer = SourceConfig { framing: Framing::Concatenated, base64: false, ..config.clone() };
    // Base64 takes a third more than what it holds, and the other keys are small.
    let record_bytes = limits.record_bytes.0.saturating_mul(2).saturating_add(64 << 10);
    let outer_limits = LimitsConfig { record_bytes: crate::text::ByteSize(record_bytes), ..limits.clone() };
    let mut base = 0;
    read_object(input, object, &outer, &outer_limits, &mut |frame| {
        let parsed = match &frame {
            Frame::Record(record) => parse(record.bytes),
            Frame::Rejected(_) => None,
        };
        let Some((arrival, raw)) = parsed else { return visit(ErrorPart::Broken) };
        visit(ErrorPart::Record(arrival))?;
        let start = base;
        let read = read_object(Box::new(Cursor::new(raw)), object, config, limits, &mut |frame| {
            visit(ErrorPart::Frame(match frame {
                Frame::Record(record) => Frame::Record(RawRecord { offset: start + record.offset, ..record }),
                Frame::Rejected(mut reject) => {
                    if let Some(address) = &mut reject.address {
                        address.offset += start;
                    }
                    Frame::Rejected(reject)
                }
            }))
        })?;
        base += read.stats.decompressed_bytes;
        Ok(())
    })
    .map(|read| read.stats)
}

fn parse(bytes: &[u8]) -> Option<(DateTime<Utc>, Vec<u8>)> {
    let record: ErrorRecord = serde_json::from_slice(bytes).ok()?;
    let arrival = DateTime::from_timestamp_millis(record.arrival_timestamp)?;
    let raw = base64_simd::STANDARD.decode_to_vec(record.raw_data.as_bytes()).ok()?;
    Some((arrival, raw))
}
