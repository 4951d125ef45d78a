//! The payload of a request: a JSON array as text, or Base64 of gzip of one.

mod form;

use base64_simd::{STANDARD, STANDARD_NO_PAD};
use flate2::{Decompress, FlushDecompress, Status};

/// Why a payload cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadPayload {
    /// Reason code of the dead letter.
    pub reason: &'static str,
    pub message: String,
}

/// Decodes payloads with buffers and an inflater that are used again and again.
pub(crate) struct PayloadDecoder {
    compressed: Vec<u8>,
    inflated: Vec<u8>,
    inflater: Decompress,
    max_bytes: usize,
}

impl PayloadDecoder {
    pub fn new(max_bytes: usize) -> Self {
        Self { compressed: Vec::new(), inflated: Vec::new(), inflater: Decompress::new(false), max_bytes }
    }

    /// The array's text. Text that begins with `[` and ends with `]` is taken as it is.
    pub fn decode<'a>(&'a mut self, data: &'a str) -> Result<&'a str, BadPayload> {
        let trimmed = data.trim_matches(|character: char| character <= ' ');
        if trimmed.starts_with('[') && trimmed.ends_with(']') {
            return Ok(trimmed);
        }
        self.decode_base64(data)?;
        self.inflate()?;
        let text = self.inflated_text();
        if text.starts_with('[') {
            return Ok(text);
        }
        Err(bad("payload_not_an_array", "the decompressed payload is no JSON array".to_owned()))
    }

    /// What was inflated, as trimmed text.
    fn inflated_text(&mut self) -> &str {
        // Line breaks are removed, as a reader that goes line by line does upstream.
        if memchr::memchr2(b'\n', b'\r', &self.inflated).is_some() {
            self.inflated.retain(|byte| !matches!(byte, b'\n' | b'\r'));
        }
        self.replace_bad_utf8();
        std::str::from_utf8(&self.inflated).unwrap_or_default().trim_matches(|c: char| c <= ' ')
    }

    fn replace_bad_utf8(&mut self) {
        if let Err(error) = std::str::from_utf8(&self.inflated) {
            debug_assert!(error.valid_up_to() < self.inflated.len());
            self.inflated = String::from_utf8_lossy(&self.inflated).into_owned().into_bytes();
        }
    }

    /// Padding may be left out; white space may not be there.
    fn decode_base64(&mut self, data: &str) -> Result<(), BadPayload> {
        let padded = data.len().is_multiple_of(4);
        let codec = if padded { STANDARD } else { STANDARD_NO_PAD };
        self.compressed.clear();
        codec
            .decode_append(data.as_bytes(), &mut self.compressed)
            .map_err(|_| bad("payload_not_base64", "the payload is neither a JSON array nor Base64".to_owned()))
    }

    /// All gzip members in a row; what follows the last one is ignored, as Java's stream does.
    fn inflate(&mut self) -> Result<(), BadPayload> {
        self.inflated.clear();
        let mut from = 0;
        while from == 0 || is_gzip(&self.compressed[from..]) {
            from += self.inflate_member(from)?;
        }
        Ok(())
    }

    fn inflate_member(&mut self, from: usize) -> Result<usize, BadPayload> {
        let broken = |what: &str| bad("payload_not_gzip", format!("the payload's gzip data {what}"));
        let member = &self.compressed[from..];
        let body = header_length(member).ok_or_else(|| broken("has no gzip header"))?;
        let start = self.inflated.len();
        self.inflater.reset(false);
        loop {
            let consumed = self.inflater.total_in() as usize;
            if self.inflated.len() == self.inflated.capacity() {
                let room = self.inflated.capacity().max(member.len() * 4).max(4096);
                self.inflated.reserve_exact(room.min(self.max_bytes + 1 - self.inflated.len().min(self.max_bytes)));
            }
            let status = self
                .inflater
                .decompress_vec(&member[body + consumed..], &mut self.inflated, FlushDecompress::None)
                // What exactly the inflater says depends on how much room its buffer has left from earlier payloads.
                .map_err(|_| broken("is damaged"))?;
            if self.inflated.len() > self.max_bytes {
                return Err(bad(
                    "payload_too_large",
                    format!("the payload has more than {} bytes after decompression", self.max_bytes),
                ));
            }
            let stuck = self.inflater.total_in() as usize == consumed && self.inflated.len() < self.inflated.capacity();
            match status {
                Status::StreamEnd => break,
                _ if stuck => return Err(broken("is cut off")),
                _ => {}
            }
        }
        let end = body + self.inflater.total_in() as usize;
        let Some(trailer) = member.get(end..).and_then(|rest| rest.first_chunk::<8>()) else {
            return Err(broken("is cut off"));
        };
        let body = &self.inflated[start..];
        if trailer[..4] != crc32fast::hash(body).to_le_bytes() || trailer[4..] != (body.len() as u32).to_le_bytes() {
            return Err(broken("has a wrong checksum"));
        }
        Ok(end + 8)
    }
}

