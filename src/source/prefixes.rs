//! Which path prefixes a window can have objects under, and the hour an object's path names.

use super::config::{Layout, Select, SourceConfig};
use super::zone::PathZone;
use crate::window::Window;
use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use std::ops::Range;

const HOUR: i64 = 3_600;
const DAY_HOURS: i64 = 24;

/// With more hours than this of one day, the day is listed as a whole and the other hours are left out afterwards:
/// one request more rarely costs less than a thousand keys, and a listing per hour would.
const HOURS_PER_LISTED_DAY: i64 = 6;

/// The hours since 1970, on the clocks of the paths, whose prefixes are looked into. Looking back and ahead only widens
/// this range, never the window.
pub(super) fn hours(window: &Window, config: &SourceConfig) -> Range<i64> {
    let (start, end) = (window.start.timestamp(), window.end.timestamp());
    let (start, end) = match config.select {
        Select::Modified => (
            start.saturating_sub(config.look_back.seconds).max(0),
            end.saturating_add(config.look_ahead.seconds.max(0)),
        ),
        Select::Path => (start, end),
    };
    hours_between(start, end, config.path_time_zone)
}

/// The hours since 1970 on the clocks of a zone that instants of a range are in.
fn hours_between(start: i64, end: i64, zone: PathZone) -> Range<i64> {
    // Where clocks change in between, both offsets count.
    let (first, last) = (zone.offset_at(start), zone.offset_at(end));
    let (start, end) = (start + first.min(last), end.saturating_add(first.max(last)));
    start.div_euclid(HOUR)..end.saturating_add(HOUR - 1).div_euclid(HOUR)
}

/// The prefixes below the source's own that hold these hours, without a slash at the end; disjoint.
pub(super) fn prefixes(layout: Layout, hours: &Range<i64>) -> Vec<String> {
    let mut prefixes = Vec::new();
    let mut hour = hours.start;
    while hour < hours.end {
        let next_day = (hour.div_euclid(DAY_HOURS) + 1) * DAY_HOURS;
        let stop = next_day.min(hours.end);
        if layout == Layout::Flat {
            return vec![String::new()];
        }
        if stop - hour > HOURS_PER_LISTED_DAY {
            prefixes.extend(day_prefix(layout, hour));
        } else {
            prefixes.extend((hour..stop).filter_map(|hour| hour_prefix(layout, hour)));
        }
        hour = stop;
    }
    prefixes
}

/// An hour of the source's paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourFolder {
    /// Year, month, day and hour, as the path has them.
    pub values: [String; 4],
    /// Its folder below the source's url, without a slash at the end.
    pub folder: String,
}

/// The hours of a window on the clocks of the paths; none of a layout without hours.
pub fn hour_folders(layout: Layout, zone: PathZone, window: &Window) -> impl Iterator<Item = HourFolder> {
    let hours = match layout {
        Layout::Flat => 0..0,
        Layout::HiveHourly | Layout::FirehoseHourly => {
            hours_between(window.start.timestamp(), window.end.timestamp(), zone)
        }
    };
    hours.filter_map(move |hour| {
        let instant = DateTime::from_timestamp(hour * HOUR, 0)?;
        let values = [
            format!("{:04}", instant.year()),
            format!("{:02}", instant.month()),
            format!("{:02}", instant.day()),
            format!("{:02}", instant.hour()),
        ];
        Some(HourFolder { values, folder: hour_prefix(layout, hour)? })
    })
}

fn day_prefix(layout: Layout, hour: i64) -> Option<String> {
    let day = DateTime::from_timestamp(hour * HOUR, 0)?;
    let (year, month, day) = (day.year(), day.month(), day.day());
    Some(match layout {
        Layout::HiveHourly => format!("year={year:04}/month={month:02}/day={day:02}"),
        Layout::FirehoseHourly => format!("{year:04}/{month:02}/{day:02}"),
        Layout::Flat => String::new(),
    })
}

fn hour_prefix(layout: Layout, hour: i64) -> Option<String> {
    let of_day = DateTime::from_timestamp(hour * HOUR, 0)?.hour();
    let day = day_prefix(layout, hour)?;
    Some(match layout {
        Layout::HiveHourly => format!("{day}/hour={of_day:02}"),
        Layout::FirehoseHourly => format!("{day}/{of_day:02}"),
        Layout::Flat => day,
    })
}

/// The hour since 1970, on the clocks of the paths, that a key below the source's prefix names, `None` when it is not of this layout.
pub(super) fn hour_of(layout: Layout, key: &str) -> Option<i64> {
    let names = match layout {
        Layout::HiveHourly => ["year=", "month=", "day=", "hour="],
        Layout::FirehoseHourly => [""; 4],
        Layout::Flat => return None,
    };
    let mut parts = key.split('/');
    let mut number = |name: &str, width: usize| {
        let digits = parts.next()?.strip_prefix(name)?;
        let is_number = digits.len() == width && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { digits.parse::<u32>().ok() } else { None }
    };
    let (year, month) = (number(names[0], 4)?, number(names[1], 2)?);
    let (day, hour) = (number(names[2], 2)?, number(names[3], 2)?);
    let instant = NaiveDate::from_ymd_opt(year as i32, month, day)?.and_hms_opt(hour, 0, 0)?;
    // A key that ends with the hour is an object beside the folder of that name.
    parts.next()?;
    Some(instant.and_utc().timestamp().div_euclid(HOUR))
}

