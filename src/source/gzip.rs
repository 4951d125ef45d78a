//! The members of a gzip object one behind the other. What fills a tape's or a device's block behind the last one, zeros
//! and line ends, is no damage: `gzip` passes over it too.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// Decodes all members.
pub(super) struct Members<R> {
    /// The member under way; none once the last is read.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { member: Some(GzDecoder::new(inner)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(member) = self.member.take() else { break };
            let mut rest = member.into_inner();
            match pass_over_padding(&mut rest)? {
                None => break,
                Some(0x1f) => self.member = Some(GzDecoder::new(rest)),
                Some(_) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes behind the gzip data that are none"));
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
