//! From stored bytes to plain ones: compression is known by its first bytes, never by names or headers.

use super::base64::Base64;
use super::bounds::{Damage, Ended, Meter, Metered, Stored};
use super::members::Members;
use super::reason;
use super::snappy::{Blocks, XERIAL, is_hadoop};
use super::utf16::{Order, Utf16};
use super::zip::{self, Entry};
use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::{GzDecoder, ZlibDecoder};
use snap::read::FrameDecoder;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};

/// Compressed bytes handed to a decoder at a time.
const INPUT_BLOCK: usize = 128 << 10;

/// Compressions inside one another that are taken off.
const MAX_LAYERS: u8 = 3;

/// Formats that are named and not read, by their first bytes.
const NOT_READ: [(&[u8], &str); 11] = [
    (b"\xfd7zXZ\0", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"LZIP", "lzip"),
    (b"\x1f\x9d", "compress"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"PAR1", "Parquet"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
];

/// Where plain bytes go.
pub(super) trait Sink {
    /// Takes a stretch of plain bytes up to its end; a record does not reach from one stretch into the next.
    fn segment(&mut self, reader: &mut dyn Read, meter: &Meter) -> Result<(), Ended>;
    /// Counts an entry of an archive that is left out, with its stored bytes.
    fn leave_out(&mut self, damage: Damage, stored: u64) -> Result<(), Ended>;
}

/// The kinds of compression, by their first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Gzip,
    Zstd,
    Bzip2,
    Zip,
    Zlib,
    Snappy,
    HadoopSnappy,
    XerialSnappy,
    Utf16(Order),
    NotRead(&'static str),
    Plain,
}

impl Format {
    fn of(head: &[u8]) -> Self {
        if let Some((_, name)) = NOT_READ.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Self::NotRead(name);
        }
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
            head if head.starts_with(&XERIAL) => Self::XerialSnappy,
            head if is_hadoop(head) => Self::HadoopSnappy,
            head if is_zlib(head) => Self::Zlib,
            head => Order::of(head).map_or(Self::Plain, Self::Utf16),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Zip => "zip",
            Self::Zlib => "zlib",
            Self::Snappy => "snappy",
            Self::HadoopSnappy => "hadoop-snappy",
            Self::XerialSnappy => "xerial-snappy",
            Self::Utf16(_) => "utf-16",
            Self::NotRead(name) => name,
            Self::Plain => "plain",
        }
    }
}

/// Whether an object begins like zlib (RFC 1950): the method, a window of at most 32 KiB, and a check of both bytes. Text may
/// begin so too, such as `x^2`, but compressed bytes do not go on like text.
fn is_zlib(head: &[u8]) -> bool {
    let [first, second, ..] = *head else { return false };
    let is_header = first & 0xf == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, second]).is_multiple_of(31);
    is_header && !is_text(head)
}

/// Whether these may be the first bytes of a text: UTF-8, cut anywhere, without controls other than blanks and line ends.
fn is_text(head: &[u8]) -> bool {
    let is_utf8 = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && head.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..))
}

/// A reader whose first bytes have been looked at.
struct Sniffed<'a> {
    head: [u8; 32],
    start: usize,
    end: usize,
    error: Option<io::Error>,
    rest: &'a mut dyn Read,
}

impl<'a> Sniffed<'a> {
    fn new(rest: &'a mut dyn Read) -> Self {
        let mut sniffed = Self { head: [0; 32], start: 0, end: 0, error: None, rest };
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

/// Takes off all layers of an object and hands the plain bytes to `sink`. Returns the outermost layer's name; see
/// [`super::read::ObjectStats::encoding`].
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
            return self.sink.segment(&mut sniffed, self.meter);
        }
        // Only the outermost decoder takes stored bytes.
        let taken = self.encoding.is_none().then_some(self.meter);
        let buffered = |sniffed| Taken { inner: BufReader::with_capacity(INPUT_BLOCK, sniffed), meter: taken };
        self.encoding.get_or_insert(if format == Format::Plain { "base64" } else { format.name() });
        if let Format::NotRead(name) = format {
            let message =
                format!("the object is in the format {name}, which is not read; write gzip or zstd, or lines of JSON");
            return Err(Ended::Damage(Damage::new(reason::UNSUPPORTED_FORMAT, message)));
        }
        if format == Format::Zip && left > 0 {
            let (meter, archive) = (self.meter, buffered(sniffed));
            return zip::entries(meter, archive, &mut |entry| match entry {
                Entry::Content(content) => self.take_off(content, left - 1, base64),
                Entry::LeftOut(damage, stored) => self.sink.leave_out(damage, stored),
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
            Format::Gzip => under(&mut Members::<GzDecoder<_>>::new(buffered(sniffed)), left - 1, base64),
            Format::Zlib => under(&mut Members::<ZlibDecoder<_>>::new(buffered(sniffed)), left - 1, base64),
            Format::Bzip2 => under(&mut MultiBzDecoder::new(buffered(sniffed)), left - 1, base64),
            Format::Snappy => under(&mut FrameDecoder::new(buffered(sniffed)), left - 1, base64),
            Format::HadoopSnappy => under(&mut Blocks::hadoop(buffered(sniffed)), left - 1, base64),
            Format::XerialSnappy => under(&mut Blocks::xerial(buffered(sniffed)), left - 1, base64),
            Format::Utf16(order) => under(&mut Utf16::new(buffered(sniffed), order), left - 1, base64),
            Format::Zstd | Format::Zip | Format::NotRead(_) => {
                let decoder = zstd::stream::read::Decoder::with_buffer(buffered(sniffed));
                let mut decoder = decoder.map_err(|error| meter.explain(&error))?;
                decoder.window_log_max(meter.zstd_window_log()).map_err(|error| meter.explain(&error))?;
                under(&mut decoder, left - 1, base64)
            }
        }
    }
}

/// What a decoder reads from, and how far it came.
struct Taken<'a, R> {
    inner: BufReader<R>,
    meter: Option<&'a Meter>,
}

impl<R: Read> Read for Taken<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(meter) = self.meter {
            meter.take(count);
        }
        Ok(count)
    }
}

impl<R: Read> BufRead for Taken<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Some(meter) = self.meter {
            meter.take(count);
        }
        self.inner.consume(count);
    }
}
