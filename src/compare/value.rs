//! One text per value: numbers, instants and dates as they are compared when the two sides do not have one type.

use arrow::compute::kernels::cast_utils::string_to_datetime;
use chrono::{DateTime, Duration, Utc};
use std::cmp::Ordering;

/// Numbers from this power of ten on are written with an exponent.
const MAX_PLAIN_POWER: i64 = 21;

/// Numbers below this power of ten are written with an exponent.
const MIN_PLAIN_POWER: i64 = -7;

/// A decimal number in its one form: `1.0`, `01` and `1e0` become `1`. `None` for what is not a number, or has an exponent
/// beyond 64 bits. Exact: no digit is rounded.
pub(super) fn number(text: &str) -> Option<String> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let digits = [whole, fraction].concat();
    let leading = digits.trim_start_matches('0');
    let digits = leading.trim_end_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    // The power of ten of the last digit that is left.
    let power = exponent.checked_add((leading.len() - digits.len()) as i64)?.checked_sub(fraction.len() as i64)?;
    // The power of ten of the first.
    let first = power.checked_add(digits.len() as i64 - 1)?;
    let sign = if negative { "-" } else { "" };
    Some(format!("{sign}{}", written(digits, power, first)))
}

/// Digits without zeros at their ends, with the powers of ten of the last and of the first.
fn written(digits: &str, power: i64, first: i64) -> String {
    if !(MIN_PLAIN_POWER..MAX_PLAIN_POWER).contains(&first) {
        let (head, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{head}{point}{rest}e{first}");
    }
    if power >= 0 {
        return format!("{digits}{}", "0".repeat(power as usize));
    }
    if first >= 0 {
        let (whole, fraction) = digits.split_at((first + 1) as usize);
        return format!("{whole}.{fraction}");
    }
    format!("0.{}{digits}", "0".repeat((-first - 1) as usize))
}

/// A double in the form of [`number`]; `NaN`, `Infinity` and `-Infinity` beside them.
pub(super) fn double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let text = format!("{value:?}");
    number(&text).unwrap_or(text)
}

/// A double as it is sorted and paired: there is one zero and one not-a-number.
pub(super) fn normal(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

/// Nanoseconds since 1970 of a text that is an instant or a date; without a zone it is UTC.
pub(super) fn instant(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    if !(10..=40).contains(&bytes.len()) || bytes[4] != b'-' || bytes[7] != b'-' || !bytes[0].is_ascii_digit() {
        return None;
    }
    let instant = string_to_datetime(&Utc, text).ok()?;
    Some(i128::from(instant.timestamp()) * 1_000_000_000 + i128::from(instant.timestamp_subsec_nanos()))
}

/// An instant as ISO 8601 in UTC with six digits behind the second, nine when there are more. Texts sort as instants do
/// in the years 0000 to 9999. Beyond what a calendar can say it is the number of nanoseconds.
pub(super) fn instant_text(nanos: i128) -> String {
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok();
    let fraction = nanos.rem_euclid(1_000_000_000) as u32;
    let Some(instant) = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, fraction)) else {
        return nanos.to_string();
    };
    let form = if fraction.is_multiple_of(1_000) { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%dT%H:%M:%S%.9fZ" };
    instant.format(form).to_string()
}

/// An instant for a person: without zeros at the end of the fraction.
pub(super) fn short_instant(text: &str) -> String {
    match text.strip_suffix('Z').and_then(|rest| rest.split_once('.')) {
        Some((seconds, fraction)) => match fraction.trim_end_matches('0') {
            "" => format!("{seconds}Z"),
            fraction => format!("{seconds}.{fraction}Z"),
        },
        None => text.to_owned(),
    }
}

/// A day since 1970 as `2026-11-20`; its number beyond what a calendar can say.
pub(super) fn date_text(days: i64) -> String {
    let date = Duration::try_days(days).and_then(|days| DateTime::UNIX_EPOCH.checked_add_signed(days));
    date.map_or_else(|| days.to_string(), |date| date.format("%Y-%m-%d").to_string())
}

/// A text as the date it says, also as an instant at midnight in UTC.
pub(super) fn date(text: &str) -> Option<String> {
    const DAY: i128 = 86_400_000_000_000;
    let nanos = instant(text)?;
    (nanos.rem_euclid(DAY) == 0).then(|| date_text((nanos / DAY) as i64))
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.map(char::from).collect()
}

