//! Objects made on the fly, read whole.

mod decoders;
mod framers;
mod listing;

use super::config::{Framing, IfEmpty, Layout, Select, SourceConfig};
use super::emit::Frame;
use super::read::{ObjectStats, read_in_blocks};
use super::zone::PathZone;
use crate::limits::LimitsConfig;
use crate::storage::S3Config;
use crate::text::{ByteSize, Span};
use etl_sdk::{ObjectRef, Reject, Result};
use std::io::Read;
use std::sync::Arc;

/// A source by hours whose objects are lines.
pub(super) fn hourly() -> SourceConfig {
    SourceConfig { layout: Layout::HiveHourly, ..config(Framing::Lines) }
}

fn config(framing: Framing) -> SourceConfig {
    SourceConfig {
        url: String::new(),
        s3: S3Config::default(),
        layout: Layout::Flat,
        select: Select::Modified,
        look_back: Span { seconds: 7_200 },
        look_ahead: Span { seconds: 3_600 },
        path_time_zone: PathZone::Utc,
        if_empty: IfEmpty::Warn,
        suffixes: Vec::new(),
        framing,
        base64: false,
    }
}

fn limits(record_bytes: u64) -> LimitsConfig {
    LimitsConfig { record_bytes: ByteSize(record_bytes), ..LimitsConfig::default() }
}

/// What reading an object gave.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// Offset, index and bytes.
    records: Vec<(u64, Option<u32>, Vec<u8>)>,
    rejects: Vec<Reject>,
    stats: ObjectStats,
}

impl Seen {
    fn texts(&self) -> Vec<&str> {
        self.records.iter().map(|(_, _, bytes)| std::str::from_utf8(bytes).unwrap()).collect()
    }

    fn reasons(&self) -> Vec<&str> {
        self.rejects.iter().map(|reject| reject.reason.as_str()).collect()
    }
}

fn object() -> Arc<ObjectRef> {
    Arc::new(ObjectRef { uri: "/raw/a".into(), etag: None, ordinal: 0 })
}

fn try_read(input: &mut dyn Read, config: &SourceConfig, limits: &LimitsConfig, block: usize) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut visit = |frame: Frame<'_>| {
        match frame {
            Frame::Record(record) => seen.records.push((record.offset, record.index, record.bytes.to_vec())),
            Frame::Rejected(reject) => seen.rejects.push(reject),
        }
        Ok(())
    };
    let stats = read_in_blocks(input, &object(), config, limits, &mut visit, block)?.stats;
    assert_eq!(stats.records, seen.records.len() as u64);
    assert_eq!(stats.rejected, seen.rejects.len() as u64);
    seen.stats = stats;
    Ok(seen)
}

fn read_with(bytes: &[u8], config: &SourceConfig, limits: &LimitsConfig) -> Seen {
    try_read(&mut &*bytes, config, limits, 4096).unwrap()
}

fn read(bytes: &[u8], framing: Framing) -> Seen {
    read_with(bytes, &config(framing), &LimitsConfig::default())
}
