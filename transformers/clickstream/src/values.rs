//! JSON values as the columns want them, with the coercions of the reference (Jackson and its "safe" number readers).

use crate::compat::Compat;
use crate::java;
use etl_sdk::json::{Kind, Token, unescape};
use std::borrow::Cow;

/// The text of a string, number or boolean; `None` for null, a missing value, an array or an object.
pub(crate) fn text(token: Token, source: &str) -> Option<Cow<'_, str>> {
    match token.kind {
        Kind::Text => Some(Cow::Borrowed(token.raw(source))),
        Kind::EscapedText => {
            let mut decoded = String::with_capacity(token.raw(source).len());
            unescape(token.raw(source), &mut decoded);
            Some(Cow::Owned(decoded))
        }
        Kind::Number => Some(number_text(token.raw(source))),
        Kind::True => Some(Cow::Borrowed("true")),
        Kind::False => Some(Cow::Borrowed("false")),
        Kind::Missing | Kind::Null | Kind::Array | Kind::Object => None,
    }
}

/// The value of a text column. A number there keeps the digits it was sent with: ids of which two print the same after a
/// way through a double would be one. In the reference it takes that way.
pub(crate) fn as_sent(mut token: Token, compat: Compat) -> Token {
    if token.kind == Kind::Number && !compat.is_reference() {
        token.kind = Kind::Text;
    }
    token
}

/// What stands in a URL for half a surrogate pair while the reference takes it apart: no text holds it, and it is legal
/// where letters are.
const HALF_PAIR: char = '\u{FFFE}';

/// As [`text`], of a URL. Half a surrogate pair, which becomes `?`, does not begin a query: browsers read it as U+FFFD, and
/// in the reference it is a letter until the parts are written ([`shown`]).
pub(crate) fn url(token: Token, source: &str, compat: Compat) -> Option<Cow<'_, str>> {
    if token.kind != Kind::EscapedText {
        return text(token, source);
    }
    let raw = token.raw(source);
    if !raw.contains("\\ud") && !raw.contains("\\uD") {
        return text(token, source);
    }
    let mut decoded = String::with_capacity(raw.len());
    let (mut from, mut at) = (0, 0);
    while let Some(step) = memchr::memchr(b'\\', &raw.as_bytes()[at..]) {
        at += step;
        match (code_unit(raw, at), code_unit(raw, at + 6)) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => at += 12,
            (Some(0xD800..0xE000), _) => {
                unescape(&raw[from..at], &mut decoded);
                decoded.push(if compat.is_reference() { HALF_PAIR } else { char::REPLACEMENT_CHARACTER });
                at += 6;
                from = at;
            }
            _ => at += 2,
        }
    }
    unescape(&raw[from..], &mut decoded);
    Some(Cow::Owned(decoded))
}

/// The code of the escape `\uXXXX` at a place.
fn code_unit(raw: &str, at: usize) -> Option<u32> {
    u32::from_str_radix(raw.get(at..at + 6)?.strip_prefix("\\u")?, 16).ok()
}

/// A part of a URL as it is written.
pub(crate) fn shown(part: String, compat: Compat) -> String {
    if compat.is_reference() && part.contains(HALF_PAIR) { part.replace(HALF_PAIR, "?") } else { part }
}

/// The name of an object's key. Only names with escapes allocate.
pub(crate) fn key_text(key: Token, source: &str) -> Cow<'_, str> {
    if key.kind == Kind::Text { Cow::Borrowed(key.raw(source)) } else { text(key, source).unwrap_or_default() }
}

/// A number as Java prints it: integers keep their digits, decimals go through a double (`1.10` is `1.1`).
pub(crate) fn number_text(digits: &str) -> Cow<'_, str> {
    if is_integer(digits) {
        return Cow::Borrowed(if digits == "-0" { "0" } else { digits });
    }
    let mut printed = String::with_capacity(24);
    java::double_to_string(digits.parse().unwrap_or(f64::NAN), &mut printed);
    Cow::Owned(printed)
}

