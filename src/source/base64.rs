//! The Base64 layer: standard alphabet, line breaks and blanks anywhere, padding optional at the end. Text after
//! padding starts afresh, so pieces that were encoded one by one can follow each other.

use super::bounds::{Damage, Ended, Meter};
use super::mark::marks;
use super::reason;
use base64_simd::STANDARD_NO_PAD;
use std::io::{self, Read};

const BLOCK: usize = 64 << 10;

pub(super) struct Base64<'a> {
    text: &'a mut dyn Read,
    meter: &'a Meter,
    /// Text without blanks and padding that is not decoded yet: fewer than four characters between calls.
    quads: Vec<u8>,
    plain: Vec<u8>,
    start: usize,
    block: Vec<u8>,
    at_end: bool,
    at_start: bool,
}

impl<'a> Base64<'a> {
    pub(super) fn new(text: &'a mut dyn Read, meter: &'a Meter) -> Self {
        let block = vec![0; BLOCK];
        let (quads, plain) = (Vec::with_capacity(BLOCK + 4), Vec::with_capacity(BLOCK));
        Self { text, meter, quads, plain, start: 0, block, at_end: false, at_start: true }
    }

    /// Decodes the next block; leaves nothing in `plain` at the end.
    fn advance(&mut self) -> io::Result<()> {
        self.plain.clear();
        self.start = 0;
        while self.plain.is_empty() && !self.at_end {
            let count = self.text.read(&mut self.block)?;
            self.at_end = count == 0;
            let from = if self.at_start { marks(&self.block[..count]) } else { 0 };
            self.at_start = false;
            for index in from..count {
                match self.block[index] {
                    b'\r' | b'\n' | b' ' | b'\t' => {}
                    b'=' => self.decode(true)?,
                    character => self.quads.push(character),
                }
            }
            self.decode(self.at_end)?;
        }
        Ok(())
    }

    /// Decodes whole groups of four, and with `last` the shorter one at the end too.
    fn decode(&mut self, last: bool) -> io::Result<()> {
        let whole = if last { self.quads.len() } else { self.quads.len() / 4 * 4 };
        if whole == 0 {
            return Ok(());
        }
        let decoded = STANDARD_NO_PAD.decode_append(&self.quads[..whole], &mut self.plain);
        self.quads.drain(..whole);
        decoded.map_err(|error| self.meter.fail(Ended::Damage(Damage::new(reason::BAD_BASE64, error.to_string()))))
    }
}

impl Read for Base64<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start == self.plain.len() {
            self.advance()?;
        }
        let count = buffer.len().min(self.plain.len() - self.start);
        buffer[..count].copy_from_slice(&self.plain[self.start..self.start + count]);
        self.start += count;
        Ok(count)
    }
}
