//! The forms in which people write a window.

use super::interval::{Window, refused};
use crate::text;
use crate::text::{Malformed, Span};
use chrono::{DateTime, Months, NaiveDate, TimeDelta, Utc};
use etl_sdk::{Error, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::str::FromStr;

const FORMS: &str = "write START/END such as 2026-11-20T00:00Z/2026-11-20T01:00Z, START/PT1H, or one day, hour or \
                     month: 2026-11-20, 2026-11-20T05, 2026-11";

/// How exactly an instant is written; alone, it stands for the whole of that unit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Finer,
}

struct Point {
    instant: DateTime<Utc>,
    unit: Unit,
}

impl Window {
    /// Reads a window:
    ///
    /// - `START/END`, where each is `2026`, `2026-11`, `2026-11-20`, `2026-11-20T05`, `2026-11-20T05:30` or
    ///   `2026-11-20T05:30:15`, and stands for its first instant: `2026-11/2026-12` is November;
    /// - `START/PT1H` and `PT1H/END`, with a span as in the job file (`90s`, `2h`, `P1D`);
    /// - one year, month, day or hour alone.
    ///
    /// Times are UTC. `Z` may be left out; an offset such as `+02:00` is converted. A part of a second other than
    /// zero is refused.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let malformed = || refused(text, FORMS);
        let Some((left, right)) = text.split_once('/') else {
            return whole(&point(text).ok_or_else(malformed)?).ok_or_else(malformed);
        };
        let (start, end) = match (span(left), span(right)) {
            (None, None) => (point(left).ok_or_else(malformed)?.instant, point(right).ok_or_else(malformed)?.instant),
            (None, Some(length)) => {
                let start = point(left).ok_or_else(malformed)?.instant;
                (start, start.checked_add_signed(length).ok_or_else(malformed)?)
            }
            (Some(length), None) => {
                let end = point(right).ok_or_else(malformed)?.instant;
                (end.checked_sub_signed(length).ok_or_else(malformed)?, end)
            }
            (Some(_), Some(_)) => return Err(malformed()),
        };
        Self::new(start, end).map_err(|error| named(error, text))
    }
}

impl TryFrom<String> for Window {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl FromStr for Window {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

/// One instant, written as an end of a window is: `2026-11-20`, `2026-11-20T05`, `2026-11-20T05:30Z`. A day, month or year
/// stands for its first instant. UTC unless it says otherwise; whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instant(pub DateTime<Utc>);

impl FromStr for Instant {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        const FORMS: &str = "write 2026-11-20, 2026-11-20T05 or 2026-11-20T05:30:00Z; UTC, whole seconds";
        let point = point(text.trim()).ok_or_else(|| Malformed::new(text, "is not an instant", FORMS))?;
        Ok(Self(point.instant))
    }
}

impl TryFrom<String> for Instant {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> Self {
        text::instant(instant.0)
    }
}

impl JsonSchema for Instant {
    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An instant such as 2026-11-20, 2026-11-20T05 or 2026-11-20T05:30:00Z.",
            "type": "string"
        })
    }
}

/// Keeps the text as it was written beside the window it reads as.
fn named(error: Error, text: &str) -> Error {
    error.with("written", text)
}

fn whole(point: &Point) -> Option<Window> {
    let start = point.instant;
    let end = match point.unit {
        Unit::Year => start.checked_add_months(Months::new(12))?,
        Unit::Month => start.checked_add_months(Months::new(1))?,
        Unit::Day => start.checked_add_signed(TimeDelta::days(1))?,
        Unit::Hour => start.checked_add_signed(TimeDelta::hours(1))?,
        Unit::Finer => return None,
    };
    Window::new(start, end).ok()
}

fn span(text: &str) -> Option<TimeDelta> {
    let span: Span = text.parse().ok()?;
    TimeDelta::try_seconds(span.seconds)
}

fn point(text: &str) -> Option<Point> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut fields = date.split('-');
    let year = digits(fields.next()?, 4)?;
    let month = fields.next().map_or(Some(None), |text| digits(text, 2).map(Some))?;
    let day = fields.next().map_or(Some(None), |text| digits(text, 2).map(Some))?;
    if fields.next().is_some() || (time.is_some() && day.is_none()) {
        return None;
    }
    let unit = match (month, day) {
        (None, _) => Unit::Year,
        (_, None) => Unit::Month,
        _ => Unit::Day,
    };
    let date = NaiveDate::from_ymd_opt(year as i32, month.unwrap_or(1), day.unwrap_or(1))?;
    let Some(time) = time else {
        return Some(Point { instant: date.and_hms_opt(0, 0, 0)?.and_utc(), unit });
    };
    let (clock, offset) = split_zone(time)?;
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, "0"));
    if fraction.is_empty() || fraction.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let mut fields = clock.split(':');
    let hour = digits(fields.next()?, 2)?;
    let minute = fields.next().map_or(Some(None), |text| digits(text, 2).map(Some))?;
    let second = fields.next().map_or(Some(0), |text| digits(text, 2))?;
    if fields.next().is_some() {
        return None;
    }
    let local = date.and_hms_opt(hour, minute.unwrap_or(0), second)?.and_utc();
    let unit = if minute.is_some() { Unit::Finer } else { Unit::Hour };
    Some(Point { instant: local.checked_sub_signed(TimeDelta::seconds(offset))?, unit })
}