#[cfg(test)]
mod tests {
    use super::super::tests::hourly;
    use super::*;
    use crate::text::Span;
    use proptest::prelude::*;

    fn prefixes_of(window: &str, layout: Layout, select: Select, look_back: i64) -> Vec<String> {
        let config = SourceConfig { layout, select, look_back: Span { seconds: look_back }, ..hourly() };
        prefixes(layout, &hours(&Window::parse(window).unwrap(), &config))
    }

    #[test]
    fn an_hour_is_listed_with_its_look_back_and_one_hour_ahead() {
        assert_eq!(
            prefixes_of("2026-11-20T00/PT1H", Layout::FirehoseHourly, Select::Modified, 7_200),
            ["2026/11/19/22", "2026/11/19/23", "2026/11/20/00", "2026/11/20/01"]
        );
        assert_eq!(
            prefixes_of("2026-11-20T00/PT1H", Layout::HiveHourly, Select::Path, 7_200),
            ["year=2026/month=11/day=20/hour=00"]
        );
    }

    #[test]
    fn paths_in_another_zone_are_listed_by_its_hours() {
        let of = |zone: &str, select, window: &str| {
            let path_time_zone = zone.parse().unwrap();
            let none = Span { seconds: 0 };
            let config = SourceConfig { select, look_back: none, look_ahead: none, path_time_zone, ..hourly() };
            prefixes(Layout::FirehoseHourly, &hours(&Window::parse(window).unwrap(), &config))
        };
        let window = "2026-11-20T20/PT1H";
        assert_eq!(of("Asia/Tokyo", Select::Modified, window), ["2026/11/21/05"]);
        assert_eq!(of("Asia/Tokyo", Select::Path, window), ["2026/11/21/05"]);
        assert_eq!(of("Asia/Kolkata", Select::Modified, window), ["2026/11/21/01", "2026/11/21/02"]);
        assert_eq!(of("-05:00", Select::Modified, window), ["2026/11/20/15"]);
        // Clocks go back at 01:00 UTC.
        let changing = of("Europe/Berlin", Select::Modified, "2026-10-25T00/PT2H");
        assert_eq!(changing, ["2026/10/25/01", "2026/10/25/02", "2026/10/25/03"]);
    }

    #[test]
    fn long_windows_are_listed_by_day() {
        assert_eq!(
            prefixes_of("2026-11-20/2026-11-22", Layout::HiveHourly, Select::Modified, 3_600),
            [
                "year=2026/month=11/day=19/hour=23",
                "year=2026/month=11/day=20",
                "year=2026/month=11/day=21",
                "year=2026/month=11/day=22/hour=00"
            ]
        );
        assert_eq!(prefixes_of("2026/2028", Layout::Flat, Select::Modified, 0), [""]);
    }

    #[test]
    fn only_whole_hours_of_the_layout_are_read_from_a_key() {
        let hour = Window::parse("2026-11-20T05").unwrap().start.timestamp() / 3_600;
        assert_eq!(hour_of(Layout::HiveHourly, "year=2026/month=11/day=20/hour=05/a.gz"), Some(hour));
        assert_eq!(hour_of(Layout::FirehoseHourly, "2026/11/20/05/deeper/a.gz"), Some(hour));
        for key in [
            "year=2026/month=11/day=20/hour=5/a",
            "year=2026/month=11/day=20/a",
            "year=2026/month=11/day=20/hour=05",
            "year=2026/month=13/day=20/hour=05/a",
            "year=2026/month=11/day=20/hour=24/a",
            "2026/11/20/05/a",
        ] {
            assert_eq!(hour_of(Layout::HiveHourly, key), None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn every_hour_lies_under_exactly_one_prefix(first in 0i64..500_000, count in 1i64..200) {
            for layout in [Layout::HiveHourly, Layout::FirehoseHourly] {
                let hours = first..first + count;
                let prefixes = prefixes(layout, &hours);
                for hour in hours.clone() {
                    let folder = format!("{}/", hour_prefix(layout, hour).unwrap());
                    let covers = prefixes.iter().filter(|prefix| folder.starts_with(&format!("{prefix}/"))).count();
                    prop_assert_eq!(covers, 1);
                    prop_assert_eq!(hour_of(layout, &format!("{folder}a")), Some(hour));
                }
                prop_assert!(prefixes.len() as i64 <= count);
            }
        }
    }
}
