//! Guesses why two values differ.

use super::{json, value};
use etl_sdk::json::Reader;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use strum::IntoStaticStr;

/// Why two values may differ. A guess: it says what the values look like, not what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// One is a prefix of the other.
    #[strum(serialize = "truncation")]
    Truncation,
    /// Instants that are whole quarters of an hour apart, 14 hours at most; dates that are one day apart.
    #[strum(serialize = "time zone")]
    TimeZone,
    /// One instant is the other without its fraction, or with less of it.
    #[strum(serialize = "sub-second truncation")]
    SubSecond,
    /// The same instant, written in another way.
    #[strum(serialize = "time format")]
    TimeFormat,
    /// Null, or the word, on one side; an empty text, object or array on the other.
    #[strum(serialize = "null vs empty")]
    NullVsEmpty,
    /// Null on one side and a value on the other.
    #[strum(serialize = "null on one side")]
    Missing,
    /// The same number, written in another way: `1.0` and `1`.
    #[strum(serialize = "number format")]
    NumberFormat,
    /// Numbers that differ by less than a millionth.
    #[strum(serialize = "rounding")]
    Rounding,
    /// JSON objects, one of them with entries that the other does not have and otherwise the same; the longer one may be cut.
    #[strum(serialize = "entries left out")]
    EntriesLeftOut,
    /// The same JSON: only the order of keys, white space or forms of numbers differ.
    #[strum(serialize = "key order")]
    KeyOrder,
    /// Upper and lower case.
    #[strum(serialize = "case")]
    Case,
    /// White space.
    #[strum(serialize = "white space")]
    WhiteSpace,
    /// One is the other with `%20` or `+` in place of characters.
    #[strum(serialize = "url encoding")]
    UrlEncoding,
    /// None of these.
    #[strum(serialize = "unknown")]
    Unknown,
}

const SECOND: i128 = 1_000_000_000;
const QUARTER: i128 = 900 * SECOND;
const DAY: i128 = 86_400 * SECOND;

/// The largest offset from UTC.
const MAX_OFFSET: i128 = 14 * 3_600 * SECOND;

/// Relative difference that rounding may make.
const ROUNDED: f64 = 1e-6;

/// Integers between these are taken for milliseconds since 1970: from 1973 to 2286.
const MILLISECONDS: std::ops::Range<i64> = 100_000_000_000..10_000_000_000_000;

impl Cause {
    /// For a person: `sub-second truncation`.
    pub fn text(self) -> &'static str {
        self.into()
    }

    /// Of values of which one may be null; `None` when both are there.
    pub(super) fn of_nulls(left: Option<&str>, right: Option<&str>) -> Option<Self> {
        match (left, right) {
            (Some(_), Some(_)) => None,
            (None, None) => Some(Self::Unknown),
            (Some(value), None) | (None, Some(value)) => Some(match value.trim() {
                "" | "{}" | "[]" | "null" => Self::NullVsEmpty,
                _ => Self::Missing,
            }),
        }
    }

    /// Of instants, in nanoseconds since 1970.
    pub(super) fn of_instants(left: i128, right: i128) -> Self {
        let apart = (left - right).abs();
        if apart == 0 {
            return Self::TimeFormat;
        }
        let cut = |unit: i128| apart < unit && (left % unit == 0 || right % unit == 0);
        if [SECOND, SECOND / 1_000, SECOND / 1_000_000].into_iter().any(cut) {
            return Self::SubSecond;
        }
        if apart % QUARTER == 0 && apart <= MAX_OFFSET { Self::TimeZone } else { Self::Unknown }
    }

    /// Of dates, in days since 1970.
    pub(super) fn of_dates(left: i64, right: i64) -> Self {
        if left.abs_diff(right) == 1 { Self::TimeZone } else { Self::Unknown }
    }

    /// Of integers, which may be milliseconds since 1970.
    pub(super) fn of_integers(left: i64, right: i64) -> Self {
        if MILLISECONDS.contains(&left) && MILLISECONDS.contains(&right) {
            return Self::of_instants(i128::from(left) * 1_000_000, i128::from(right) * 1_000_000);
        }
        Self::Unknown
    }

    /// Of doubles.
    pub(super) fn of_doubles(left: f64, right: f64) -> Self {
        if value::is_near(left, right, ROUNDED) { Self::Rounding } else { Self::Unknown }
    }

    /// Of two texts that differ.
    pub(super) fn of_texts(left: &str, right: &str) -> Self {
        if left.is_empty() || right.is_empty() {
            return match if left.is_empty() { right } else { left }.trim() {
                "" => Self::WhiteSpace,
                "null" => Self::NullVsEmpty,
                _ => Self::Unknown,
            };
        }
        if left.split_whitespace().eq(right.split_whitespace()) {
            return Self::WhiteSpace;
        }
        if let (Some(one), Some(other)) = (value::number(left), value::number(right)) {
            return match (one.parse(), other.parse()) {
                _ if one == other => Self::NumberFormat,
                (Ok(one), Ok(other)) => Self::of_doubles(one, other),
                _ => Self::Unknown,
            };
        }
        if let (Some(one), Some(other)) = (value::instant(left), value::instant(right)) {
            let are_dates = left.len() == 10 && right.len() == 10;
            return match (are_dates, Self::of_instants(one, other)) {
                (true, _) if (one - other).abs() == DAY => Self::TimeZone,
                (true, _) => Self::Unknown,
                (false, cause) => cause,
            };
        }
        if is_json(left) && is_json(right) && same_json(left, right) {
            return Self::KeyOrder;
        }
        if are_entries_left_out(left, right) || are_entries_left_out(right, left) {
            return Self::EntriesLeftOut;
        }
        if left.to_lowercase() == right.to_lowercase() {
            return Self::Case;
        }
        if is_url_encoding(left, right) {
            return Self::UrlEncoding;
        }
        if left.starts_with(right) || right.starts_with(left) { Self::Truncation } else { Self::Unknown }
    }
}

