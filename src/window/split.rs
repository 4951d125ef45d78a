//! Windows on a calendar's grid, in UTC.

use super::interval::{self, Window};
use crate::text;
use crate::text::Span;
use chrono::{DateTime, Datelike, DurationRound, NaiveDate, TimeDelta, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Windows that one split may give. A year of minutes is more, and more than anybody wants to run at once.
const MAX_WINDOWS: u64 = 100_000;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// 1970-01-05, the first Monday that can be counted from.
const FIRST_MONDAY: i64 = 4 * DAY;

const FORMS: &str = "write 5m, 15m, 1h, 6h, 1d, 1w, 1mo or another length that divides the day, or whole days, weeks \
                     or months";

/// The length of windows that lie on a calendar's grid, in UTC.
///
/// - `15m`, `1h`, `6h`: any length that divides the day; counted from midnight.
/// - `1d`, `2d`: whole days; several are counted from 1970-01-01.
/// - `1w`: whole weeks from Monday; several are counted from Monday, 1970-01-05. `7d` is the same.
/// - `1mo`, `3mo`, `1y`, `P1M`: whole months of the calendar; several are counted from January of the year 0, so `3mo`
///   are quarters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Every(Length);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// Always as long.
    Seconds(i64),
    /// As long as the calendar says.
    Months(i64),
}

impl Every {
    /// Windows of whole hours of the clock.
    pub const HOUR: Self = Self(Length::Seconds(HOUR));

    /// A fixed length in seconds.
    ///
    /// Fails when it neither divides the day nor is of whole days.
    pub fn seconds(seconds: i64) -> Result<Self> {
        let fits = seconds > 0 && (DAY % seconds == 0 || (seconds % DAY == 0 && seconds <= 366 * DAY));
        if fits { Ok(Self(Length::Seconds(seconds))) } else { Err(refused(&Span { seconds }.to_string())) }
    }

    /// The greatest border of the grid that is not after `instant`.
    pub fn floor(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        match self.0 {
            Length::Seconds(length) => {
                let first = if length % WEEK == 0 { FIRST_MONDAY } else { 0 };
                let index = (instant.timestamp() - first).div_euclid(length);
                DateTime::from_timestamp(index * length + first, 0).unwrap_or(DateTime::<Utc>::MIN_UTC)
            }
            Length::Months(length) => first_of(months(instant).div_euclid(length) * length),
        }
    }

