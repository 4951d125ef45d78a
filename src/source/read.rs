//! One object from its stored bytes to its records.

use super::bounds::{Damage, Ended, Meter};
use super::config::SourceConfig;
use super::decode::{Sink, decode};
use super::emit::{Emitter, Frame, Stretch};
use super::frame::Framer;
use super::reason;
use super::unread::{Missing, Unread};
use crate::limits::LimitsConfig;
use etl_sdk::{ObjectRef, Result};
use serde::Serialize;
use std::io::{self, Read};
use std::sync::Arc;

/// Plain bytes that are framed at a time: little enough to be still in the cache when they are parsed.
const BLOCK: usize = 256 << 10;

/// What one object held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ObjectStats {
    /// Stored bytes that were read.
    pub compressed_bytes: u64,
    /// Bytes after decompression.
    pub decompressed_bytes: u64,
    /// Records handed on.
    pub records: u64,
    /// Dead letters of the step `source`.
    pub rejected: u64,
    /// The outermost layer: `gzip`, `zstd`, `bzip2`, `zip`, `zlib`, `snappy`, `hadoop-snappy`, `xerial-snappy`, `utf-16`,
    /// `base64`, the name of a format that is not read, or `plain`.
    pub encoding: &'static str,
}

/// What came of reading an object.
#[derive(Clone, Debug)]
pub struct ObjectRead {
    /// What it held.
    pub stats: ObjectStats,
    /// What of it was not read; where exactly a decoder met damage may depend on the size of its buffers.
    pub(super) unread: Vec<Unread>,
}

/// Reads an object to its end and shows every record and every stretch that is none to `visit`, in the order of the
/// bytes. Memory stays below about `limits.record_bytes` and a few MiB, whatever the object holds.
///
/// Damage to the object is no error: what is complete before it is read, and the rest is one dead letter (see
/// [`super::reason`]) that begins where the last record ends and holds the incomplete one.
///
/// Fails with the visitor's error, at once, and with the reader's: an [`etl_sdk::Error`] it carries, else a new one of
/// kind `Unavailable`.
pub fn read_object(
    mut input: Box<dyn Read + Send>,
    object: &Arc<ObjectRef>,
    config: &SourceConfig,
    limits: &LimitsConfig,
    visit: &mut dyn FnMut(Frame<'_>) -> Result<()>,
) -> Result<ObjectRead> {
    read_in_blocks(&mut input, object, config, limits, visit, BLOCK)
}

/// As [`read_object`], with the most plain bytes that are framed at a time. What is found does not depend on it: tests
/// and the fuzz targets hold that.
pub fn read_in_blocks(
    input: &mut dyn Read,
    object: &Arc<ObjectRef>,
    config: &SourceConfig,
    limits: &LimitsConfig,
    visit: &mut dyn FnMut(Frame<'_>) -> Result<()>,
    block: usize,
) -> Result<ObjectRead> {
    let meter = Meter::new(limits);
    let mut pump = Pump {
        block,
        buffer: Vec::new(),
        start: 0,
        end: 0,
        offset: 0,
        most: usize::try_from(limits.record_bytes.0).unwrap_or(usize::MAX / 4),
        framer: Framer::new(config, limits),
        out: Emitter { object, visit, records: 0, rejected: 0, unread: Vec::new() },
    };
    let (encoding, result) = decode(input, config.base64, &meter, &mut pump);
    match result {
        Ok(()) => {}
        Err(Ended::Error(error)) => return Err(error),
        Err(Ended::Damage(damage)) => pump.abandon(damage, &meter)?,
    }
    let stats = ObjectStats {
        compressed_bytes: meter.compressed(),
        decompressed_bytes: pump.offset + (pump.end - pump.start) as u64,
        records: pump.out.records,
        rejected: pump.out.rejected,
        encoding,
    };
    Ok(ObjectRead { stats, unread: pump.out.unread })
}

/// Moves plain bytes through one buffer past the framer.
struct Pump<'a> {
    block: usize,
    buffer: Vec<u8>,
    /// What the framer is not done with is `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Place of `buffer[start]` in the decompressed object.
    offset: u64,
    most: usize,
    framer: Framer,
    out: Emitter<'a>,
}

impl Pump<'_> {
    /// Makes room for a block behind `end`. The front is moved at most once per block or record, and the buffer grows
    /// by doubling up to what the longest record takes, so that the cost per byte is constant.
    fn make_room(&mut self) {
        if self.buffer.len() - self.end >= self.block {
            return;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let needed = self.end + self.block;
        if self.buffer.len() < needed {
            let most = self.most.saturating_add(2 * self.block);
            let length = (self.buffer.len() * 2).min(most).max(needed);
            self.buffer.reserve_exact(length - self.buffer.len());
            self.buffer.resize(length, 0);
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    fn abandon(&mut self, damage: Damage, meter: &Meter) -> Result<()> {
        let stretch = self.framer.abandon(&self.buffer[self.start..self.end], self.offset);
        let missing = match damage.reason {
            reason::TRUNCATED_OBJECT => Missing::Unknown,
            _ => Missing::From(meter.taken()),
        };
        self.out.reject_damage(stretch, damage, missing)
    }
}

impl Sink for Pump<'_> {
    fn segment(&mut self, reader: &mut dyn Read, meter: &Meter) -> Result<(), Ended> {
        let mut reader = meter.plain(reader);
        loop {
            self.make_room();
            let room = &mut self.buffer[self.end..self.end + self.block];
            let count = match reader.read(room) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(meter.explain(&error)),
            };
            self.end += count;
            let data = &self.buffer[self.start..self.end];
            let done = self.framer.feed(data, self.offset, &mut self.out).map_err(Ended::Error)?;
            self.consume(done);
        }
        let data = &self.buffer[self.start..self.end];
        self.framer.finish(data, self.offset, &mut self.out).map_err(Ended::Error)?;
        self.consume(self.end - self.start);
        Ok(())
    }

    fn leave_out(&mut self, damage: Damage, stored: u64) -> Result<(), Ended> {
        let nothing = Stretch::new(self.offset, None, b"");
        self.out.reject_damage(nothing, damage, Missing::Stored(stored)).map_err(Ended::Error)
    }
}
