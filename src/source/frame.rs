//! From plain bytes to records: lines and whole documents here, JSON values in [`super::values`].
//!
//! A framer sees one growing stretch of bytes and says how many of them it is done with; records lie in that stretch
//! and are never copied. What it finds does not depend on how the bytes are cut into blocks.

use super::config::{Framing, SourceConfig};
use super::emit::{Emitter, Stretch, too_long};
use super::mark::marks;
use super::reason;
use super::values::Values;
use crate::limits::LimitsConfig;
use etl_sdk::Result;

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

/// One record per line, without byte order marks before it; `\n` and `\r\n` end a line and the last one needs no end. Lines of blanks are no records.
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
        let marks = marks(line);
        let (line, offset) = (&line[marks..], offset + marks as u64);
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
        let trimmed = trimmed[marks(trimmed)..].trim_ascii_start();
        let offset = offset + (data.len() - trimmed.len()) as u64;
        match trimmed.trim_ascii_end() {
            [] => Ok(()),
            record => out.record(offset, None, record),
        }
    }
}
