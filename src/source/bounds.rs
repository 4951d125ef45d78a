//! The bounds of decompression: bytes of one object are counted as they come out of each decoder, and a bomb is stopped
//! here, before its bytes are anywhere in memory.

use super::reason;
use crate::limits::LimitsConfig;
use crate::text::ByteSize;
use etl_sdk::{Error, ErrorKind};
use std::cell::{Cell, RefCell};
use std::io::{self, Read};

/// Decompressed bytes from which on the expansion ratio counts: small objects may well be all zeros.
const RATIO_COUNTS_FROM: u64 = 64 << 20;

/// What zstd says of a frame with too large a window; the crate hands on its texts and no code.
const ZSTD_WINDOW: &str = "Frame requires too much memory for decoding";

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
pub(super) enum Ended {
    /// The store fails, or the visitor wants no more: a failure of the run.
    Error(Error),
    /// One dead letter.
    Damage(Damage),
}

/// Counts and caps the bytes of one object, and remembers why a reader of it failed: decoders turn every error into
/// one of their own, and an outage must not be taken for damage.
pub(super) struct Meter {
    object_bytes: u64,
    expansion_ratio: u64,
    zstd_window: u64,
    compressed: Cell<u64>,
    /// Stored bytes that the outermost decoder has taken: it reads ahead of itself.
    taken: Cell<u64>,
    /// Plain bytes of all segments.
    plain: Cell<u64>,
    cause: RefCell<Option<Ended>>,
}

impl Meter {
    pub(super) fn new(limits: &LimitsConfig) -> Self {
        Self {
            object_bytes: limits.object_bytes.0,
            expansion_ratio: u64::from(limits.expansion_ratio),
            zstd_window: limits.zstd_window.0,
            compressed: Cell::new(0),
            taken: Cell::new(0),
            plain: Cell::new(0),
            cause: RefCell::new(None),
        }
    }

    /// Stored bytes read so far.
    pub(super) fn compressed(&self) -> u64 {
        self.compressed.get()
    }

    /// Counts stored bytes that the outermost decoder takes.
    pub(super) fn take(&self, bytes: usize) {
        self.taken.set(self.taken.get() + bytes as u64);
    }

    /// The place among the stored bytes that decoding has reached.
    pub(super) fn taken(&self) -> u64 {
        match self.taken.get() {
            0 => self.compressed.get(),
            taken => taken.min(self.compressed.get()),
        }
    }

    /// Keeps the cause and makes an error that decoders pass on.
    pub(super) fn fail(&self, cause: Ended) -> io::Error {
        *self.cause.borrow_mut() = Some(cause);
        io::Error::other("see the cause")
    }

    /// What an error of a reader means: the kept cause, else damage.
    pub(super) fn explain(&self, error: &io::Error) -> Ended {
        if let Some(cause) = self.cause.borrow_mut().take() {
            return cause;
        }
        let message = error.to_string();
        if message == ZSTD_WINDOW {
            let message =
                format!("a zstd frame asks for a window beyond limits.zstd_window, {}", ByteSize(self.zstd_window));
            return Ended::Damage(Damage::new(reason::WINDOW_TOO_LARGE, message));
        }
        let reason = match error.kind() {
            io::ErrorKind::UnexpectedEof => reason::TRUNCATED_OBJECT,
            _ => reason::CORRUPT_OBJECT,
        };
        Ended::Damage(Damage::new(reason, message))
    }

    /// The largest window that a zstd frame may have, as the power of two that it is.
    pub(super) fn zstd_window_log(&self) -> u32 {
        self.zstd_window.max(1).ilog2()
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
        Err(self.fail(Ended::Damage(Damage::new(reason::EXPANSION_RATIO, message))))
    }
}

/// Caps what one decoder gives.
pub(super) struct Metered<'a, R> {
    inner: R,
    out: &'a Cell<u64>,
    meter: &'a Meter,
}

impl<'a, R> Metered<'a, R> {
    pub(super) fn new(inner: R, out: &'a Cell<u64>, meter: &'a Meter) -> Self {
        Self { inner, out, meter }
    }
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
            return Err(self.meter.fail(Ended::Damage(Damage::new(reason::OBJECT_TOO_LARGE, message))));
        }
        let most = usize::try_from(room).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        self.out.set(out + count as u64);
        Ok(count)
    }
}

/// The store's end. Fills every buffer as far as the object goes, so that what decoders do does not depend on how the
/// network cuts the bytes.
pub(super) struct Stored<'a> {
    input: &'a mut dyn Read,
    meter: &'a Meter,
}

impl<'a> Stored<'a> {
    pub(super) fn new(input: &'a mut dyn Read, meter: &'a Meter) -> Self {
        Self { input, meter }
    }
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.meter.fail(Ended::Error(outage(error)))),
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
