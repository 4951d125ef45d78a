//! Days and instants in UTC, as far as the generator writes and reads them.

use etl_sdk::{Error, ErrorKind, Result};
use std::fmt::Write;

/// Milliseconds of a day.
pub const DAY_MSEC: i64 = 86_400_000;
/// Milliseconds of an hour.
pub const HOUR_MSEC: i64 = 3_600_000;

/// Year, month and day of an instant in epoch milliseconds. Proleptic Gregorian; the days-to-civil rule counts years
/// from March, so that the leap day is a year's last.
pub fn civil(msec: i64) -> (i64, u32, u32) {
    let days = msec.div_euclid(DAY_MSEC) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Epoch milliseconds of a day's start.
pub fn midnight(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) * DAY_MSEC
}

/// Reads `2026-11-20` or `2026-11-20T05:30Z` (seconds may follow) as epoch milliseconds.
pub fn parse_instant(text: &str) -> Result<i64> {
    let wrong = || Error::new(ErrorKind::Usage, "read an instant").with("text", text).hint("write 2026-11-20T05:00Z");
    let number = |part: Option<&str>, low: i64, high: i64| {
        part.and_then(|digits| digits.parse().ok()).filter(|value| (low..=high).contains(value)).ok_or_else(wrong)
    };
    let (date, time) = text.trim_end_matches('Z').split_once('T').unwrap_or((text, "00:00"));
    let mut date = date.splitn(3, '-');
    let year = number(date.next(), 1, 9_999)?;
    let month = number(date.next(), 1, 12)? as u32;
    let day = number(date.next(), 1, 31)? as u32;
    let mut clock = time.splitn(3, ':');
    let hour = number(clock.next(), 0, 23)?;
    let minute = number(clock.next().or(Some("0")), 0, 59)?;
    let second = number(clock.next().or(Some("0")), 0, 59)?;
    let start = midnight(year, month, day);
    if civil(start) != (year, month, day) {
        return Err(wrong());
    }
    Ok(start + hour * HOUR_MSEC + minute * 60_000 + second * 1_000)
}

/// Appends `2026-11-20T05:30:00.123Z`.
pub fn write_instant(out: &mut String, msec: i64) {
    let (year, month, day) = civil(msec);
    let time = msec.rem_euclid(DAY_MSEC);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        time / HOUR_MSEC,
        time / 60_000 % 60,
        time / 1_000 % 60,
        time % 1_000
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_go_both_ways() {
        for (text, msec) in [
            ("1970-01-01T00:00Z", 0),
            ("2026-11-20", 1_795_132_800_000),
            ("2024-02-29T23:59:59Z", 1_709_251_199_000),
            ("1969-12-31T23:00Z", -3_600_000),
        ] {
            assert_eq!(parse_instant(text).unwrap(), msec, "{text}");
            let mut printed = String::new();
            write_instant(&mut printed, msec);
            assert_eq!(parse_instant(&printed.replace(".000", "")).unwrap(), msec, "{printed}");
        }
        for wrong in ["", "2026", "2026-13-01", "2026-02-30", "2026-11-20T24:00", "x-y-z"] {
            assert!(parse_instant(wrong).is_err(), "{wrong}");
        }
    }
}
