//! Raw clickstream batches made from a seed: the same settings give the same bytes, whatever the number of threads.

mod damage;
mod device;
mod event;
mod object;
mod request;
mod session;

pub use device::APPS;
pub use object::Totals;

use crate::calendar::{DAY_MSEC, HOUR_MSEC, civil};
use etl_sdk::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Events of an object of about 30 MB of raw lines, half of them packed.
const EVENTS_PER_OBJECT: u64 = 29_000;

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Elements of readable payloads, damaged ones included.
    pub events: u64,
    /// Objects to spread them over; `None` for about 30 MB of lines each.
    pub objects: Option<u64>,
    /// Users to draw from; `None` for one per 45 events.
    pub users: Option<u64>,
    /// Everything depends on it.
    pub seed: u64,
    /// Share of damaged events, and of damaged requests added to the good ones; 0 to 1.
    pub bad: f64,
    /// Start of the day of the events, in epoch milliseconds.
    pub day: i64,
    /// Files are modified within `[start, end)`, in epoch milliseconds; `None` for the day.
    pub modified: Option<(i64, i64)>,
    /// Threads that write objects.
    pub threads: usize,
    /// Folder that `year=…/month=…/day=…/hour=…/` are made in.
    pub folder: PathBuf,
}

impl Settings {
    /// Settings for a number of events, with everything else as the benchmark has it.
    pub fn new(events: u64, folder: &Path) -> Self {
        Self {
            events,
            objects: None,
            users: None,
            seed: 1,
            bad: 0.005,
            day: crate::calendar::midnight(2026, 11, 20),
            modified: None,
            threads: 2,
            folder: folder.to_owned(),
        }
    }

    /// Number of objects.
    pub fn object_count(&self) -> u64 {
        self.objects.unwrap_or_else(|| self.events.div_ceil(EVENTS_PER_OBJECT)).max(1)
    }

    /// Number of users to draw from.
    pub fn user_count(&self) -> u64 {
        self.users.unwrap_or(self.events / 45).max(1)
    }
}

/// One object to write: its place in time and its share of the events.
#[derive(Clone, Debug, PartialEq)]
struct ObjectPlan {
    number: u64,
    events: u64,
    /// Requests arrive within `[start, end)`.
    start: i64,
    end: i64,
    modified: i64,
    path: PathBuf,
}

/// Writes all objects and returns what is in them.
pub fn generate(settings: &Settings) -> Result<Totals> {
    if !(0.0..=0.5).contains(&settings.bad) {
        return Err(Error::config("generate events").with("bad", settings.bad).hint("write a share from 0% to 50%"));
    }
    let plans = plan(settings);
    let next = AtomicU64::new(0);
    let work = || -> Result<Totals> {
        let mut totals = Totals::default();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed) as usize;
            match plans.get(place) {
                Some(plan) => totals.add(&object::write(settings, plan)?),
                None => return Ok(totals),
            }
        }
    };
    let threads = settings.threads.clamp(1, plans.len());
    let results: Vec<Result<Totals>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|_| Err(Error::internal("generate events: a thread died"))))
            .collect()
    });
    let mut totals = Totals::default();
    for result in results {
        totals.add(&result?);
    }
    Ok(totals)
}

fn plan(settings: &Settings) -> Vec<ObjectPlan> {
    let count = settings.object_count();
    let (modified_start, modified_end) = settings.modified.unwrap_or((settings.day, settings.day + DAY_MSEC));
    let share = |length: i64, number: u64| (i128::from(length) * i128::from(number) / i128::from(count)) as i64;
    (0..count)
        .map(|number| {
            let start = settings.day + share(DAY_MSEC, number);
            let end = settings.day + share(DAY_MSEC, number + 1);
            // An object is named after the hour in which it is written.
            let (year, month, day) = civil(end - 1);
            let hour = (end - 1).rem_euclid(DAY_MSEC) / HOUR_MSEC;
            let tail = crate::random::Random::new(settings.seed, (2 << 40) | number).bits();
            ObjectPlan {
                number,
                events: settings.events * (number + 1) / count - settings.events * number / count,
                start,
                end,
                // Within the window even for its last object.
                modified: modified_start + share(modified_end - modified_start, number + 1) - 1,
                path: settings.folder.join(format!(
                    "year={year:04}/month={month:02}/day={day:02}/hour={hour:02}/{}-{:08x}-{:04x}-4{:03x}-8000-{number:012x}.log.gz",
                    (end - 1) / 1_000,
                    tail >> 32,
                    (tail >> 16) & 0xffff,
                    tail & 0xfff,
                )),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
