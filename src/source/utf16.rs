//! Text in UTF-16, as PowerShell and other Windows programs write it: known by its byte order mark, read as UTF-8.

use std::io::{self, Read};

const BLOCK: usize = 32 << 10;

/// Which of two bytes comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// Of text that begins with a byte order mark.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, ..] => Some(Self::Little),
            [0xfe, 0xff, ..] => Some(Self::Big),
            _ => None,
        }
    }
}

/// Gives UTF-8. Half a surrogate pair is the replacement character; half a unit at the end is a cut.
pub(super) struct Utf16<R> {
    inner: R,
    order: Order,
    block: Vec<u8>,
    /// Bytes of the block that are no whole unit or pair yet.
    held: usize,
    text: String,
    start: usize,
}

impl<R: Read> Utf16<R> {
    pub(super) fn new(inner: R, order: Order) -> Self {
        Self { inner, order, block: vec![0; BLOCK], held: 0, text: String::new(), start: 0 }
    }

    /// Decodes the next block; leaves nothing in `text` at the end.
    fn advance(&mut self) -> io::Result<()> {
        self.text.clear();
        self.start = 0;
        while self.text.is_empty() {
            let count = self.inner.read(&mut self.block[self.held..])?;
            let (end, at_end) = (self.held + count, count == 0);
            if at_end && end == 0 {
                return Ok(());
            }
            if at_end && end % 2 == 1 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let unit = |bytes: &[u8]| match self.order {
                Order::Little => u16::from_le_bytes([bytes[0], bytes[1]]),
                Order::Big => u16::from_be_bytes([bytes[0], bytes[1]]),
            };
            let mut whole = end / 2 * 2;
            // The second half of a pair may be in the next block.
            if !at_end && whole > 0 && (0xd800..0xdc00).contains(&unit(&self.block[whole - 2..])) {
                whole -= 2;
            }
            let units = self.block[..whole].chunks_exact(2).map(unit);
            self.text.extend(char::decode_utf16(units).map(|found| found.unwrap_or(char::REPLACEMENT_CHARACTER)));
            self.block.copy_within(whole..end, 0);
            self.held = end - whole;
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start == self.text.len() {
            self.advance()?;
        }
        let rest = &self.text.as_bytes()[self.start..];
        let count = buffer.len().min(rest.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.start += count;
        Ok(count)
    }
}
