//! From plain bytes to records: lines and whole documents here, JSON values in [`super::values`].
//!
//! A framer sees one growing stretch of bytes and says how many of them it is done with; records lie in that stretch
//! and are never copied. What it finds does not depend on how the bytes are cut into blocks.

use super::reason;
use super::values::Values;
use super::{Framing, SourceConfig};
use crate::job::LimitsConfig;
use etl_sdk::{Address, ObjectRef, RawRecord, Reject, Result};
use std::sync::Arc;

/// Most bytes of a stretch that is no record, or too long for one, kept for its dead letter.
const RAW_BYTES: usize = 1 << 20;

/// What an object gives, in the order of its bytes.
#[derive(Debug)]
pub enum Frame<'a> {
    /// A record; its bytes are valid during the call.
    Record(RawRecord<'a>),
    /// A stretch of the object that is none, of step `source`.
    Rejected(Reject),
}

/// Where frames go, with the counts of them.
pub(super) struct Emitter<'a> {
    pub object: &'a Arc<ObjectRef>,
    pub visit: &'a mut dyn FnMut(Frame<'_>) -> Result<()>,
    pub records: u64,
    pub rejected: u64,
}

impl Emitter<'_> {
    pub(super) fn record(&mut self, offset: u64, index: Option<u32>, bytes: &[u8]) -> Result<()> {
        self.records += 1;
        (self.visit)(Frame::Record(RawRecord { object: self.object, offset, index, bytes, only: None }))
    }

    pub(super) fn reject(&mut self, stretch: Stretch, reason: &'static str, message: String) -> Result<()> {
        self.rejected += 1;
        let truncated = stretch.is_truncated();
        let Stretch { offset, length, index, raw } = stretch;
        let address = Address { object: Arc::clone(self.object), offset, length, index };
        let address = Some(address);
        (self.visit)(Frame::Rejected(Reject { address, step: "source", reason, message, raw, truncated }))
    }
}

/// Bytes that are not handed on as a record, of which the first [`RAW_BYTES`] are kept.
pub(super) struct Stretch {
    pub offset: u64,
    pub length: u64,
    pub index: Option<u32>,
    pub raw: Vec<u8>,
}

impl Stretch {
    pub(super) fn new(offset: u64, index: Option<u32>, bytes: &[u8]) -> Self {
        let mut stretch = Self { offset, length: 0, index, raw: Vec::new() };
        stretch.push(bytes);
        stretch
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = RAW_BYTES.saturating_sub(self.raw.len()).min(bytes.len());
        self.raw.extend_from_slice(&bytes[..room]);
        self.length += bytes.len() as u64;
    }

    fn is_truncated(&self) -> bool {
        self.length > self.raw.len() as u64
    }
}

/// The message for a record longer than `limits.record_bytes`.
pub(super) fn too_long(length: u64, most: usize) -> String {
    format!("{length} bytes and more, and limits.record_bytes is {most}")
}

/// One of the framings, with its state between two blocks.
pub(super) enum Framer {
    Lines(Lines),
    Document(Document),
    Values(Values),
}

impl Framer {
    pub(super) fn new(config: &SourceConfig, limits: &LimitsConfig) -> Self {
        let most = usize::try_from(limits.record_bytes.0).unwrap_or(usize::MAX / 4);
        match config.framing {
            Framing::Lines => Self::Lines(Lines { scanned: 0, long: None, most }),
            Framing::Document => Self::Document(Document { long: None, most }),
            Framing::Array => Self::Values(Values::new(true, most, limits.depth)),
            Framing::Concatenated => Self::Values(Values::new(false, most, limits.depth)),
        }
    }

    /// Looks at `data`, whose first byte is at `offset` of the object. Returns how many bytes at its front are done
    /// with; the next call begins behind them, with more behind the rest.
    pub(super) fn feed(&mut self, data: &[u8], offset: u64, out: &mut Emitter<'_>) -> Result<usize> {
        match self {
            Self::Lines(lines) => lines.feed(data, offset, out),
            Self::Document(document) => Ok(document.feed(data, offset)),
            Self::Values(values) => values.feed(data, offset, out),
        }
    }

