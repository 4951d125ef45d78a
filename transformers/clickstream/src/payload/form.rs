//! The payload of Sensors Analytics: JSON as it is, or a form with Base64 of JSON or of gzip of it.

use super::{BadPayload, PayloadDecoder, bad};
use crate::compat::Compat;
use crate::java::{self, url_decode};
use std::borrow::Cow;

impl PayloadDecoder {
    /// The JSON text of a payload, empty when there is none. Of a form (`crc=…&gzip=1&data_list=…`) the first field named
    /// `data_list` or `data` counts: url-encoded Base64. Bytes between brackets or braces are the text, others are gzip
    /// of it. The reference takes no blank or mark inside the form for nothing.
    pub fn decode_form<'a>(&'a mut self, data: &'a str, compat: Compat) -> Result<&'a str, BadPayload> {
        let around =
            |text: &'a str| if compat.is_reference() { java::trim(text) } else { text.trim_matches(is_around) };
        let trimmed = around(data);
        if trimmed.is_empty() || trimmed.starts_with(['[', '{']) {
            return Ok(trimmed);
        }
        let field = |piece: &'a str| piece.strip_prefix("data_list=").or_else(|| piece.strip_prefix("data="));
        let Some(encoded) = trimmed.split('&').find_map(field) else {
            let message = "the payload is neither JSON nor a form with `data` or `data_list`".to_owned();
            return Err(bad("payload_no_form", message));
        };
        let base64 = if compat.is_reference() { url_decode(encoded) } else { Cow::Owned(base64_of(encoded)) };
        self.decode_base64(&base64)
            .map_err(|_| bad("payload_not_base64", "the form's data is no Base64".to_owned()))?;
        if !compat.is_reference() {
            trim(&mut self.compressed);
        }
        let bytes = &self.compressed;
        if !matches!((bytes.first(), bytes.last()), (Some(b'['), Some(b']')) | (Some(b'{'), Some(b'}'))) {
            self.inflate()?;
            return Ok(around(self.inflated_text()));
        }
        if bytes.len() > self.max_bytes {
            let message = format!("the payload has more than {} bytes after decoding", self.max_bytes);
            return Err(bad("payload_too_large", message));
        }
        std::mem::swap(&mut self.compressed, &mut self.inflated);
        self.replace_bad_utf8();
        Ok(std::str::from_utf8(&self.inflated).unwrap_or_default())
    }
}

/// What stands around payloads and means nothing: blanks, line ends, controls and byte order marks.
fn is_around(character: char) -> bool {
    character <= ' ' || character == '\u{feff}'
}

/// The Base64 of a form's field. A plus that was not escaped is one, though forms write blanks so: inside Base64 a blank
/// can be nothing else. Line ends inside it are those of a mail.
fn base64_of(field: &str) -> String {
    let escaped = field.trim_matches(is_around).replace('+', "%2B");
    let text = url_decode(&escaped);
    let inside = text.trim_matches(is_around).chars().filter(|character| !matches!(character, '\r' | '\n' | '\t'));
    inside.map(|character| if character == ' ' { '+' } else { character }).collect()
}

