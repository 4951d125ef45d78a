//! What the fuzz targets share: an object read into memory, with every frame of it.

use etl_runner::limits::LimitsConfig;
use etl_runner::source::{Frame, Framing, Layout, ObjectStats, Select, SourceConfig, read_in_blocks};
use etl_runner::text::{ByteSize, Span};
use etl_sdk::{ObjectRef, Reject};
use std::io::{self, Read};
use std::sync::Arc;

/// The limits of a target: small, so that the fuzzer reaches them.
pub fn limits(record_bytes: u64, object_bytes: u64, depth: u32) -> LimitsConfig {
    LimitsConfig {
        record_bytes: ByteSize(record_bytes),
        object_bytes: ByteSize(object_bytes),
        depth,
        ..LimitsConfig::default()
    }
}

/// One of the framings.
pub fn framing(choice: u8) -> Framing {
    [Framing::Lines, Framing::Document, Framing::Array, Framing::Concatenated][usize::from(choice % 4)]
}

/// A source whose place is never looked at.
pub fn source(framing: Framing, base64: bool) -> SourceConfig {
    // From its text, so that settings to come have their defaults here too.
    let text = serde_json::json!({"url": "raw", "layout": Layout::Flat, "select": Select::Modified, "base64": base64});
    let mut config: SourceConfig = serde_json::from_value(text).expect("a source");
    config.framing = framing;
    config.look_back = Span { seconds: 0 };
    config
}

/// All that reading an object gave.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    /// Offset, index and bytes of each record.
    pub records: Vec<(u64, Option<u32>, Vec<u8>)>,
    /// The stretches that are none.
    pub rejects: Vec<Reject>,
    /// Records and rejects as `(offset, length)` in the order in which they came.
    pub places: Vec<(u64, u64)>,
    /// The counts that came back.
    pub stats: ObjectStats,
}

/// Reads an object. `step` is how many bytes its store gives at a time, `block` how many plain bytes are framed at a
/// time.
pub fn read(bytes: &[u8], config: &SourceConfig, limits: &LimitsConfig, step: usize, block: usize) -> Seen {
    let object = Arc::new(ObjectRef { uri: "/raw/a".to_owned(), etag: None, ordinal: 0 });
    let mut seen = Seen::default();
    let mut visit = |frame: Frame<'_>| {
        match frame {
            Frame::Record(record) => {
                seen.places.push((record.offset, record.bytes.len() as u64));
                seen.records.push((record.offset, record.index, record.bytes.to_vec()));
            }
            Frame::Rejected(reject) => {
                let address = reject.address.as_ref().expect("a stretch of an object has an address");
                seen.places.push((address.offset, address.length));
                seen.rejects.push(reject);
            }
        }
        Ok(())
    };
    let mut input = Steps { bytes, step: step.max(1) };
    let stats = read_in_blocks(&mut input, &object, config, limits, &mut visit, block.max(1));
    seen.stats = stats.expect("damage is no error").stats;
    assert_eq!(seen.stats.records, seen.records.len() as u64, "records are counted");
    assert_eq!(seen.stats.rejected, seen.rejects.len() as u64, "rejects are counted");
    seen
}

/// A store that gives a few bytes at a time.
struct Steps<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl Read for Steps<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.step);
        self.bytes.read(&mut buffer[..most])
    }
}
