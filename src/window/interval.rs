//! A window: its two ends and what they say.

use crate::text::instant;
use chrono::{DateTime, Datelike, Timelike, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A half-open span of time: `start` belongs to it, `end` does not. Both are whole seconds in UTC, since that is all
/// a bucket's modified times can tell apart.
///
/// Reads and prints as `2026-11-20T00:00:00Z/2026-11-20T01:00:00Z`; see [`Window::parse`] for the other forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    /// First instant.
    pub start: DateTime<Utc>,
    /// First instant after.
    pub end: DateTime<Utc>,
}

impl Window {
    /// The window between two instants.
    ///
    /// Fails with [`ErrorKind::Usage`] when `end` is not after `start`, when one of them has a part of a second, and
    /// outside the years 1970 to 9999.
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Self> {
        let window = Self { start, end };
        if end <= start {
            return Err(refused(
                &window.to_string(),
                "the end of a window is after its start and does not belong to it",
            ));
        }
        if start.nanosecond() != 0 || end.nanosecond() != 0 {
            return Err(refused(&format!("{start:?}/{end:?}"), "windows start and end on whole seconds"));
        }
        if start.year() < 1970 || end.year() > 9999 {
            return Err(refused(&window.to_string(), "windows lie in the years 1970 to 9999"));
        }
        Ok(window)
    }

    /// The window as part of names: `20261120T000000Z-20261120T010000Z`.
    pub fn id(&self) -> String {
        const FORM: &str = "%Y%m%dT%H%M%SZ";
        format!("{}-{}", self.start.format(FORM), self.end.format(FORM))
    }

    /// Whether an instant belongs to the window.
    pub fn contains(&self, instant: DateTime<Utc>) -> bool {
        self.start <= instant && instant < self.end
    }

    /// Whether some instant belongs to both windows.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether every instant of `other` belongs to the window.
    pub fn covers(&self, other: &Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Whether the window starts and ends on the hour.
    pub fn is_hourly(&self) -> bool {
        [self.start, self.end].iter().all(|instant| instant.timestamp() % 3_600 == 0)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", instant(self.start), instant(self.end))
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

/// An error that names the window and says what is wrong with it.
pub fn refused(window: &str, hint: &str) -> Error {
    Error::new(ErrorKind::Usage, "read the window").with("window", window).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn names_and_serialized_forms() {
        let window = Window::parse("2026-11-20T00:00Z/2026-11-20T01:00Z").unwrap();
        assert_eq!(window.id(), "20261120T000000Z-20261120T010000Z");
        let json = serde_json::to_string(&window).unwrap();
        assert_eq!(json, r#""2026-11-20T00:00:00Z/2026-11-20T01:00:00Z""#);
        assert_eq!(serde_json::from_str::<Window>(&json).unwrap(), window);
    }

    #[test]
    fn the_start_belongs_to_it_and_the_end_does_not() {
        let window = Window::parse("2026-11-20").unwrap();
        assert!(window.contains(window.start));
        assert!(window.contains(window.end - TimeDelta::nanoseconds(1)));
        assert!(!window.contains(window.end));
    }

    #[test]
    fn parts_of_seconds_are_refused() {
        let (start, end) = (instant("2026-11-20T00:00:00.5Z"), instant("2026-11-20T01:00:00Z"));
        assert_eq!(Window::new(start, end).unwrap_err().kind(), ErrorKind::Usage);
    }
}