/// Takes what means nothing from around JSON. Gzip begins with neither, and what is behind it is ignored anyway.
fn trim(bytes: &mut Vec<u8>) {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let mut text = bytes.as_slice();
    loop {
        let shorter = text.trim_ascii();
        let shorter = shorter.strip_prefix(MARK).unwrap_or(shorter);
        let shorter = shorter.strip_suffix(MARK).unwrap_or(shorter);
        if shorter.len() == text.len() {
            break;
        }
        text = shorter;
    }
    if text.len() < bytes.len() && matches!(text.first(), Some(b'[' | b'{')) {
        *bytes = text.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64_simd::STANDARD;
    use flate2::{Compression, GzBuilder};
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut writer = GzBuilder::new().write(Vec::new(), Compression::default());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn encoded(bytes: &[u8]) -> String {
        STANDARD.encode_to_string(bytes).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
    }

    fn decode(data: &str) -> Result<String, &'static str> {
        PayloadDecoder::new(1_000).decode_form(data, Compat::Default).map(str::to_owned).map_err(|bad| bad.reason)
    }

    #[test]
    fn json_and_both_kinds_of_form_are_read() {
        let zipped = encoded(&gzip(b"[{\"a\":\r\n1}]\n"));
        for (data, text) in [
            (" {\"a\":1}\n".to_owned(), "{\"a\":1}"),
            (" \n".to_owned(), ""),
            (format!("crc=1&gzip=1&data_list={zipped}"), "[{\"a\":1}]"),
            (format!("data={zipped}&data_list=x&ext=crc%3D-5"), "[{\"a\":1}]"),
            (format!("data={}", encoded("{\"ü\n\":1}".as_bytes())), "{\"ü\n\":1}"),
            (format!("data={}", encoded(b"[\"\xe9\"]")), "[\"\u{fffd}\"]"),
        ] {
            assert_eq!(decode(&data).as_deref(), Ok(text), "{data}");
        }
    }

    #[test]
    fn blanks_and_marks_around_a_payload_mean_nothing_and_a_blank_in_base64_is_a_plus() {
        let plain = "\u{feff} [{\"a\":\"~~~???\"}]\r\n";
        let text = "[{\"a\":\"~~~???\"}]";
        let bare = STANDARD.encode_to_string("[\"~~~>>>\u{3eff}\u{fbff}\"]");
        assert!(bare.contains('+'), "{bare}");
        let mail: String = bare.as_bytes().chunks(6).map(|line| String::from_utf8_lossy(line) + "\r\n").collect();
        for (data, text) in [
            (format!("\u{feff}{text}\n"), text),
            (format!("data={}", encoded(plain.as_bytes())), text),
            (format!("data={}\n", encoded(&gzip(plain.as_bytes()))), text),
            (format!("\u{feff}data=%20{}%0A&x=1", encoded(text.as_bytes())), text),
            (format!("data={bare}"), "[\"~~~>>>\u{3eff}\u{fbff}\"]"),
            (format!("data={}", bare.replace('+', " ")), "[\"~~~>>>\u{3eff}\u{fbff}\"]"),
            (format!("data={}", bare.replace('+', "%20")), "[\"~~~>>>\u{3eff}\u{fbff}\"]"),
            (format!("data={}", mail.replace('+', "%2B")), "[\"~~~>>>\u{3eff}\u{fbff}\"]"),
        ] {
            assert_eq!(decode(&data).as_deref(), Ok(text), "{data:?}");
            let reference = PayloadDecoder::new(1_000).decode_form(&data, Compat::Reference).map(str::to_owned);
            assert!(reference.is_err() || reference.is_ok_and(|text| text.starts_with('\u{feff}')), "{data:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_a_reason() {
        let zipped = encoded(&gzip(b"[]"));
        for (data, reason) in [
            ("nothing here".to_owned(), "payload_no_form"),
            ("xdata=W10=".to_owned(), "payload_no_form"),
            ("data=".to_owned(), "payload_not_gzip"),
            ("data=W10=!".to_owned(), "payload_not_base64"),
            (format!("data={}", encoded(b"[1}")), "payload_not_gzip"),
            (format!("data={}", &zipped[..20]), "payload_not_gzip"),
            (format!("data={}", encoded(format!("[{}]", " ".repeat(1_000)).as_bytes())), "payload_too_large"),
            (format!("data={}", encoded(&gzip(&[b'['; 2_000]))), "payload_too_large"),
        ] {
            assert_eq!(decode(&data), Err(reason), "{data}");
        }
    }

    #[test]
    fn the_decoder_is_used_again_for_either_kind() {
        let mut decoder = PayloadDecoder::new(1_000);
        let plain = format!("data={}", encoded(b"[1]"));
        let zipped = STANDARD.encode_to_string(gzip(b"[2]"));
        for _ in 0..2 {
            assert_eq!(decoder.decode_form(&plain, Compat::Default), Ok("[1]"));
            assert_eq!(decoder.decode(&zipped), Ok("[2]"));
        }
    }
}