pub(crate) fn is_integer(digits: &str) -> bool {
    !digits.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// Whether a number is one that a double cannot hold; upstream it is the text `Infinity`.
pub(crate) fn is_infinite(digits: &str) -> bool {
    !is_integer(digits) && digits.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// Why a value does not fit its field.
pub(crate) type Misfit = &'static str;

/// A whole number: decimals are cut toward zero, text of a number counts, empty text and the text `null` are null.
pub(crate) fn long(token: Token, source: &str) -> Result<Option<i64>, Misfit> {
    match token.kind {
        Kind::Missing | Kind::Null => Ok(None),
        Kind::Number => {
            let digits = token.raw(source);
            if is_integer(digits) {
                return digits.parse().map(Some).map_err(|_| "a number beyond 64 bits");
            }
            match digits.parse::<f64>() {
                Ok(value) if (-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(&value) => {
                    Ok(Some(value as i64))
                }
                _ => Err("a number beyond 64 bits"),
            }
        }
        Kind::Text | Kind::EscapedText => match text(token, source).as_deref().map(java::trim) {
            Some("" | "null") | None => Ok(None),
            Some(digits) => java::parse_long(digits).map(Some).ok_or("text that is no whole number"),
        },
        _ => Err("neither a number nor text"),
    }
}

/// A decimal number; text of a number counts, empty text and the text `null` are null.
pub(crate) fn double(token: Token, source: &str) -> Result<Option<f64>, Misfit> {
    match token.kind {
        Kind::Missing | Kind::Null => Ok(None),
        Kind::Number => Ok(token.raw(source).parse().ok()),
        Kind::Text | Kind::EscapedText => match text(token, source).as_deref().map(java::trim) {
            Some("" | "null") | None => Ok(None),
            Some("INF") => Ok(Some(f64::INFINITY)),
            Some("-INF") => Ok(Some(f64::NEG_INFINITY)),
            Some(digits) => java::parse_double(digits).map(Some).ok_or("text that is no number"),
        },
        _ => Err("neither a number nor text"),
    }
}

/// A whole number, or null for anything that is not written as one.
pub(crate) fn safe_long(token: Token, source: &str) -> Option<i64> {
    match token.kind {
        Kind::Number => token.raw(source).parse().ok(),
        Kind::Text | Kind::EscapedText => java::parse_long(&text(token, source)?),
        _ => None,
    }
}

/// A `set_timestamp` of a property without a name of its own: numbers only, decimals cut toward zero; text is null. One
/// beyond 64 bits is null too; the reference takes the lower 64 of a whole number, and the nearest of a decimal.
pub(crate) fn number_as_long(token: Token, source: &str, compat: Compat) -> Option<i64> {
    if token.kind != Kind::Number {
        return None;
    }
    let digits = token.raw(source);
    match long(token, source) {
        Err(_) if compat.is_reference() && is_integer(digits) => Some(java::low_bits(digits)),
        Err(_) if compat.is_reference() => digits.parse::<f64>().ok().map(|value| value as i64),
        found => found.ok().flatten(),
    }
}

/// A decimal number, or null for anything that is not one.
pub(crate) fn safe_double(token: Token, source: &str) -> Option<f64> {
    match token.kind {
        Kind::Number => token.raw(source).parse().ok(),
        Kind::Text | Kind::EscapedText => java::parse_double(java::trim(&text(token, source)?)),
        _ => None,
    }
}

/// `1`, `true` in any case: true; empty or `null`: null; everything else is false.
pub(crate) fn safe_boolean(token: Token, source: &str) -> Option<bool> {
    let text = text(token, source)?;
    match text.as_ref() {
        "" | "null" => None,
        "1" => Some(true),
        other => Some(other.eq_ignore_ascii_case("true")),
    }
}

/// The type name of a custom value. Arrays, objects and null are `object`.
pub(crate) fn type_name(token: Token, source: &str) -> &'static str {
    match token.kind {
        Kind::Text | Kind::EscapedText => "string",
        Kind::Number if is_infinite(token.raw(source)) => "string",
        Kind::Number => "number",
        Kind::True | Kind::False => "boolean",
        Kind::Missing | Kind::Null | Kind::Array | Kind::Object => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etl_sdk::json::Reader;

    fn token(source: &str) -> Token {
        Reader::new(source, 100).value().unwrap()
    }

    #[test]
    fn numbers_print_as_java_prints_them() {
        for (written, printed) in [
            ("1.10", "1.1"),
            ("1e10", "1.0E10"),
            ("0.00001", "1.0E-5"),
            ("12345678901234567890", "12345678901234567890"),
            ("-0", "0"),
            ("1e400", "Infinity"),
        ] {
            assert_eq!(text(token(written), written).as_deref(), Some(printed));
        }
        assert_eq!(type_name(token("1e400"), "1e400"), "string");
    }

    #[test]
    fn coercions_follow_the_reference() {
        assert_eq!(long(token("1.9"), "1.9"), Ok(Some(1)));
        assert_eq!(long(token("\"17\""), "\"17\""), Ok(Some(17)));
        assert_eq!(long(token("\"\""), "\"\""), Ok(None));
        assert!(long(token("\"x\""), "\"x\"").is_err());
        assert!(long(token("true"), "true").is_err());
        assert!(long(token("99999999999999999999"), "99999999999999999999").is_err());
        assert_eq!(double(token("\"2.5\""), "\"2.5\""), Ok(Some(2.5)));
        assert!(double(token("[]"), "[]").is_err());
        for (written, value) in [
            ("\"1.0\"", None),
            ("\" 1\"", None),
            ("\"\u{0661}\u{0662}\"", Some(12)),
            ("true", None),
            ("7", Some(7)),
            ("\"7\"", Some(7)),
            ("{}", None),
        ] {
            assert_eq!(safe_long(token(written), written), value, "{written}");
        }
        for (written, value) in [
            ("\"\"", None),
            ("\"null\"", None),
            ("1", Some(true)),
            ("0", Some(false)),
            ("\"TRUE\"", Some(true)),
            ("\"yes\"", Some(false)),
            ("{}", None),
        ] {
            assert_eq!(safe_boolean(token(written), written), value, "{written}");
        }
        assert_eq!(safe_double(token("\"inf\""), "\"inf\""), None);
        assert_eq!(long(token("\"null\""), "\"null\""), Ok(None));
        for (written, value) in [
            ("\"null\"", Ok(None)),
            ("\" 1.5d \"", Ok(Some(1.5))),
            ("\"2f\"", Ok(Some(2.0))),
            ("\"-INF\"", Ok(Some(f64::NEG_INFINITY))),
            ("\"0x1.8p1\"", Ok(Some(3.0))),
            ("\"\\u00011.5\"", Ok(Some(1.5))),
            ("\"\\u00a01.5\"", Err("text that is no number")),
            ("\"Infinity\"", Ok(Some(f64::INFINITY))),
            ("1e400", Ok(Some(f64::INFINITY))),
            ("\"d\"", Err("text that is no number")),
            ("\"1df\"", Err("text that is no number")),
            ("\"infinity\"", Err("text that is no number")),
        ] {
            assert_eq!(double(token(written), written), value, "{written}");
        }
    }

    #[test]
    fn a_set_timestamp_without_a_known_name_is_a_number_or_nothing() {
        for (written, value) in [("5", Some(5)), ("5.9", Some(5)), ("\"5\"", None), ("true", None), ("null", None)] {
            assert_eq!(number_as_long(token(written), written, Compat::Default), value, "{written}");
        }
        for (written, value) in [
            ("18446744073709551621", 5),
            ("-18446744073709551621", -5),
            ("9223372036854775808", i64::MIN),
            ("1e30", i64::MAX),
            ("-1e30", i64::MIN),
            ("5.9", 5),
        ] {
            assert_eq!(number_as_long(token(written), written, Compat::Reference), Some(value), "{written}");
            let by_default = if value == 5 && written.len() == 3 { Some(5) } else { None };
            assert_eq!(number_as_long(token(written), written, Compat::Default), by_default, "{written}");
        }
    }
}
