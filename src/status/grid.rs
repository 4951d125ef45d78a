//! The windows as a calendar: a letter per hour, day or month, the worst of what lies in it.

use super::model::{StatusReport, WindowStatus};
use crate::window::Every;
use chrono::{DateTime, Datelike, Timelike, Utc};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most rows of a calendar; with more, its cells are longer.
const MAX_ROWS: usize = 62;

/// What a cell stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Hour,
    Day,
    Month,
}

/// A row's name and the place of a cell in it.
type Place = (String, usize);

/// The cells of each row, by name and place.
type Rows = BTreeMap<String, BTreeMap<usize, WindowStatus>>;

/// The calendar of a report's windows, with its legend; `paint` colours a text as its status asks for. Empty without
/// windows.
///
/// Days are rows and hours columns, unless the windows are days or the calendar would be longer than about two months: then
/// months and days, or years and months. A cell is as bad as the worst window in it.
pub fn grid(report: &StatusReport, paint: &dyn Fn(&str, WindowStatus) -> String) -> String {
    let Some((cell, rows)) = cells(report) else { return String::new() };
    let width = rows.keys().map(String::len).max().unwrap_or(0);
    let mut text = format!("{:width$}  {}\n", "", cell.header());
    let mut seen: Vec<WindowStatus> = Vec::new();
    for (name, row) in &rows {
        let mut line = format!("{name:width$}  ");
        for column in 0..cell.columns() {
            if column > 0 && column % cell.group() == 0 {
                line.push(' ');
            }
            match row.get(&column) {
                Some(status) => {
                    seen.push(*status);
                    line.push_str(&paint(&status.letter().to_string(), *status));
                }
                None => line.push(' '),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    seen.sort_unstable();
    seen.dedup();
    let legend: Vec<String> = seen
        .into_iter()
        .map(|status| format!("{} {}", paint(&status.letter().to_string(), status), status.name()))
        .collect();
    let _ = writeln!(text, "\n{:width$}  {}; UTC, {}", "", legend.join("  "), cell.explanation(is_finer(report, cell)));
    text
}

fn cells(report: &StatusReport) -> Option<(Cell, Rows)> {
    let finest = report.windows.iter().map(|window| window.window().end - window.window().start).min()?;
    let mut cell = match finest.num_hours() {
        ..24 => Cell::Hour,
        24..672 => Cell::Day,
        _ => Cell::Month,
    };
    loop {
        let rows = fill(report, cell);
        match cell.coarser().filter(|_| rows.len() > MAX_ROWS) {
            Some(coarser) => cell = coarser,
            None => return Some((cell, rows)),
        }
    }
}

fn fill(report: &StatusReport, cell: Cell) -> Rows {
    let mut rows = Rows::new();
    for reported in &report.windows {
        let window = reported.window();
        let mut cursor = cell.floor(window.start);
        // A window of many years has a cell in each row and no more: rows beyond the most are not needed to see that.
        let mut steps = 0;
        while cursor < window.end && steps < MAX_ROWS * cell.columns() * 2 {
            let (name, column) = cell.place(cursor);
            let status = rows.entry(name).or_default().entry(column).or_insert(reported.status);
            *status = (*status).max(reported.status);
            cursor = cell.after(cursor);
            steps += 1;
        }
    }
    rows
}

fn is_finer(report: &StatusReport, cell: Cell) -> bool {
    let inside = |start: DateTime<Utc>, end: DateTime<Utc>| cell.after(start) > end || cell.floor(start) < start;
    report.windows.iter().any(|window| inside(window.window().start, window.window().end))
}

impl Cell {
    fn coarser(self) -> Option<Self> {
        match self {
            Self::Hour => Some(Self::Day),
            Self::Day => Some(Self::Month),
            Self::Month => None,
        }
    }

    fn floor(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        self.every().map_or(instant, |every| every.floor(instant))
    }

    fn after(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        self.every().map_or(DateTime::<Utc>::MAX_UTC, |every| every.after(instant))
    }

    fn every(self) -> Option<Every> {
        match self {
            Self::Hour => Some(Every::HOUR),
            Self::Day => "1d".parse().ok(),
            Self::Month => "1mo".parse().ok(),
        }
    }

    fn place(self, instant: DateTime<Utc>) -> Place {
        match self {
            Self::Hour => (instant.format("%Y-%m-%d").to_string(), instant.hour() as usize),
            Self::Day => (instant.format("%Y-%m").to_string(), instant.day0() as usize),
            Self::Month => (instant.format("%Y").to_string(), instant.month0() as usize),
        }
    }

    fn columns(self) -> usize {
        match self {
            Self::Hour => 24,
            Self::Day => 31,
            Self::Month => 12,
        }
    }

    fn group(self) -> usize {
        match self {
            Self::Hour => 6,
            Self::Day => 5,
            Self::Month => 3,
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::Hour => "00     06     12     18",
            Self::Day => "01    06    11    16    21    26    31",
            Self::Month => "01  04  07  10",
        }
    }

    fn explanation(self, is_finer: bool) -> String {
        let unit = match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        };
        let zoom = if self == Self::Hour { "" } else { "; --from and --to show a part by its hours" };
        if is_finer {
            format!("a letter per {unit}: the worst of its windows{zoom}")
        } else {
            format!("a letter per {unit}")
        }
    }
}
