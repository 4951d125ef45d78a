//! From stored bytes to plain ones: compression is known by its first bytes, never by names or headers.

use super::base64::Base64;
use super::reason;
use super::zip;
use crate::job::LimitsConfig;
use bzip2::bufread::MultiBzDecoder;
use etl_sdk::{Error, ErrorKind};
use flate2::bufread::MultiGzDecoder;
use snap::read::FrameDecoder;
use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, Read};

/// Compressed bytes handed to a decoder at a time.
const INPUT_BLOCK: usize = 128 << 10;

/// Compressions inside one another that are taken off.
const MOST_LAYERS: u8 = 3;

/// Decompressed bytes from which on the expansion ratio counts: small objects may well be all zeros.
const RATIO_COUNTS_FROM: u64 = 64 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What is wrong with an object's bytes, as opposed to the store that holds them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// One of [`reason`].
    pub reason: &'static str,
    /// For a person.
    pub message: String,
}

impl Damage {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// Why an object is not read on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The store fails, or the visitor wants no more: a failure of the run.
    Error(Error),
    /// One dead letter.
    Damage(Damage),
}

/// Where plain bytes go.
pub(super) trait Sink {
    /// Takes a stretch of plain bytes up to its end; a record does not reach from one stretch into the next.
    fn segment(&mut self, reader: &mut dyn Read, meter: &Meter) -> Result<(), Stop>;
    /// Passes over bytes that belong to no record.
    fn pass(&mut self, bytes: u64);
    /// Counts an entry of an archive that is left out.
    fn reject(&mut self, damage: Damage) -> Result<(), Stop>;
}

/// Counts and caps the bytes of one object, and remembers why a reader of it failed: decoders turn every error into
/// one of their own, and an outage must not be taken for damage.
pub(super) struct Meter {
    object_bytes: u64,
    expansion_ratio: u64,
    compressed: Cell<u64>,
    /// Plain bytes of all segments.
    plain: Cell<u64>,
    cause: RefCell<Option<Stop>>,
}

impl Meter {
    pub(super) fn new(limits: &LimitsConfig) -> Self {
        Self {
            object_bytes: limits.object_bytes.0,
            expansion_ratio: u64::from(limits.expansion_ratio),
            compressed: Cell::new(0),
            plain: Cell::new(0),
            cause: RefCell::new(None),
        }
    }

    /// Stored bytes read so far.
    pub(super) fn compressed(&self) -> u64 {
        self.compressed.get()
    }

    /// Keeps the cause and makes an error that decoders pass on.
    pub(super) fn fail(&self, cause: Stop) -> io::Error {
        *self.cause.borrow_mut() = Some(cause);
        io::Error::other("see the cause")
    }

    /// What an error of a reader means: the kept cause, else damage.
    pub(super) fn explain(&self, error: &io::Error) -> Stop {
        if let Some(cause) = self.cause.borrow_mut().take() {
            return cause;
        }
        let reason = match error.kind() {
            io::ErrorKind::UnexpectedEof => reason::TRUNCATED_OBJECT,
            _ => reason::CORRUPT_OBJECT,
        };
        Stop::Damage(Damage::new(reason, error.to_string()))
    }

    /// Wraps what feeds the framer; counts over all segments of the object.
    pub(super) fn plain<R: Read>(&self, reader: R) -> Metered<'_, R> {
        Metered { inner: reader, out: &self.plain, meter: self }
    }

    fn check_ratio(&self, out: u64) -> io::Result<()> {
        if out <= RATIO_COUNTS_FROM || out / self.expansion_ratio.max(1) <= self.compressed.get() {
            return Ok(());
        }
        let message = format!("{} stored bytes hold {out} bytes and more", self.compressed.get());
        Err(self.fail(Stop::Damage(Damage::new(reason::EXPANSION_RATIO, message))))
    }
}

/// Caps what one decoder gives.
pub(super) struct Metered<'a, R> {
    inner: R,
    out: &'a Cell<u64>,
    meter: &'a Meter,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let out = self.out.get();
        self.meter.check_ratio(out)?;
        let room = self.meter.object_bytes.saturating_sub(out);
        if room == 0 {
            // The object may end exactly here.
            if self.inner.read(&mut [0])? == 0 {
                return Ok(0);
            }
            let message = format!("more than {} bytes after decompression", self.meter.object_bytes);
            return Err(self.meter.fail(Stop::Damage(Damage::new(reason::OBJECT_TOO_LARGE, message))));
        }
        let most = usize::try_from(room).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        self.out.set(out + count as u64);
        Ok(count)
    }
}

/// The store's end. Fills every buffer as far as the object goes, so that what decoders do does not depend on how the
/// network cuts the bytes.
struct Stored<'a> {
    input: &'a mut dyn Read,
    meter: &'a Meter,
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.meter.fail(Stop::Error(outage(error)))),
            }
        }
        self.meter.compressed.set(self.meter.compressed.get() + filled as u64);
        Ok(filled)
    }
}

/// The error of ours that a reader carries, else a new one.
fn outage(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(error) => Error::new(ErrorKind::Unavailable, "read an object").source(error),
    }
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
) -> (&'static str, Result<(), Stop>) {
    let mut layers = Layers { meter, sink, encoding: None };
    let result = layers.take_off(&mut Stored { input, meter }, MOST_LAYERS, base64);
    (layers.encoding.unwrap_or("plain"), result)
}

/// What the decoders of one object share.
pub(super) struct Layers<'a> {
    pub meter: &'a Meter,
    pub sink: &'a mut dyn Sink,
    encoding: Option<&'static str>,
}

impl Layers<'_> {
    /// `left` is how many compressions may still follow; it bounds the recursion.
    pub(super) fn take_off(&mut self, reader: &mut dyn Read, left: u8, base64: bool) -> Result<(), Stop> {
        let mut sniffed = Sniffed::new(reader);
        let format = Format::of(sniffed.seen());
        if format == Format::Plain && !base64 {
            return self.plain(sniffed);
        }
        self.encoding.get_or_insert(if format == Format::Plain { "base64" } else { format.name() });
        if format == Format::Zip && left > 0 {
            return zip::entries(self, BufReader::with_capacity(INPUT_BLOCK, sniffed), left - 1, base64);
        }
        if format != Format::Plain && left == 0 {
            let message = format!("{} inside {MOST_LAYERS} other compressions", format.name());
            return Err(Stop::Damage(Damage::new(reason::TOO_MANY_LAYERS, message)));
        }
        let meter = self.meter;
        let out = Cell::new(0);
        let mut under = |reader: &mut dyn Read, left, base64| {
            self.take_off(&mut Metered { inner: reader, out: &out, meter }, left, base64)
        };
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

    fn plain(&mut self, mut sniffed: Sniffed<'_>) -> Result<(), Stop> {
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
