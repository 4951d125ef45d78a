//! The time zone of the hours in paths.

use arrow::array::timezone::Tz;
use chrono::{DateTime, Offset, TimeZone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::str::FromStr;

const HOUR: i64 = 3_600;

/// A time zone by its name in the IANA database, or a fixed distance from UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PathZone {
    /// UTC.
    #[default]
    Utc,
    /// Another one.
    Other(Zone),
}

/// See [`PathZone::Other`].
#[derive(Clone, Copy, Debug)]
pub struct Zone(Tz);

/// Arrow's zones cannot be compared; their clocks are the same when they print the same.
impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        format!("{:?}", self.0) == format!("{:?}", other.0)
    }
}

impl Eq for Zone {}

impl FromStr for PathZone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if matches!(text, "UTC" | "Z" | "+00:00") {
            return Ok(Self::Utc);
        }
        match text.parse() {
            Ok(zone) => Ok(Self::Other(Zone(zone))),
            Err(_) => Err(format!("`{text}` is no time zone; write UTC, a name such as Asia/Tokyo, or +09:00")),
        }
    }
}

impl TryFrom<String> for PathZone {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PathZone> for String {
    fn from(zone: PathZone) -> Self {
        match zone {
            PathZone::Utc => "UTC".to_owned(),
            PathZone::Other(Zone(zone)) => zone.to_string(),
        }
    }
}

impl JsonSchema for PathZone {
    fn schema_name() -> Cow<'static, str> {
        "PathZone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "`UTC`, a name of the IANA database such as `Asia/Tokyo`, or a fixed distance such as `+09:00`."
        })
    }
}

impl PathZone {
    /// Seconds that its clocks are ahead of UTC at an instant.
    pub(super) fn offset_at(self, seconds: i64) -> i64 {
        match (self, DateTime::from_timestamp(seconds, 0)) {
            (Self::Other(Zone(zone)), Some(instant)) => {
                i64::from(zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc())
            }
            _ => 0,
        }
    }

    /// The instant, in seconds since 1970, at which an hour of its clocks begins for the first time. Hours are counted
    /// since 1970 on the same clocks. One that clocks leave out begins when they do.
    pub(super) fn begin_of(self, hour: i64) -> i64 {
        let local = hour * HOUR;
        // No zone is further from UTC than a day, and none changes its clocks twice within two.
        let (before, after) = (self.offset_at(local - 24 * HOUR), self.offset_at(local + 24 * HOUR));
        let first = local - before.max(after);
        if self.offset_at(first) == before.max(after) { first } else { local - before.min(after) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(text: &str) -> PathZone {
        text.parse().unwrap()
    }

    fn seconds(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp()
    }

    #[test]
    fn zones_are_names_or_distances() {
        for (text, hours) in
            [("UTC", 0.0), ("Z", 0.0), ("Asia/Tokyo", 9.0), ("+09:00", 9.0), ("Asia/Kolkata", 5.5), ("-03:30", -3.5)]
        {
            assert_eq!(zone(text).offset_at(1_800_000_000), (hours * 3_600.0) as i64, "{text}");
        }
        for wrong in ["", "Tokyo", "9", "GMT+9", "+25:00", "Asia/Tokyo "] {
            assert!(wrong.parse::<PathZone>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_hour_begins_once_though_clocks_change() {
        let berlin = zone("Europe/Berlin");
        let hour = |local: &str| seconds(local) / 3_600;
        for (local, utc) in [
            ("2026-11-20T05:00:00Z", "2026-11-20T04:00:00Z"),
            ("2026-07-20T05:00:00Z", "2026-07-20T03:00:00Z"),
            // Clocks go back from 03:00 to 02:00: there are two hours of that name.
            ("2026-10-25T02:00:00Z", "2026-10-25T00:00:00Z"),
            ("2026-10-25T03:00:00Z", "2026-10-25T02:00:00Z"),
            // Clocks go forward from 02:00 to 03:00: there is no such hour.
            ("2026-03-29T02:00:00Z", "2026-03-29T01:00:00Z"),
            ("2026-03-29T03:00:00Z", "2026-03-29T01:00:00Z"),
        ] {
            assert_eq!(berlin.begin_of(hour(local)), seconds(utc), "{local}");
        }
        assert_eq!(zone("Asia/Kolkata").begin_of(hour("2026-11-20T05:00:00Z")), seconds("2026-11-19T23:30:00Z"));
    }
}