    /// The least border of the grid that is after `instant`.
    pub fn after(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let floor = self.floor(instant);
        match self.0 {
            Length::Seconds(length) => {
                DateTime::from_timestamp(floor.timestamp() + length, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
            }
            Length::Months(length) => first_of(months(floor) + length),
        }
    }

    /// The window of the grid that ends at `border`, which must be one.
    pub fn before(self, border: DateTime<Utc>) -> Result<Window> {
        Window::new(self.floor(border - chrono::TimeDelta::seconds(1)), border)
    }

    /// Whether an instant is a border of the grid.
    pub fn is_border(self, instant: DateTime<Utc>) -> bool {
        self.floor(instant) == instant
    }

    /// Whether all borders are on the hour, as `select: path` needs.
    pub fn is_of_whole_hours(self) -> bool {
        match self.0 {
            Length::Seconds(length) => length % HOUR == 0,
            Length::Months(_) => true,
        }
    }

    /// Seconds of the shortest window.
    pub fn shortest(self) -> i64 {
        match self.0 {
            Length::Seconds(length) => length,
            Length::Months(length) => length * 28 * DAY,
        }
    }

    /// The windows between two instants. The first and the last are parts of a window when the instants are no borders.
    /// Nothing when `to` is not after `from`.
    pub fn tiles(self, from: DateTime<Utc>, to: DateTime<Utc>) -> Tiles {
        Tiles { every: self, next: from, end: to }
    }
}

/// Splits `[from, to)` into windows of the grid, oldest first. They tile it exactly.
///
/// Fails with [`ErrorKind::Usage`] when an end is no border of the grid (and names the nearest), when `to` is not after
/// `from`, and beyond 100,000 windows.
pub fn split(from: DateTime<Utc>, to: DateTime<Utc>, every: Every) -> Result<Tiles> {
    let whole = Window::new(from, to)?;
    for (name, instant) in [("from", from), ("to", to)] {
        if !every.is_border(instant) {
            let (before, after) = (every.floor(instant), every.after(instant));
            return Err(Error::new(ErrorKind::Usage, "split into windows")
                .with("every", every)
                .with(name, text::instant(instant))
                .hint(format!(
                    "windows of {every} start at {} or {}: write one of them",
                    text::instant(before),
                    text::instant(after)
                )));
        }
    }
    let windows = match every.0 {
        Length::Seconds(length) => (to - from).num_seconds() / length,
        Length::Months(length) => (months(to) - months(from)) / length,
    };
    if windows as u64 > MAX_WINDOWS {
        return Err(Error::new(ErrorKind::Usage, "split into windows")
            .with("window", whole)
            .with("every", every)
            .with("windows", windows)
            .with("limit", MAX_WINDOWS)
            .hint("take longer windows, or a part of the time"));
    }
    Ok(every.tiles(from, to))
}

/// Windows one after the other, without gaps; see [`Every::tiles`].
#[derive(Clone, Debug)]
pub struct Tiles {
    every: Every,
    next: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Iterator for Tiles {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        if self.next >= self.end {
            return None;
        }
        let window = Window { start: self.next, end: self.every.after(self.next).min(self.end) };
        self.next = window.end;
        Some(window)
    }
}

/// Months since the year 0.
fn months(instant: DateTime<Utc>) -> i64 {
    i64::from(instant.year()) * 12 + i64::from(instant.month0())
}

/// Midnight of the first day of a month, counted as [`months`] does.
fn first_of(month: i64) -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(month.div_euclid(12) as i32, month.rem_euclid(12) as u32 + 1, 1);
    let midnight = day.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|midnight| midnight.and_utc());
    midnight.unwrap_or(if month < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC })
}

fn refused(text: &str) -> Error {
    Error::new(ErrorKind::Usage, "read the length of windows").with("every", text).hint(FORMS)
}

impl FromStr for Every {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let number = |digits: &str| digits.parse::<i64>().ok().filter(|number| (1..=1_200).contains(number));
        let iso = text.strip_prefix('P').filter(|rest| !rest.contains('T'));
        let months = match (text.strip_suffix("mo"), text.strip_suffix('y'), iso) {
            (Some(months), ..) => number(months),
            (_, Some(years), _) => number(years).map(|years| years * 12),
            (.., Some(iso)) => match (iso.strip_suffix('M'), iso.strip_suffix('Y')) {
                (Some(months), _) => number(months),
                (_, Some(years)) => number(years).map(|years| years * 12),
                _ => None,
            },
            _ => None,
        };
        if let Some(months) = months {
            return Ok(Self(Length::Months(months)));
        }
        let span: Span = text.parse().map_err(|_| refused(text))?;
        Self::seconds(span.seconds).map_err(|_| refused(text))
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Length::Seconds(length) if length % WEEK == 0 => write!(f, "{}w", length / WEEK),
            Length::Seconds(seconds) => Span { seconds }.fmt(f),
            Length::Months(months) if months % 12 == 0 => write!(f, "{}y", months / 12),
            Length::Months(months) => write!(f, "{months}mo"),
        }
    }
}

impl TryFrom<String> for Every {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|_: Error| format!("`{text}` is not a length of windows; {FORMS}"))
    }
}

impl From<Every> for String {
    fn from(every: Every) -> Self {
        every.to_string()
    }
}

impl JsonSchema for Every {
    fn schema_name() -> Cow<'static, str> {
        "Every".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of windows such as 15m, 1h, 1d, 1w or 1mo.",
            "type": "string",
            "pattern": "^(P[0-9DTHMSWY]+|([0-9]+(s|m|h|d|w|mo|y))+)$"
        })
    }
}