    /// Ends a stretch of plain bytes: `data` is what no call of [`Framer::feed`] was done with.
    pub(super) fn finish(&mut self, data: &[u8], offset: u64, out: &mut Emitter<'_>) -> Result<()> {
        match self {
            Self::Lines(lines) => lines.finish(data, offset, out),
            Self::Document(document) => document.finish(data, offset, out),
            Self::Values(values) => values.finish(data, offset, out),
        }
    }

    /// Ends at a break of the object: what is not complete is no record, and is returned.
    pub(super) fn abandon(&mut self, data: &[u8], offset: u64) -> Stretch {
        let long = match self {
            Self::Lines(lines) => lines.long.take(),
            Self::Document(document) => document.long.take(),
            Self::Values(values) => values.abandon(),
        };
        long.unwrap_or_else(|| Stretch::new(offset, None, data))
    }
}

/// One record per line; `\n` and `\r\n` end a line and the last one needs no end. Lines of blanks are no records.
pub(super) struct Lines {
    /// Bytes at the front of the next `data` that hold no line end.
    scanned: usize,
    /// The line under way when it is longer than a record may be.
    long: Option<Stretch>,
    most: usize,
}

impl Lines {
    fn feed(&mut self, data: &[u8], offset: u64, out: &mut Emitter<'_>) -> Result<usize> {
        let mut start = 0;
        if let Some(mut long) = self.long.take() {
            let Some(end) = memchr::memchr(b'\n', data) else {
                long.push(data);
                self.long = Some(long);
                return Ok(data.len());
            };
            long.push(&data[..end]);
            self.reject_long(long, out)?;
            start = end + 1;
        }
        let from = start + self.scanned;
        self.scanned = 0;
        for end in memchr::memchr_iter(b'\n', &data[from..]) {
            let end = from + end;
            self.line(&data[start..end], offset + start as u64, out)?;
            start = end + 1;
        }
        let rest = &data[start..];
        // One byte more than allowed may be the `\r` of a line end whose `\n` is yet to come.
        if rest.len() > self.most + 1 {
            self.long = Some(Stretch::new(offset + start as u64, None, rest));
            return Ok(data.len());
        }
        self.scanned = rest.len();
        Ok(start)
    }

    fn finish(&mut self, data: &[u8], offset: u64, out: &mut Emitter<'_>) -> Result<()> {
        self.scanned = 0;
        match self.long.take() {
            Some(long) => self.reject_long(long, out),
            None => self.line(data, offset, out),
        }
    }

    fn line(&self, line: &[u8], offset: u64, out: &mut Emitter<'_>) -> Result<()> {
        if line.len() > self.most + 1 {
            return self.reject_long(Stretch::new(offset, None, line), out);
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.most {
            return self.reject_long(Stretch::new(offset, None, line), out);
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        out.record(offset, None, line)
    }

    fn reject_long(&self, long: Stretch, out: &mut Emitter<'_>) -> Result<()> {
        out.reject(long, reason::RECORD_TOO_LONG, too_long(self.most as u64 + 1, self.most))
    }
}

/// The whole stretch is one record, without the blanks around it; nothing but blanks is none.
pub(super) struct Document {
    long: Option<Stretch>,
    most: usize,
}

impl Document {
    fn feed(&mut self, data: &[u8], offset: u64) -> usize {
        match &mut self.long {
            Some(long) => long.push(data),
            None if data.len() > self.most => self.long = Some(Stretch::new(offset, None, data)),
            None => return 0,
        }
        data.len()
    }

    fn finish(&mut self, data: &[u8], offset: u64, out: &mut Emitter<'_>) -> Result<()> {
        if let Some(long) = self.long.take() {
            return out.reject(long, reason::RECORD_TOO_LONG, too_long(self.most as u64 + 1, self.most));
        }
        let trimmed = data.trim_ascii_start();
        let offset = offset + (data.len() - trimmed.len()) as u64;
        match trimmed.trim_ascii_end() {
            [] => Ok(()),
            record => out.record(offset, None, record),
        }
    }
}
