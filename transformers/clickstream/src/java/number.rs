//! How Java prints a double.

use std::fmt::Write;

/// Below this the two digits that Java prints at least can differ from the one digit that is enough.
const FEW_DIGITS: f64 = 1e-321;

/// Appends `Double.toString(value)`: the shortest digits that read back as the same value, as a plain decimal with at
/// least one fraction digit for 1e-3 <= |x| < 1e7, else as `d.dddE±n` without a plus sign.
pub fn double_to_string(value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
        return;
    }
    if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
        return;
    }
    let size = value.abs();
    // Writing to a String cannot fail.
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        let _ = write!(out, "{value:?}");
        return;
    }
    let start = out.len();
    if size < FEW_DIGITS {
        let _ = write!(out, "{value:.1e}");
    } else {
        let _ = write!(out, "{value:e}");
    }
    let Some(mark) = out[start..].find('e') else { return };
    let fraction = if out[start..start + mark].contains('.') { "E" } else { ".0E" };
    out.replace_range(start + mark..=start + mark, fraction);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        let mut out = String::from("<");
        double_to_string(value, &mut out);
        out.split_off(1)
    }

    #[test]
    fn prints_as_double_to_string_does() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1.1, "1.1"),
            (-34.5, "-34.5"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (0.000_01, "1.0E-5"),
            (9_999_999.0, "9999999.0"),
            (9_999_999.999, "9999999.999"),
            (1e7, "1.0E7"),
            (-1e10, "-1.0E10"),
            (12_345_678.9, "1.23456789E7"),
            (1e21, "1.0E21"),
            (123_456_789_012_345_680.0, "1.2345678901234568E17"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (5e-324, "4.9E-324"),
            (1e-323, "9.9E-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = f64::from_bits(bits);
            if value.is_finite() {
                let printed = text(value);
                assert_eq!(printed.parse::<f64>().unwrap().to_bits(), bits, "{printed}");
                assert!(printed.contains('.'), "{printed}");
            }
        }
    }
}
