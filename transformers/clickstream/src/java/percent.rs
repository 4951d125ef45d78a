//! Percent-decoding: of form data, where anything malformed leaves the whole text as it is, and of URI parts.

use std::borrow::Cow;

/// `URLDecoder.decode(text, UTF_8)`, and `text` itself when it throws: `+` becomes a space, `%XX` a byte, and bytes
/// that are not UTF-8 become U+FFFD. One malformed escape anywhere leaves the whole text unchanged.
pub fn url_decode(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let Some(first) = memchr::memchr2(b'%', b'+', bytes) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    let mut escaped = Vec::new();
    let mut from = 0;
    let mut next = Some(first);
    while let Some(at) = next {
        out.push_str(&text[from..at]);
        from = at;
        if bytes[at] == b'+' {
            out.push(' ');
            from += 1;
        } else {
            while bytes.get(from) == Some(&b'%') {
                let Some(byte) = form_escape(bytes, from) else { return Cow::Borrowed(text) };
                escaped.push(byte);
                from += 3;
            }
            push_utf8(&escaped, &mut out);
            escaped.clear();
        }
        next = memchr::memchr2(b'%', b'+', &bytes[from..]).map(|step| from + step);
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// The byte of the escape at `at`. Java reads the two characters as a signed number, so `%+A` is 10 and `%-0` is 0.
fn form_escape(bytes: &[u8], at: usize) -> Option<u8> {
    match (*bytes.get(at + 1)?, *bytes.get(at + 2)?) {
        (b'+', low) => hex(low),
        (b'-', b'0') => Some(0),
        (high, low) => Some(hex(high)? << 4 | hex(low)?),
    }
}

/// The accessors of `java.net.URI`: each run of `%XX` becomes the UTF-8 text of its bytes, U+FFFD where it is not
/// UTF-8. `+` stays. An escape that is not complete, which a parsed URI does not have, stays as it is.
pub fn decode_percent(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if memchr::memchr(b'%', bytes).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut escaped = Vec::new();
    let mut from = 0;
    while let Some(step) = memchr::memchr(b'%', &bytes[from..]) {
        out.push_str(&text[from..from + step]);
        from += step;
        while let Some(byte) = uri_escape(bytes, from) {
            escaped.push(byte);
            from += 3;
        }
        if escaped.is_empty() {
            out.push('%');
            from += 1;
        }
        push_utf8(&escaped, &mut out);
        escaped.clear();
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

fn uri_escape(bytes: &[u8], at: usize) -> Option<u8> {
    if bytes.get(at) != Some(&b'%') {
        return None;
    }
    Some(hex(*bytes.get(at + 1)?)? << 4 | hex(*bytes.get(at + 2)?)?)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Appends `bytes` as UTF-8, one U+FFFD for each malformed sequence. Sequences are counted as Java's decoder counts
/// them: an encoded surrogate is one malformed sequence of three bytes.
fn push_utf8(mut bytes: &[u8], out: &mut String) {
    loop {
        let error = match std::str::from_utf8(bytes) {
            Ok(text) => return out.push_str(text),
            Err(error) => error,
        };
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        out.push_str(&String::from_utf8_lossy(valid));
        out.push(char::REPLACEMENT_CHARACTER);
        let bad = match rest {
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..] => 3,
            [0xED, 0xA0..=0xBF, ..] => 2,
            _ => error.error_len().unwrap_or(rest.len()),
        };
        bytes = &rest[bad..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_data_is_decoded() {
        assert_eq!(url_decode("a+b%20c%2B"), "a b c+");
        assert_eq!(url_decode("%E4%B8%AD%e6%96%87 x"), "中文 x");
        assert_eq!(url_decode("C++"), "C  ", "titles lose their pluses");
        assert_eq!(url_decode(""), "");
        assert!(matches!(url_decode("plain 中文"), Cow::Borrowed("plain 中文")));
    }

    #[test]
    fn one_malformed_escape_leaves_everything() {
        for text in ["a+b%", "a+b%2", "%zz+", "100% sure+", "%E4%B8%A", "%2", "%%20+", "%-1+", "%é0+", "%--+"] {
            assert_eq!(url_decode(text), text);
        }
    }

    #[test]
    fn signs_are_read_as_part_of_the_number() {
        assert_eq!(url_decode("%+A%-0"), "\n\0");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(url_decode("%FFa%C3"), "\u{FFFD}a\u{FFFD}");
        assert_eq!(url_decode("%E4%B8x"), "\u{FFFD}x", "a sequence cut short is one");
        assert_eq!(url_decode("%ED%A0%80"), "\u{FFFD}", "a surrogate is one");
        assert_eq!(url_decode("%ED%A0x"), "\u{FFFD}x");
        assert_eq!(url_decode("%C0%80"), "\u{FFFD}\u{FFFD}");
        assert_eq!(url_decode("%F0%80%80%80"), "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}");
        assert_eq!(url_decode("%C3中%A9"), "\u{FFFD}中\u{FFFD}", "escapes are joined only when they touch");
    }

    #[test]
    fn uri_parts_keep_their_pluses() {
        assert_eq!(decode_percent("a+b%20%E4%B8%AD"), "a+b 中");
        assert_eq!(decode_percent("%"), "%");
        assert_eq!(decode_percent("x%4"), "x%4");
        assert_eq!(decode_percent("%25%zz"), "%%zz");
    }
}
