//! Partition folders as Hive names them.

use crate::output::staging::PartitionValue;
use crate::storage::MAX_PART_BYTES;
use chrono::{Datelike, NaiveDate, TimeDelta};
use etl_sdk::PartitionPart;
use std::fmt::Write;

/// What stands in a path for a value that is null or empty.
pub(crate) const NULL_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// Days from 0001-01-01 to 1970-01-01, with 0001-01-01 as day 1.
const EPOCH_DAY: i64 = 719_163;

pub(super) const HOUR_MICROS: i64 = 3_600_000_000;
pub(super) const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// Why a row cannot have a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The folder's name would be longer than file systems take.
    TooLong,
    /// A time outside the years 0000 to 9999: no reader could tell its folder's name from another.
    TimeOutOfRange,
}

/// The reason codes of rows that have no partition.
pub(crate) const REASONS: [&str; 2] = ["partition_value_too_long", "partition_time_out_of_range"];

impl Refusal {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::TooLong => REASONS[0],
            Self::TimeOutOfRange => REASONS[1],
        }
    }

    pub(super) fn message(self) -> &'static str {
        match self {
            Self::TooLong => "the partition folder's name is longer than 255 bytes, or its path than 900",
            Self::TimeOutOfRange => "the partition time is outside the years 0000 to 9999",
        }
    }
}

/// Appends `text` as it stands in a folder's name. The characters are those of `FileUtils.escapePathName` in Hive:
/// controls, DEL and `"#%'*/:=?\{[]^`. Spaces, `}` and everything outside ASCII stay as they are.
pub(crate) fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        if character.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(character) {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{:02X}", character as u32);
        } else {
            out.push(character);
        }
    }
}

/// The text of a folder's name. Other programs escape what is outside ASCII too, as UTF-8. A percent sign that begins no
/// escape of a character is one.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let character = escaped_character(rest);
        out.push(character.unwrap_or('%'));
        rest = &rest[character.map_or(1, |character| 3 * character.len_utf8())..];
    }
    out.push_str(rest);
    out
}

/// The character that the escapes at the start of a text stand for.
fn escaped_character(text: &str) -> Option<char> {
    let byte = |index: usize| {
        let digits = text.get(3 * index..)?.strip_prefix('%')?.get(..2)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if is_hex { u8::from_str_radix(digits, 16).ok() } else { None }
    };
    let length = match byte(0)? {
        0..0x80 => 1,
        0xC2..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0..0xF5 => 4,
        _ => return None,
    };
    let bytes: Vec<u8> = (0..length).map(byte).collect::<Option<_>>()?;
    std::str::from_utf8(&bytes).ok()?.chars().next()
}

/// Appends `name=value` to a partition's path, `None` and empty for a null.
pub(crate) fn push_part(path: &mut String, name: &str, value: Option<&str>) -> Result<(), Refusal> {
    if !path.is_empty() {
        path.push('/');
    }
    let start = path.len();
    escape(name, path);
    path.push('=');
    match value {
        None | Some("") => path.push_str(NULL_VALUE),
        Some(value) => escape(value, path),
    }
    if path.len() - start > MAX_PART_BYTES { Err(Refusal::TooLong) } else { Ok(()) }
}

/// Names and values of a partition's path; `None` for null.
pub(crate) fn values(path: &str) -> Vec<PartitionValue> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts
        .filter_map(|part| part.split_once('='))
        .map(|(name, value)| PartitionValue {
            name: unescape(name),
            value: (value != NULL_VALUE).then(|| unescape(value)),
        })
        .collect()
}