fn is_json(text: &str) -> bool {
    text.starts_with(['{', '['])
}

fn same_json(left: &str, right: &str) -> bool {
    let form = |text| json::of_text(text, None, &json::LeftOut::default());
    matches!((form(left), form(right)), (Ok(one), Ok(other)) if one == other)
}

fn is_url_encoding(left: &str, right: &str) -> bool {
    if ![left, right].iter().any(|text| text.contains(['%', '+'])) {
        return false;
    }
    let (one, other) = (url_decoded(left), url_decoded(right));
    one == other || one == right.as_bytes() || other == left.as_bytes()
}

fn url_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |index: usize| bytes.get(index).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut index) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(index) {
        match (byte, digit(index + 1), digit(index + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                index += 3;
            }
            (b'+', _, _) => {
                out.push(b' ');
                index += 1;
            }
            _ => {
                out.push(byte);
                index += 1;
            }
        }
    }
    out
}

/// A member of a nested value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Names on the way to it, as `CompareRequest::ignore` takes them after the column; empty for the value itself.
    pub(super) path: String,
    pub(super) cause: Cause,
}

/// The members in which two nested values differ, both in the form of [`json::of_text`]. Numbers within `tolerance` do
/// not; without one all their digits count. `None` when one of them is not JSON.
pub(super) fn members(left: &str, right: &str, tolerance: f64) -> Option<Vec<Member>> {
    let (left, right): (&RawValue, &RawValue) = (serde_json::from_str(left).ok()?, serde_json::from_str(right).ok()?);
    let mut found = Vec::new();
    differences(Some(left), Some(right), tolerance, &mut String::new(), &mut found);
    Some(found)
}

/// A value as it is written: one that is parsed has lost digits.
type Raw<'a> = &'a RawValue;

fn differences(
    left: Option<Raw<'_>>,
    right: Option<Raw<'_>>,
    tolerance: f64,
    path: &mut String,
    found: &mut Vec<Member>,
) {
    if left.map(RawValue::get) == right.map(RawValue::get) {
        return;
    }
    if let (Some(one), Some(other)) = (object_of(left), object_of(right)) {
        let only_right = other.keys().filter(|name| !one.contains_key(*name));
        for name in one.keys().chain(only_right) {
            let length = path.len();
            if length > 0 {
                path.push('.');
            }
            path.push_str(name);
            differences(one.get(name).copied(), other.get(name).copied(), tolerance, path, found);
            path.truncate(length);
        }
        return;
    }
    if let (Some(one), Some(other)) = (array_of(left), array_of(right)) {
        for index in 0..one.len().max(other.len()) {
            differences(one.get(index).copied(), other.get(index).copied(), tolerance, path, found);
        }
        return;
    }
    let (left, right) = (left.and_then(text_of), right.and_then(text_of));
    let is_near = |one: &str, other: &str| {
        let numbers = (value::number(one).and(one.parse().ok()), value::number(other).and(other.parse().ok()));
        matches!(numbers, (Some(one), Some(other)) if value::is_near(one, other, tolerance))
    };
    let cause = match (&left, &right) {
        (Some(Text::Bare(one)), Some(Text::Bare(other))) if tolerance > 0.0 && is_near(one, other) => return,
        (one, other) => {
            let [one, other] = [one, other].map(|text| text.as_ref().map(Text::as_str));
            let of_texts = || Cause::of_texts(one.unwrap_or_default(), other.unwrap_or_default());
            Cause::of_nulls(one, other).unwrap_or_else(of_texts)
        }
    };
    found.push(Member { path: path.clone(), cause });
}

