//! How Java reads numbers.

/// The zeros of the digits that `Character.digit` knows in a text of 16-bit units, as of Unicode 10.
const ZEROS: [char; 37] = [
    '0', '\u{660}', '\u{6F0}', '\u{7C0}', '\u{966}', '\u{9E6}', '\u{A66}', '\u{AE6}', '\u{B66}', '\u{BE6}', '\u{C66}',
    '\u{CE6}', '\u{D66}', '\u{DE6}', '\u{E50}', '\u{ED0}', '\u{F20}', '\u{1040}', '\u{1090}', '\u{17E0}', '\u{1810}',
    '\u{1946}', '\u{19D0}', '\u{1A80}', '\u{1A90}', '\u{1B50}', '\u{1BB0}', '\u{1C40}', '\u{1C50}', '\u{A620}',
    '\u{A8D0}', '\u{A900}', '\u{A9D0}', '\u{A9F0}', '\u{AA50}', '\u{ABF0}', '\u{FF10}',
];

/// `String.trim`: what is not above a blank goes, and no other space.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

/// `Long.parseLong`: a sign and digits, of any script.
pub fn parse_long(text: &str) -> Option<i64> {
    if text.is_ascii() {
        return text.parse().ok();
    }
    let digit = |character: char| {
        let zero = ZEROS.into_iter().rfind(|zero| *zero <= character)?;
        let value = u32::from(character) - u32::from(zero);
        if value < 10 { char::from_digit(value, 10) } else { None }
    };
    let sign = text.chars().next().filter(|first| matches!(first, '+' | '-'));
    let digits = text.chars().skip(usize::from(sign.is_some())).map(digit);
    sign.into_iter().map(Some).chain(digits).collect::<Option<String>>()?.parse().ok()
}

/// The lower 64 bits of a whole number: `BigInteger.longValue`.
pub fn low_bits(digits: &str) -> i64 {
    let (is_negative, digits) = digits.strip_prefix('-').map_or((false, digits), |digits| (true, digits));
    let bits = digits
        .bytes()
        .fold(0_i64, |bits, digit| bits.wrapping_mul(10).wrapping_add(i64::from(digit.wrapping_sub(b'0'))));
    if is_negative { bits.wrapping_neg() } else { bits }
}

/// `Double.parseDouble` of a trimmed text. Rust reads `inf` and `infinity` in any case, Java only `Infinity`; Java takes
/// one of `dDfF` after the digits, and `0x1.8p3`.
pub fn parse_double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        let value = hexadecimal(&unsigned[2..])?;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    let bare = text.strip_suffix(['d', 'D', 'f', 'F']);
    let digits = bare.filter(|bare| bare.ends_with(|last: char| last.is_ascii_digit() || last == '.')).unwrap_or(text);
    if unsigned.starts_with(|first: char| first.is_ascii_alphabetic()) && !matches!(unsigned, "NaN" | "Infinity") {
        return None;
    }
    digits.parse().ok()
}

/// `1.8p3`: sixteenths and a power of two.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let exponent = exponent.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(exponent);
    let mut power = exponent.parse::<i32>().ok()?.clamp(-4_000, 4_000);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // What does not fit into the bits matters only in that it is not zero.
    let (mut bits, mut rest) = (0_u64, false);
    for (place, digit) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = digit.to_digit(16)?;
        let is_fraction = place >= whole.len();
        if bits >> 58 == 0 {
            bits = bits << 4 | u64::from(digit);
            power -= if is_fraction { 4 } else { 0 };
        } else {
            rest |= digit != 0;
            power += if is_fraction { 0 } else { 4 };
        }
    }
    if bits == 0 {
        return Some(0.0);
    }
    let half = power / 2;
    Some((bits | u64::from(rest)) as f64 * 2_f64.powi(half) * 2_f64.powi(power - half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_trims_is_not_all_white_space() {
        assert_eq!(trim(" \u{1}\n5\t\0"), "5");
        assert_eq!(trim("\u{a0}5\u{3000}"), "\u{a0}5\u{3000}");
    }

    #[test]
    fn digits_of_every_script_are_digits() {
        for (text, value) in [
            ("12", Some(12)),
            ("+12", Some(12)),
            ("\u{661}\u{662}", Some(12)),
            ("-\u{ff11}2", Some(-12)),
            ("\u{967}\u{968}\u{969}", Some(123)),
            ("\u{1d7ce}", None),
            ("\u{b2}", None),
            ("\u{661}.5", None),
            ("-", None),
            ("\u{661}-", None),
            (
                "\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}\u{669}",
                None,
            ),
        ] {
            assert_eq!(parse_long(text), value, "{text}");
        }
    }

    #[test]
    fn doubles_are_read_in_either_base() {
        for (text, value) in [
            ("1.5", Some(1.5)),
            ("1.5d", Some(1.5)),
            ("-1e3F", Some(-1000.0)),
            ("0x1.8p1", Some(3.0)),
            ("-0X.8P0f", Some(-0.5)),
            ("0x1.p3", Some(8.0)),
            ("0x1fffffffffffffp0", Some(9_007_199_254_740_991.0)),
            ("0x20000000000001.00000000000001p0", Some(9_007_199_254_740_994.0)),
            ("0x1p-1074", Some(5e-324)),
            ("0x1p99999", Some(f64::INFINITY)),
            ("0x0p99999", Some(0.0)),
            ("0x1", None),
            ("0x.p1", None),
            ("0xgp1", None),
            ("\u{661}", None),
            ("1_0", None),
        ] {
            assert_eq!(parse_double(text), value, "{text}");
        }
    }
}