/// The text of one part of an instant, given in whole hours since 1970 (UTC).
pub(super) fn time_part(part: PartitionPart, hours: i64) -> Result<String, Refusal> {
    let out_of_range = Refusal::TimeOutOfRange;
    let day = hours.div_euclid(24);
    let date =
        i32::try_from(day + EPOCH_DAY).ok().and_then(NaiveDate::from_num_days_from_ce_opt).ok_or(out_of_range)?;
    if !(0..=9999).contains(&date.year()) {
        return Err(out_of_range);
    }
    Ok(match part {
        PartitionPart::Year => format!("{:04}", date.year()),
        PartitionPart::Month => format!("{:02}", date.month()),
        PartitionPart::Day => format!("{:02}", date.day()),
        PartitionPart::Hour => format!("{:02}", hours.rem_euclid(24)),
        PartitionPart::Date | PartitionPart::Value => {
            format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
        }
    })
}

/// An instant for a person: ISO 8601 in the years 0000 to 9999, `None` outside them.
pub(super) fn instant(micros: i64) -> Option<String> {
    let instant = chrono::DateTime::UNIX_EPOCH.checked_add_signed(TimeDelta::microseconds(micros))?;
    let readable = (0..=9999).contains(&instant.year());
    readable.then(|| crate::text::instant_exact(instant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_hive_does() {
        for (value, part) in [
            ("shop", "a=shop"),
            ("a/b", "a=a%2Fb"),
            ("..", "a=.."),
            ("a=b", "a=a%3Db"),
            ("line\nbreak\r\t\u{7f}", "a=line%0Abreak%0D%09%7F"),
            ("100%", "a=100%25"),
            ("naïve ☃ {x}", "a=naïve ☃ %7Bx}"),
            ("\"#'*:?\\[]^", "a=%22%23%27%2A%3A%3F%5C%5B%5D%5E"),
            ("", "a=__HIVE_DEFAULT_PARTITION__"),
        ] {
            let mut path = String::new();
            push_part(&mut path, "a", Some(value)).unwrap();
            assert_eq!(path, part);
            let back = (!value.is_empty()).then(|| value.to_owned());
            assert_eq!(values(&path), [PartitionValue { name: "a".to_owned(), value: back }]);
        }
        let mut path = "x=1".to_owned();
        push_part(&mut path, "o=o", None).unwrap();
        assert_eq!(path, "x=1/o%3Do=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(push_part(&mut path, "a", Some(&"x".repeat(254))), Err(Refusal::TooLong));
        assert_eq!(push_part(&mut String::new(), "a", Some(&"x".repeat(253))), Ok(()));
    }

    #[test]
    fn escapes_of_other_programs_are_read() {
        for (part, value) in [
            ("M%C3%BCnchen", "München"),
            ("%e6%9c%88 %5B1%5D", "月 [1]"),
            ("%F0%9F%98%80%25", "😀%"),
            ("%C3", "%C3"),
            ("%C3%28", "%C3("),
            ("%FF%ED%A0%80", "%FF%ED%A0%80"),
            ("100%", "100%"),
            ("%+1%é", "%+1%é"),
        ] {
            let value = Some(value.to_owned());
            assert_eq!(values(&format!("a={part}")), [PartitionValue { name: "a".to_owned(), value }], "{part}");
        }
    }

    #[test]
    fn times_are_rendered_inside_four_digit_years_only() {
        let all = |hours| {
            use PartitionPart::{Date, Day, Hour, Month, Year};
            [Year, Month, Day, Hour, Date].map(|part| time_part(part, hours).unwrap())
        };
        assert_eq!(all(0), ["1970", "01", "01", "00", "1970-01-01"]);
        assert_eq!(all(-1), ["1969", "12", "31", "23", "1969-12-31"]);
        let year_zero = -719_528 * 24;
        assert_eq!(all(year_zero), ["0000", "01", "01", "00", "0000-01-01"]);
        let last = 2_932_896 * 24 + 23;
        assert_eq!(all(last), ["9999", "12", "31", "23", "9999-12-31"]);
        for hours in [year_zero - 1, last + 1, i64::MAX / HOUR_MICROS, i64::MIN / HOUR_MICROS, i64::from(i32::MAX) * 24]
        {
            assert_eq!(time_part(PartitionPart::Year, hours), Err(Refusal::TimeOutOfRange), "{hours}");
        }
    }
}
