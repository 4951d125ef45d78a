//! From stored bytes to plain ones: compression is known by its first bytes, never by names or headers.

use super::base64::Base64;
use super::bounds::{Damage, Ended, Meter, Metered, Stored};
use super::reason;
use super::zip::{self, Entry};
use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use snap::read::FrameDecoder;
use std::cell::Cell;
use std::io::{self, BufReader, Read};

/// Compressed bytes handed to a decoder at a time.
const INPUT_BLOCK: usize = 128 << 10;

/// Compressions inside one another that are taken off.
const MAX_LAYERS: u8 = 3;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Where plain bytes go.
pub(super) trait Sink {
    /// Takes a stretch of plain bytes up to its end; a record does not reach from one stretch into the next.
    fn segment(&mut self, reader: &mut dyn Read, meter: &Meter) -> Result<(), Ended>;
    /// Passes over bytes that belong to no record.
    fn pass(&mut self, bytes: u64);
    /// Counts an entry of an archive that is left out.
    fn reject(&mut self, damage: Damage) -> Result<(), Ended>;
}

/// The kinds of compression, by their first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Gzip,
    Zstd,
    Bzip2,
    Zip,
    Snappy,
    Plain,
}

impl Format {
    fn of(head: &[u8]) -> Self {
        match head {
            // One byte alone is a gzip that was cut there: text has no use for it.
            [0x1f] | [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a skippable frame before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            // Followed by a block's magic number or, in an empty file, the end's.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, ..] => Self::Bzip2,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            [0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => Self::Snappy,
            _ => Self::Plain,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Zip => "zip",
            Self::Snappy => "snappy",
            Self::Plain => "plain",
        }
    }
}

/// A reader whose first bytes have been looked at.
struct Sniffed<'a> {
    head: [u8; 16],
    start: usize,
    end: usize,
    error: Option<io::Error>,
    rest: &'a mut dyn Read,
}

impl<'a> Sniffed<'a> {
    fn new(rest: &'a mut dyn Read) -> Self {
        let mut sniffed = Self { head: [0; 16], start: 0, end: 0, error: None, rest };
        while sniffed.end < sniffed.head.len() {
            match sniffed.rest.read(&mut sniffed.head[sniffed.end..]) {
                Ok(0) => break,
                Ok(count) => sniffed.end += count,
                Err(error) => {
                    // It comes after the bytes before it.
                    sniffed.error = Some(error);
                    break;
                }
            }
        }
        sniffed
    }

    fn seen(&self) -> &[u8] {
        &self.head[self.start..self.end]
    }
}

impl Read for Sniffed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start < self.end {
            let count = buffer.len().min(self.end - self.start);
            buffer[..count].copy_from_slice(&self.head[self.start..self.start + count]);
            self.start += count;
            return Ok(count);
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => self.rest.read(buffer),
        }
    }
}

/// Takes off all layers of an object and hands the plain bytes to `sink`. Returns the outermost layer's name: `gzip`,
/// `zstd`, `bzip2`, `zip`, `snappy`, `base64` or `plain`.
pub(super) fn decode(
    input: &mut dyn Read,
    base64: bool,
    meter: &Meter,
    sink: &mut dyn Sink,
) -> (&'static str, Result<(), Ended>) {
    let mut layers = Layers { meter, sink, encoding: None };
    let result = layers.take_off(&mut Stored::new(input, meter), MAX_LAYERS, base64);
    (layers.encoding.unwrap_or("plain"), result)
}

/// What the decoders of one object share.
struct Layers<'a> {
    meter: &'a Meter,
    sink: &'a mut dyn Sink,
    encoding: Option<&'static str>,
}

impl Layers<'_> {
    /// `left` is how many compressions may still follow; it bounds the recursion.
    fn take_off(&mut self, reader: &mut dyn Read, left: u8, base64: bool) -> Result<(), Ended> {
        let mut sniffed = Sniffed::new(reader);
        let format = Format::of(sniffed.seen());
        if format == Format::Plain && !base64 {
            return self.plain(sniffed);
        }
        self.encoding.get_or_insert(if format == Format::Plain { "base64" } else { format.name() });
        if format == Format::Zip && left > 0 {
            let (meter, archive) = (self.meter, BufReader::with_capacity(INPUT_BLOCK, sniffed));
            return zip::entries(meter, archive, &mut |entry| match entry {
                Entry::Content(content) => self.take_off(content, left - 1, base64),
                Entry::LeftOut(damage) => self.sink.reject(damage),
            });
        }
        if format != Format::Plain && left == 0 {
            let message = format!("{} inside {MAX_LAYERS} other compressions", format.name());
            return Err(Ended::Damage(Damage::new(reason::TOO_MANY_LAYERS, message)));
        }
        let meter = self.meter;
        let out = Cell::new(0);
        let mut under =
            |reader: &mut dyn Read, left, base64| self.take_off(&mut Metered::new(reader, &out, meter), left, base64);
        match format {
            // Text cannot begin like a compression, so Base64 is looked for once the compressions around it are off.
            Format::Plain => under(&mut Base64::new(&mut sniffed, meter), left, false),
            Format::Gzip => under(&mut MultiGzDecoder::new(buffered(sniffed)), left - 1, base64),
            Format::Bzip2 => under(&mut MultiBzDecoder::new(buffered(sniffed)), left - 1, base64),
            Format::Snappy => under(&mut FrameDecoder::new(buffered(sniffed)), left - 1, base64),
            Format::Zstd | Format::Zip => {
                let decoder = zstd::stream::read::Decoder::with_buffer(buffered(sniffed));
                let mut decoder = decoder.map_err(|error| meter.explain(&error))?;
                under(&mut decoder, left - 1, base64)
            }
        }
    }

    fn plain(&mut self, mut sniffed: Sniffed<'_>) -> Result<(), Ended> {
        if sniffed.seen().starts_with(BYTE_ORDER_MARK) {
            sniffed.start += BYTE_ORDER_MARK.len();
            self.sink.pass(BYTE_ORDER_MARK.len() as u64);
        }
        self.sink.segment(&mut sniffed, self.meter)
    }
}

fn buffered(sniffed: Sniffed<'_>) -> BufReader<Sniffed<'_>> {
    BufReader::with_capacity(INPUT_BLOCK, sniffed)
}