fn bad(reason: &'static str, message: String) -> BadPayload {
    BadPayload { reason, message }
}

fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b, 8])
}

/// Length of a gzip member's header (RFC 1952, section 2.3), if it is one.
fn header_length(member: &[u8]) -> Option<usize> {
    if !is_gzip(member) {
        return None;
    }
    let flags = *member.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + usize::from(u16::from_le_bytes([*member.get(at)?, *member.get(at + 1)?]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += member.get(at..)?.iter().position(|&byte| byte == 0)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    (at <= member.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, GzBuilder};
    use std::io::Write;

    fn gzip(text: &[u8], name: bool) -> Vec<u8> {
        let builder =
            if name { GzBuilder::new().filename("a").comment("b").extra(vec![1, 2, 3]) } else { GzBuilder::new() };
        let mut writer = builder.write(Vec::new(), Compression::default());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn decode(data: &str, max: usize) -> Result<String, &'static str> {
        PayloadDecoder::new(max).decode(data).map(str::to_owned).map_err(|bad| bad.reason)
    }

    #[test]
    fn plain_arrays_are_trimmed_and_taken() {
        assert_eq!(decode(" [1] \n", 10), Ok("[1]".to_owned()));
        assert_eq!(decode("{\"a\":1}", 10), Err("payload_not_base64"));
        assert_eq!(decode("", 10), Err("payload_not_gzip"));
    }

    #[test]
    fn base64_of_gzip_is_inflated() {
        let text = format!("[{}]", "1,".repeat(5_000));
        for name in [false, true] {
            let mut bytes = gzip(text.as_bytes(), name);
            assert_eq!(decode(&STANDARD.encode_to_string(&bytes), 1 << 20), Ok(text.clone()));
            assert_eq!(decode(STANDARD.encode_to_string(&bytes).trim_end_matches('='), 1 << 20), Ok(text.clone()));
            bytes.extend_from_slice(b"trailing");
            assert_eq!(decode(&STANDARD.encode_to_string(&bytes), 1 << 20), Ok(text.clone()));
        }
        let mut members = gzip(b"[1,\r\n", false);
        members.extend(gzip(b"2]", false));
        assert_eq!(decode(&STANDARD.encode_to_string(&members), 100), Ok("[1,2]".to_owned()));
        assert_eq!(decode(&STANDARD.encode_to_string(gzip(b"{}", false)), 100), Err("payload_not_an_array"));
    }

    #[test]
    fn damage_and_bombs_are_told_apart() {
        let whole = gzip(format!("[{}]", "7,".repeat(2_000)).as_bytes(), false);
        for cut in 0..whole.len() {
            assert_eq!(decode(&STANDARD.encode_to_string(&whole[..cut]), 1 << 20), Err("payload_not_gzip"), "{cut}");
        }
        let mut flipped = whole.clone();
        let last = flipped.len() - 6;
        flipped[last] ^= 1;
        assert_eq!(decode(&STANDARD.encode_to_string(&flipped), 1 << 20), Err("payload_not_gzip"));
        let bomb = gzip(&vec![b'['; 10 << 20], false);
        assert_eq!(decode(&STANDARD.encode_to_string(&bomb), 1 << 20), Err("payload_too_large"));
        assert_eq!(decode("not base64!!", 100), Err("payload_not_base64"));
    }

    #[test]
    fn what_is_said_of_damage_does_not_depend_on_earlier_payloads() {
        // Found by the fuzz target: in the room that some payloads leave behind, the inflater finds something else wrong.
        let data = include_str!("payload_damaged.txt").trim_end();
        let fresh = PayloadDecoder::new(1 << 20).decode(data).map(str::to_owned);
        for room in 1..16_000 {
            let mut used = PayloadDecoder::new(1 << 20);
            used.inflated.reserve_exact(room);
            assert_eq!(used.decode(data).map(str::to_owned), fresh, "{room}");
        }
    }

    #[test]
    fn the_decoder_is_used_again_after_a_failure() {
        let mut decoder = PayloadDecoder::new(1_000);
        let good = STANDARD.encode_to_string(gzip(b"[1]", false));
        assert!(decoder.decode(&good[..good.len() - 8]).is_err());
        assert_eq!(decoder.decode(&good).ok(), Some("[1]"));
        let latin = STANDARD.encode_to_string(gzip(b"[\"\xe9\"]", false));
        assert_eq!(decoder.decode(&latin).ok(), Some("[\"\u{fffd}\"]"));
    }
}