impl Window {
    /// The last whole span before `now`, counted from 1970-01-01T00:00Z: the last full hour of the clock for `1h`, the
    /// day before for `1d`. Whole weeks begin on Monday, as those of [`Every`] do. Runs that start a little early or late take the same window, and consecutive ones tile.
    pub fn last(span: Span, now: DateTime<Utc>) -> Result<Self> {
        let length = TimeDelta::try_seconds(span.seconds).filter(|length| *length > TimeDelta::zero());
        let wrong =
            || interval::refused(&span.to_string(), "a span is longer than nothing and reaches back to 1970 at most");
        let end = match Every::seconds(span.seconds) {
            Ok(every) => every.floor(now),
            Err(_) => length.and_then(|length| now.duration_trunc(length).ok()).ok_or_else(wrong)?,
        };
        let start = length.and_then(|length| end.checked_sub_signed(length)).ok_or_else(wrong)?;
        Self::new(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse::<crate::window::Instant>().unwrap().0
    }

    fn every(text: &str) -> Every {
        text.parse().unwrap()
    }

    fn pieces(from: &str, to: &str, length: &str) -> Vec<String> {
        split(instant(from), instant(to), every(length)).unwrap().map(|window| window.to_string()).collect()
    }

    #[test]
    fn the_last_span_is_the_last_whole_one() {
        let now = "2026-11-20T05:17:03.999Z".parse().unwrap();
        for (seconds, window) in [
            (3_600, "2026-11-20T04:00:00Z/2026-11-20T05:00:00Z"),
            (900, "2026-11-20T05:00:00Z/2026-11-20T05:15:00Z"),
            (86_400, "2026-11-19T00:00:00Z/2026-11-20T00:00:00Z"),
            (604_800, "2026-11-09T00:00:00Z/2026-11-16T00:00:00Z"),
        ] {
            assert_eq!(Window::last(Span { seconds }, now).unwrap().to_string(), window);
        }
        let on_the_hour = Window::last(Span { seconds: 3_600 }, instant("2026-11-20T05:00:00Z")).unwrap();
        assert_eq!(on_the_hour.to_string(), "2026-11-20T04:00:00Z/2026-11-20T05:00:00Z");
        for seconds in [0, i64::MAX, 60 * 365 * 86_400] {
            assert_eq!(Window::last(Span { seconds }, now).unwrap_err().kind(), ErrorKind::Usage, "{seconds}");
        }
    }

    #[test]
    fn lengths_are_read_and_printed() {
        for (text, printed) in [
            ("1h", "1h"),
            ("60m", "1h"),
            ("PT15M", "15m"),
            ("90s", "90s"),
            ("24h", "1d"),
            ("7d", "1w"),
            ("P1W", "1w"),
            ("1mo", "1mo"),
            ("P1M", "1mo"),
            ("3mo", "3mo"),
            ("P1Y", "1y"),
            ("12mo", "1y"),
        ] {
            assert_eq!(every(text).to_string(), printed, "{text}");
            assert_eq!(every(printed), every(text));
        }
        for wrong in ["", "0h", "7h", "25h", "1.5h", "-1h", "h", "mo", "0mo", "1moo", "99999mo", "P", "400d", "1M"] {
            let error = wrong.parse::<Every>().expect_err(wrong);
            assert_eq!(error.kind(), ErrorKind::Usage, "{wrong}");
            assert!(error.hint_text().is_some_and(|hint| hint.contains("divides the day")), "{wrong}");
        }
    }

    #[test]
    fn windows_lie_on_the_calendar() {
        assert_eq!(
            pieces("2026-11-20T22", "2026-11-21", "1h"),
            ["2026-11-20T22:00:00Z/2026-11-20T23:00:00Z", "2026-11-20T23:00:00Z/2026-11-21T00:00:00Z"]
        );
        assert_eq!(
            pieces("2026-11-16", "2026-11-30", "1w"),
            ["2026-11-16T00:00:00Z/2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z/2026-11-30T00:00:00Z"]
        );
        assert_eq!(
            pieces("2028-01", "2028-04", "1mo")[1],
            "2028-02-01T00:00:00Z/2028-03-01T00:00:00Z",
            "a leap year's February"
        );
        assert_eq!(pieces("2026-10", "2027-04", "3mo").len(), 2);
        assert_eq!(pieces("2026", "2027", "1h").len(), 8_760);
    }

    #[test]
    fn ends_that_are_no_borders_are_refused_with_the_nearest() {
        for (from, to, length, hint) in [
            ("2026-11-20T05:30", "2026-11-20T07", "1h", "2026-11-20T05:00:00Z or 2026-11-20T06:00:00Z"),
            ("2026-11-20T05", "2026-11-20T07:10", "15m", "2026-11-20T07:00:00Z or 2026-11-20T07:15:00Z"),
            ("2026-11-20", "2026-11-30", "1w", "2026-11-16T00:00:00Z or 2026-11-23T00:00:00Z"),
            ("2026-11-20", "2026-12", "1mo", "2026-11-01T00:00:00Z or 2026-12-01T00:00:00Z"),
        ] {
            let error = split(instant(from), instant(to), every(length)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.hint_text().unwrap().contains(hint), "{error}: {:?}", error.hint_text());
        }
        let error = split(instant("2026-11-21"), instant("2026-11-20"), Every::HOUR).unwrap_err();
        assert!(error.hint_text().unwrap().contains("after its start"));
        let error = split(instant("2000"), instant("2026"), every("1m")).unwrap_err();
        assert!(error.to_string().contains("limit=100000"), "{error}");
    }

    #[test]
    fn what_is_between_is_tiled_with_parts_at_its_ends() {
        let tiles: Vec<String> = Every::HOUR
            .tiles(instant("2026-11-20T05:20"), instant("2026-11-20T07:10"))
            .map(|window| window.to_string())
            .collect();
        assert_eq!(
            tiles,
            [
                "2026-11-20T05:20:00Z/2026-11-20T06:00:00Z",
                "2026-11-20T06:00:00Z/2026-11-20T07:00:00Z",
                "2026-11-20T07:00:00Z/2026-11-20T07:10:00Z"
            ]
        );
        assert_eq!(Every::HOUR.tiles(instant("2026-11-21"), instant("2026-11-20")).count(), 0);
    }

    fn any_every() -> impl Strategy<Value = Every> {
        let lengths = ["90s", "1m", "15m", "1h", "6h", "12h", "1d", "2d", "1w", "2w", "1mo", "2mo", "3mo", "1y", "5mo"];
        prop::sample::select(lengths.to_vec()).prop_map(every)
    }

    proptest! {
        #[test]
        fn windows_tile_exactly(every in any_every(), from in 0i64..4_000_000_000, windows in 1usize..200) {
            let from = every.floor(DateTime::from_timestamp(from, 0).unwrap());
            let from = if from.timestamp() < 0 { every.after(from) } else { from };
            let to = (0..windows).fold(from, |border, _| every.after(border));
            let tiles: Vec<Window> = split(from, to, every).unwrap().collect();
            prop_assert_eq!(tiles.len(), windows);
            prop_assert_eq!((tiles[0].start, tiles[windows - 1].end), (from, to));
            for pair in tiles.windows(2) {
                prop_assert_eq!(pair[0].end, pair[1].start);
            }
            for window in tiles {
                prop_assert!(Window::new(window.start, window.end).is_ok());
                prop_assert_eq!(every.before(window.end).unwrap(), window);
            }
        }

        #[test]
        fn an_instant_lies_in_the_window_around_it(every in any_every(), at in 0i64..4_000_000_000, msec in 0u32..1_000) {
            let at = DateTime::from_timestamp(at, msec * 1_000_000).unwrap();
            let (floor, after) = (every.floor(at), every.after(at));
            prop_assert!(floor <= at && at < after);
            prop_assert_eq!(every.floor(floor), floor);
            prop_assert_eq!(every.floor(after - chrono::TimeDelta::nanoseconds(1)), floor);
            prop_assert!((after - floor).num_seconds() >= every.shortest());
        }
    }
}
