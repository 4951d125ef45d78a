//! Event times: the shift by the client's clock error, and how instants are printed.

use std::fmt::Write;

/// Client and server clocks may differ by this much before events are moved, milliseconds.
const CLOCK_TOLERANCE_MSEC: i64 = 600_000;

/// What the time rules know of a request and an event; epoch milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    pub event: i64,
    pub ingest: i64,
    /// When the client says it sent the request.
    pub upload: Option<i64>,
    /// The same from the request uri; only looked at when events may move.
    pub upload_in_uri: Option<i64>,
    pub now: i64,
}

/// Where an event's time ends up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shift {
    /// Milliseconds added to the event's times.
    pub delta: i64,
    /// When the client says it sent the request, as far as it was looked at.
    pub upload: Option<i64>,
    /// Why the event was moved; `None` when it was not.
    pub reason: Option<String>,
}

/// The reference's rule: events are moved when the clocks differ by more than ten minutes (if `enabled`), and in any
/// case when they lie in the future.
pub(crate) fn shift(clocks: &Clocks, enabled: bool) -> Shift {
    let future = clocks.event > clocks.now;
    if !enabled && !future {
        return Shift { delta: 0, upload: clocks.upload, reason: None };
    }
    let upload = clocks.upload.or(clocks.upload_in_uri);
    let mut moved = Shift { delta: 0, upload, reason: None };
    if let Some(upload) = upload {
        let ahead = clocks.ingest.saturating_sub(upload);
        if ahead.saturating_abs() > CLOCK_TOLERANCE_MSEC || future {
            moved.delta = ahead;
            moved.reason =
                Some(format!("ingestTimestamp is {ahead} millis ahead of uploadTimestamp, isFutureEvent: {future}"));
        }
    }
    if clocks.event.saturating_add(moved.delta) > clocks.now {
        moved.delta = clocks.ingest.saturating_sub(clocks.event);
        let before = moved.reason.take().unwrap_or_default();
        moved.reason = Some(format!("{before}|eventTimestamp is in the future, set to ingestTimestamp"));
    }
    moved
}

/// Appends an instant as Java prints it: `2023-08-08T08:03:16Z`, with three digits of fraction when it has any.
pub(crate) fn write_instant(msec: i64, out: &mut String) {
    let days = msec.div_euclid(86_400_000);
    let (year, month, day) = civil_date(days);
    let of_day = msec.rem_euclid(86_400_000);
    let (seconds, fraction) = (of_day / 1_000, of_day % 1_000);
    // Writing to a String cannot fail. Java puts a plus before years of more than four digits.
    let _ = match year {
        10_000.. => write!(out, "+{year}"),
        0..=9_999 => write!(out, "{year:04}"),
        _ => write!(out, "-{:04}", -year),
    };
    let _ = write!(out, "-{month:02}-{day:02}T{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        let _ = write!(out, ".{fraction:03}");
    }
    out.push('Z');
}

/// Year, month and day of a day number (0 is 1970-01-01), proleptic Gregorian.
/// The arithmetic is Howard Hinnant's `civil_from_days`: years begin in March, eras have 400 years.
pub(crate) fn civil_date(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(msec: i64) -> String {
        let mut out = String::new();
        write_instant(msec, &mut out);
        out
    }

    #[test]
    fn instants_print_as_java_prints_them() {
        for (msec, text) in [
            (1_682_319_109_403, "2023-04-24T06:51:49.403Z"),
            (1_691_481_796_000, "2023-08-08T08:03:16Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00Z"),
            (253_402_300_800_000, "+10000-01-01T00:00:00Z"),
        ] {
            assert_eq!(printed(msec), text);
        }
    }

    #[test]
    fn events_move_only_when_they_must() {
        let clocks =
            Clocks { event: 1_000, ingest: 2_000_000, upload: Some(1_000_000), upload_in_uri: Some(5), now: 9_000_000 };
        assert_eq!(shift(&clocks, false), Shift { delta: 0, upload: Some(1_000_000), reason: None });
        let moved = shift(&clocks, true);
        assert_eq!(moved.delta, 1_000_000);
        let near = Clocks { upload: Some(1_400_000), ..clocks };
        assert_eq!(shift(&near, true), Shift { delta: 0, upload: Some(1_400_000), reason: None });
        let future = Clocks { event: 9_500_000, upload: None, upload_in_uri: None, ..clocks };
        let moved = shift(&future, false);
        assert_eq!(
            (moved.delta, moved.reason.as_deref()),
            (-7_500_000, Some("|eventTimestamp is in the future, set to ingestTimestamp"))
        );
    }
}
