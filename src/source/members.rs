//! The members of a gzip object, or the streams of a zlib one, one behind the other. What fills a tape's or a device's block
//! behind the last one, zeros and line ends, is no damage: `gzip` passes over it too.

use flate2::bufread::{GzDecoder, ZlibDecoder};
use std::io::{self, BufRead, Read};

/// Decodes one member.
pub(super) trait Member: Read + Sized {
    /// What it reads from.
    type Inner: BufRead;
    /// Name of the format.
    const FORMAT: &str;

    /// Whether a member may begin with a byte.
    fn may_begin(first: u8) -> bool;

    /// Begins with the next member.
    fn begin(inner: Self::Inner) -> Self;

    /// What is behind the member.
    fn behind(self) -> Self::Inner;
}

impl<R: BufRead> Member for GzDecoder<R> {
    type Inner = R;
    const FORMAT: &str = "gzip";

    fn may_begin(first: u8) -> bool {
        first == 0x1f
    }

    fn begin(inner: R) -> Self {
        Self::new(inner)
    }

    fn behind(self) -> R {
        self.into_inner()
    }
}

impl<R: BufRead> Member for ZlibDecoder<R> {
    type Inner = R;
    const FORMAT: &str = "zlib";

    fn may_begin(first: u8) -> bool {
        first & 0xf == 8
    }

    fn begin(inner: R) -> Self {
        Self::new(inner)
    }

    fn behind(self) -> R {
        self.into_inner()
    }
}

/// Decodes all members.
pub(super) struct Members<M> {
    /// The member under way; none once the last is read.
    member: Option<M>,
}

impl<M: Member> Members<M> {
    pub(super) fn new(inner: M::Inner) -> Self {
        Self { member: Some(M::begin(inner)) }
    }
}

impl<M: Member> Read for Members<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(member) = self.member.take() else { break };
            let mut rest = member.behind();
            match pass_over_padding(&mut rest)? {
                None => break,
                Some(first) if M::may_begin(first) => self.member = Some(M::begin(rest)),
                Some(_) => {
                    let message = format!("bytes behind the {} data that are none", M::FORMAT);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
        }
        Ok(0)
    }
}

/// The first byte that is no padding; `None` at the end.
fn pass_over_padding(rest: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let waiting = match rest.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            waiting => waiting?,
        };
        if waiting.is_empty() {
            return Ok(None);
        }
        let padding = waiting.iter().position(|byte| !matches!(byte, 0 | b'\r' | b'\n'));
        let found = padding.map(|at| waiting[at]);
        let count = padding.unwrap_or(waiting.len());
        rest.consume(count);
        if found.is_some() {
            return Ok(found);
        }
    }
}