fn object_of(value: Option<Raw<'_>>) -> Option<BTreeMap<String, Raw<'_>>> {
    value.filter(|value| value.get().starts_with('{')).and_then(|value| serde_json::from_str(value.get()).ok())
}

fn array_of(value: Option<Raw<'_>>) -> Option<Vec<Raw<'_>>> {
    value.filter(|value| value.get().starts_with('[')).and_then(|value| serde_json::from_str(value.get()).ok())
}

/// What a value says.
enum Text<'a> {
    /// The content of a string.
    Quoted(String),
    /// A number, a boolean, or an object or array as it is written.
    Bare(&'a str),
}

impl Text<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Quoted(text) => text,
            Self::Bare(text) => text,
        }
    }
}

/// `None` for null.
fn text_of(value: Raw<'_>) -> Option<Text<'_>> {
    match value.get() {
        "null" => None,
        text if text.starts_with('"') => Some(Text::Quoted(serde_json::from_str(text).unwrap_or_default())),
        text => Some(Text::Bare(text)),
    }
}

/// Whether `fewer` is the JSON object `more` without some of its entries. `more` may be cut: then those that are whole are
/// looked at.
fn are_entries_left_out(fewer: &str, more: &str) -> bool {
    if !(fewer.starts_with('{') && more.starts_with('{') && fewer.len() <= more.len()) {
        return false;
    }
    let (Some(few), Some((many, is_whole))) = (entries(fewer).filter(|(_, is_whole)| *is_whole), entries(more)) else {
        return false;
    };
    let few = few.0;
    let same = many.iter().all(|(name, value)| few.get(name).is_none_or(|own| own == value));
    let has_all = few.keys().all(|name| many.contains_key(name));
    // A cut text says nothing of what stood behind the cut.
    same && (!is_whole || (has_all && few.len() < many.len()))
}

/// The whole entries of an object, in one form, and whether the object is.
fn entries(text: &str) -> Option<(BTreeMap<String, String>, bool)> {
    let mut reader = Reader::new(text, json::MAX_DEPTH);
    let mut found = BTreeMap::new();
    reader.enter().ok()?;
    let (mut first, mut scratch) = (true, String::new());
    loop {
        let Ok(key) = reader.next_key(&mut first) else { return Some((found, false)) };
        let Some(key) = key else { return Some((found, reader.end().is_ok())) };
        let name = key.decode(text, &mut scratch).to_owned();
        let Ok(value) = reader.value() else { return Some((found, false)) };
        let raw = if value.is_text() { value.decode(text, &mut scratch) } else { value.raw(text) };
        let value = json::of_text(raw, None, &json::LeftOut::default()).unwrap_or_else(|_| raw.to_owned());
        found.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_texts() {
        for (left, right, cause) in [
            ("a long title", "a long ti", Cause::Truncation),
            ("ab", "ac", Cause::Unknown),
            ("", "x", Cause::Unknown),
            ("1.0", "1", Cause::NumberFormat),
            ("1e3", "1000.0", Cause::NumberFormat),
            ("0.1", "0.10000001", Cause::Rounding),
            ("10", "100", Cause::Unknown),
            ("Google", "google", Cause::Case),
            ("a b", " a  b ", Cause::WhiteSpace),
            ("", "  ", Cause::WhiteSpace),
            ("a b/ä", "a%20b%2F%C3%A4", Cause::UrlEncoding),
            ("a b", "a+b", Cause::UrlEncoding),
            ("100%", "100 %25", Cause::Unknown),
            (r#"{"a":1,"b":2}"#, r#"{"b": 2, "a": 1.0}"#, Cause::KeyOrder),
            (r#"{"a":1}"#, r#"{"a":2}"#, Cause::Unknown),
            (r#"{"a":1}"#, r#"{"b":[2],"a":1.0}"#, Cause::EntriesLeftOut),
            (r#"{"size":"M"}"#, r#"{"note":"a long no"#, Cause::EntriesLeftOut),
            (r#"{"a":1,"z":3}"#, r#"{"a":1,"note":"a long no"#, Cause::EntriesLeftOut),
            (r#"{"a":1}"#, r#"{"b":[2],"a":2}"#, Cause::Unknown),
            (r#"{"a":2}"#, r#"{"a":1,"note":"a long no"#, Cause::Unknown),
            (r#"{"a":1,"z":3}"#, r#"{"a":1,"b":"long"}"#, Cause::Unknown),
            ("", "null", Cause::NullVsEmpty),
            ("2026-11-20T05:00:00Z", "2026-11-20 05:00:00", Cause::TimeFormat),
            ("2026-11-20T05:00:00Z", "2026-11-20T13:00:00Z", Cause::TimeZone),
            ("2026-11-20T05:00:00.250Z", "2026-11-20T05:00:00Z", Cause::SubSecond),
            ("2026-11-20", "2026-11-21", Cause::TimeZone),
            ("2026-11-20", "2026-11-22", Cause::Unknown),
        ] {
            assert_eq!(Cause::of_texts(left, right), cause, "{left} {right}");
            assert_eq!(Cause::of_texts(right, left), cause, "{right} {left}");
        }
    }

    #[test]
    fn the_cause_of_nulls() {
        assert_eq!(Cause::of_nulls(None, Some("")), Some(Cause::NullVsEmpty));
        assert_eq!(Cause::of_nulls(Some("{}"), None), Some(Cause::NullVsEmpty));
        assert_eq!(Cause::of_nulls(Some("0"), None), Some(Cause::Missing));
        assert_eq!(Cause::of_nulls(Some("a"), Some("b")), None);
    }

    #[test]
    fn the_cause_of_instants_and_numbers() {
        let hour = 3_600 * SECOND;
        assert_eq!(Cause::of_instants(0, 8 * hour), Cause::TimeZone);
        assert_eq!(Cause::of_instants(SECOND, 5 * hour + 2_700 * SECOND + SECOND), Cause::TimeZone);
        assert_eq!(Cause::of_instants(0, 15 * hour), Cause::Unknown);
        assert_eq!(Cause::of_instants(0, hour + 1), Cause::Unknown);
        assert_eq!(Cause::of_instants(7 * SECOND, 7 * SECOND + 999_999_999), Cause::SubSecond);
        assert_eq!(Cause::of_instants(1_234_000_000, 1_234_567_000), Cause::SubSecond);
        assert_eq!(Cause::of_integers(1_795_150_000_000, 1_795_150_000_000 + 3_600_000), Cause::TimeZone);
        assert_eq!(Cause::of_integers(1_795_150_000_000, 1_795_150_000_250), Cause::SubSecond);
        assert_eq!(Cause::of_integers(1, 900_001), Cause::Unknown);
        assert_eq!(Cause::of_dates(5, 4), Cause::TimeZone);
        assert_eq!(Cause::of_doubles(0.1 + 0.2, 0.3), Cause::Rounding);
    }

    #[test]
    fn the_members_in_which_nested_values_differ() {
        let (left, right) =
            (r#"{"a":{"b":1,"c":"X"},"l":[{"p":1.5},{"p":2}]}"#, r#"{"a":{"b":1,"c":"x"},"l":[{"p":1.5}]}"#);
        let found = members(left, right, 0.0).unwrap();
        let paths: Vec<(&str, Cause)> = found.iter().map(|member| (member.path.as_str(), member.cause)).collect();
        assert_eq!(paths, [("a.c", Cause::Case), ("l", Cause::Missing)]);
        assert_eq!(members(r#"{"a":1.0001}"#, r#"{"a":1}"#, 0.01).unwrap(), []);
        for (left, right) in [
            (r#"{"a":18446744073709551617}"#, r#"{"a":18446744073709551618}"#),
            ("[0.12345678901234567891]", "[0.12345678901234567892]"),
            (r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#),
        ] {
            assert_eq!(members(left, right, 0.0).unwrap().len(), 1, "{left}");
            assert_eq!(members(left, right, 1e-9).unwrap(), [], "{left}");
        }
        assert_eq!(members("x", "y", 0.0), None);
    }
}