/// Whether two numbers are the same up to a relative difference.
pub(super) fn is_near(left: f64, right: f64, tolerance: f64) -> bool {
    match left.partial_cmp(&right) {
        Some(Ordering::Equal) => true,
        Some(_) => (left - right).abs() <= tolerance * left.abs().max(right.abs()),
        None => left.is_nan() && right.is_nan(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form() {
        for (form, texts) in [
            ("1", &["1", "1.0", "01", "+1", "1e0", "10E-1", "0.1e1", "1."][..]),
            ("1000", &["1e3", "1000.0", "1000.000"]),
            ("-0.05", &["-.05", "-5e-2", "-0.050"]),
            ("0", &["0", "-0", "0.000", "0e99"]),
            ("1.5e21", &["1500000000000000000000", "1.5E+21"]),
            ("1e-8", &["0.00000001"]),
            ("9007199254740993", &["9007199254740993.0"]),
            ("1e500", &["10e499", &format!("1{}", "0".repeat(500))]),
            ("1e-500", &["0.1e-499", &format!("0.{}1", "0".repeat(499))]),
            ("1e9999999999", &["0.01e10000000001"]),
        ] {
            for text in texts {
                assert_eq!(number(text).as_deref(), Some(form), "{text}");
            }
        }
        for text in [
            "",
            "-",
            ".",
            "e1",
            "1e",
            "1x",
            "0x10",
            "1e99999999999999999999",
            "10e9223372036854775807",
            "NaN",
            "1 ",
            "--1",
            "1_0",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!((double(1e21), double(0.1), double(-2.0)), ("1e21".into(), "0.1".into(), "-2".into()));
        assert_eq!((double(f64::NAN), double(f64::NEG_INFINITY)), ("NaN".into(), "-Infinity".into()));
    }

    #[test]
    fn instants_are_read_in_the_forms_of_other_programs() {
        let expected = instant("2026-11-20T05:00:00.250Z").unwrap();
        for text in ["2026-11-20 05:00:00.25", "2026-11-20T13:00:00.250+08:00", "2026-11-20T05:00:00.250000000Z"] {
            assert_eq!(instant(text), Some(expected), "{text}");
        }
        assert_eq!(instant_text(expected), "2026-11-20T05:00:00.250000Z");
        assert_eq!(instant_text(expected + 1), "2026-11-20T05:00:00.250000001Z");
        assert_eq!(short_instant("2026-11-20T05:00:00.250000Z"), "2026-11-20T05:00:00.25Z");
        assert_eq!(short_instant("2026-11-20T05:00:00.000000Z"), "2026-11-20T05:00:00Z");
        assert_eq!(instant_text(-1_000), "1969-12-31T23:59:59.999999Z");
        assert_eq!(instant_text(i128::from(i64::MAX) * 1_000), (i128::from(i64::MAX) * 1_000).to_string());
        for text in ["", "2026", "not-a-date-at-all", "2026-13-20", "1234567890123"] {
            assert_eq!(instant(text), None, "{text}");
        }
        assert_eq!(date("2026-11-20 00:00:00").as_deref(), Some("2026-11-20"));
        assert_eq!(date("2026-11-20T01:00:00Z"), None);
        assert_eq!((date_text(-1), date_text(i64::MAX)), ("1969-12-31".to_owned(), i64::MAX.to_string()));
    }

    #[test]
    fn there_is_one_zero_and_one_not_a_number() {
        assert_eq!(normal(-0.0).to_bits(), 0.0_f64.to_bits());
        assert_eq!(normal(f64::from_bits(0xFFF8_0000_0000_0001)).to_bits(), f64::NAN.to_bits());
        assert_eq!((normal(-1.5), normal(f64::NEG_INFINITY)), (-1.5, f64::NEG_INFINITY));
    }

    #[test]
    fn nearness_is_relative() {
        assert!(is_near(1e12, 1e12 + 1.0, 1e-9) && !is_near(1.0, 1.001, 1e-9));
        assert!(is_near(f64::NAN, f64::NAN, 0.0) && is_near(0.0, -0.0, 0.0));
        assert!(!is_near(f64::INFINITY, 1.0, 0.0) && !is_near(f64::NAN, 1.0, 1.0));
    }
}
