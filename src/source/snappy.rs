//! Two ways in which programs frame blocks of raw snappy, beside snappy's own: Hadoop's (`BlockCompressorStream`, which
//! Firehose calls `HADOOP_SNAPPY`) and that of xerial's `snappy-java`, which Kafka's and Spark's Java programs write.

use snap::raw::{Decoder, decompress_len};
use std::fmt;
use std::io::{self, Read};

/// Largest chunk; writers make them of 32 KiB to some MiB.
const MAX_CHUNK: u32 = 64 << 20;

/// Largest block of Hadoop's, whose lengths have a sign: all that a program wrote at once, in chunks.
const MAX_BLOCK: u32 = i32::MAX as u32;

/// First bytes of a stream of xerial's. Two versions of four bytes follow.
pub(super) const XERIAL: [u8; 8] = *b"\x82SNAPPY\0";

/// Whether an object begins like Hadoop's blocks: they have no magic number, but lengths that fit each other, and the
/// fifth byte of text, the first of a chunk's length, is not one of the first five controls. Blocks of nothing may come
/// first; one alone is an empty file.
pub(super) fn is_hadoop(head: &[u8]) -> bool {
    let number = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    if head == [0; 4] {
        return true;
    }
    let mut at = 0;
    while number(at) == Some(0) {
        at += 4;
    }
    let Some(block) = number(at) else { return false };
    at += 4;
    while number(at) == Some(0) {
        at += 4;
    }
    let Some(chunk) = number(at) else { return false };
    let plain = decompress_len(&head[at + 4..]).ok().and_then(|length| u32::try_from(length).ok());
    block <= MAX_BLOCK
        && (2..=MAX_CHUNK).contains(&chunk)
        && plain.is_some_and(|plain| (1..=block.min(MAX_CHUNK)).contains(&plain) && chunk <= 32 + plain + plain / 6)
}

/// Decodes either.
pub(super) struct Blocks<R> {
    inner: R,
    kind: Kind,
    stored: Vec<u8>,
    plain: Vec<u8>,
    start: usize,
}

enum Kind {
    /// Plain bytes of the current block that are still to come.
    Hadoop {
        left: u32,
    },
    Xerial,
}

impl<R: Read> Blocks<R> {
    pub(super) fn hadoop(inner: R) -> Self {
        Self::new(inner, Kind::Hadoop { left: 0 })
    }

    pub(super) fn xerial(inner: R) -> Self {
        Self::new(inner, Kind::Xerial)
    }

    fn new(inner: R, kind: Kind) -> Self {
        Self { inner, kind, stored: Vec::new(), plain: Vec::new(), start: 0 }
    }

    /// Decodes the next chunk; leaves nothing in `plain` at the end.
    fn advance(&mut self) -> io::Result<()> {
        self.plain.clear();
        self.start = 0;
        let Some(length) = self.chunk_length()? else { return Ok(()) };
        self.stored.resize(length as usize, 0);
        self.inner.read_exact(&mut self.stored)?;
        let plain = decompress_len(&self.stored).map_err(|error| broken(&error))?;
        if plain > MAX_CHUNK as usize {
            return Err(broken(&format!("a chunk of {plain} bytes")));
        }
        self.plain.resize(plain, 0);
        Decoder::new().decompress(&self.stored, &mut self.plain).map_err(|error| broken(&error))?;
        if let Kind::Hadoop { left } = &mut self.kind {
            *left = (*left as usize)
                .checked_sub(plain)
                .and_then(|left| u32::try_from(left).ok())
                .ok_or_else(|| broken(&"a chunk is longer than its block"))?;
        }
        Ok(())
    }

    /// Stored bytes of the next chunk; `None` at the end.
    fn chunk_length(&mut self) -> io::Result<Option<u32>> {
        loop {
            let number = match &self.kind {
                Kind::Hadoop { left: 1.. } => Some(self.number()?),
                _ => self.number_or_end()?,
            };
            let Some(number) = number else { return Ok(None) };
            match &mut self.kind {
                Kind::Hadoop { left: left @ 0 } if number <= MAX_BLOCK => *left = number,
                // Streams may follow each other, each with its header.
                Kind::Xerial if number.to_be_bytes() == XERIAL[..4] => self.inner.read_exact(&mut [0; 12])?,
                // Hadoop passes over chunks of nothing.
                Kind::Hadoop { .. } if number == 0 => {}
                _ if number == 0 || number > MAX_CHUNK => return Err(broken(&format!("a chunk of {number} bytes"))),
                _ => return Ok(Some(number)),
            }
        }
    }

    fn number(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.inner.read_exact(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// A number, or the end where it would begin.
    fn number_or_end(&mut self) -> io::Result<Option<u32>> {
        let mut bytes = [0; 4];
        loop {
            match self.inner.read(&mut bytes[..1]) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.inner.read_exact(&mut bytes[1..])?;
        Ok(Some(u32::from_be_bytes(bytes)))
    }
}

fn broken(why: &dyn fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("snappy blocks: {why}"))
}

impl<R: Read> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A chunk may be empty.
        while self.start == self.plain.len() {
            self.advance()?;
            if self.plain.is_empty() && self.stored.is_empty() {
                return Ok(0);
            }
            self.stored.clear();
        }
        let count = buffer.len().min(self.plain.len() - self.start);
        buffer[..count].copy_from_slice(&self.plain[self.start..self.start + count]);
        self.start += count;
        Ok(count)
    }
}