/// The clock and the offset from UTC in seconds.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else { return Some((time, 0)) };
    let (clock, zone) = time.split_at(at);
    let (sign, zone) = zone.split_at(1);
    let (hours, minutes) = match zone.len() {
        2 => (zone, "00"),
        4 => (zone.get(..2)?, zone.get(2..)?),
        _ => zone.split_once(':')?,
    };
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    if hours > 18 || minutes > 59 {
        return None;
    }
    let offset = i64::from(hours * 3_600 + minutes * 60);
    Some((clock, if sign == "-" { -offset } else { offset }))
}

fn digits(text: &str, count: usize) -> Option<u32> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etl_sdk::ErrorKind;

    #[test]
    fn accepted_forms() {
        for (text, expected) in [
            ("2026-11-20T00:00Z/2026-11-20T01:00Z", "2026-11-20T00:00:00Z/2026-11-20T01:00:00Z"),
            ("2026-11-20T00:00:05Z/2026-11-20T01:00:00.000Z", "2026-11-20T00:00:05Z/2026-11-20T01:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z/2026-11-21T00:00:00Z"),
            ("2026-11-20T05", "2026-11-20T05:00:00Z/2026-11-20T06:00:00Z"),
            ("2026-11-20T05Z", "2026-11-20T05:00:00Z/2026-11-20T06:00:00Z"),
            ("2026-12", "2026-12-01T00:00:00Z/2027-01-01T00:00:00Z"),
            ("2028", "2028-01-01T00:00:00Z/2029-01-01T00:00:00Z"),
            ("2026-11-20T05/PT1H", "2026-11-20T05:00:00Z/2026-11-20T06:00:00Z"),
            ("2026-11-20/90m", "2026-11-20T00:00:00Z/2026-11-20T01:30:00Z"),
            ("P1D/2026-03-01", "2026-02-28T00:00:00Z/2026-03-01T00:00:00Z"),
            ("2026-11/2026-12", "2026-11-01T00:00:00Z/2026-12-01T00:00:00Z"),
            ("2026-11-20 05:30/2026-11-20 06:00", "2026-11-20T05:30:00Z/2026-11-20T06:00:00Z"),
            ("2026-11-20T02:00+02:00/2026-11-20T01:00Z", "2026-11-20T00:00:00Z/2026-11-20T01:00:00Z"),
            ("2026-11-19T19-0500/PT1H", "2026-11-20T00:00:00Z/2026-11-20T01:00:00Z"),
            ("  2026-11-20  ", "2026-11-20T00:00:00Z/2026-11-21T00:00:00Z"),
        ] {
            match Window::parse(text) {
                Ok(window) => assert_eq!(window.to_string(), expected, "{text}"),
                Err(error) => panic!("{text}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        for text in [
            "",
            "/",
            "today",
            "2026-13",
            "2026-11-31",
            "2026-11-20T24:00/PT1H",
            "2026-11-20T05:30",
            "20261120",
            "2026-11-20T05/PT1H/PT1H",
            "PT1H/PT1H",
            "PT1H",
            "2026-11T05",
            "2026-11-20/P1M",
            "2026-11-20T05:00+99/PT1H",
            "2026-11-20T00:00:00.5Z/PT1H",
            "2026-11-20T00:00:60Z/PT1H",
            "é026-11-20",
            "2026-11-20T05:00+é1/PT1H",
            "+026-11-20",
            "2026-11-20/99999999999w",
        ] {
            let error = Window::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
            assert!(error.hint_text().is_some_and(|hint| hint.contains("START/END")), "{text}: {error}");
        }
        for text in ["2026-11-20/2026-11-20", "2026-11-21/2026-11-20", "2026-11-20/PT0S"] {
            let error = Window::parse(text).expect_err(text);
            assert!(error.hint_text().is_some_and(|hint| hint.contains("after its start")), "{text}: {error}");
            assert!(error.to_string().contains(text), "{error}");
        }
        for text in ["1969-12-31", "9999", "0000-01-01"] {
            assert!(Window::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["2026-11-20T05:30:15Z/2027-01-01", "1970", "2028-02-29"] {
            let window = Window::parse(text).unwrap();
            assert_eq!(Window::parse(&window.to_string()).unwrap(), window);
        }
    }
}
