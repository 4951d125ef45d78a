//! How fast something goes, and when it will be done.

use crate::text::about_seconds;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The stretch of time that a rate is taken over: long enough for one slow object, short enough to follow a change.
const STRETCH: Duration = Duration::from_secs(30);

/// Before so long nothing is said: the first instants say little.
const SHORTEST: Duration = Duration::from_secs(2);

/// Samples of a count that grows.
#[derive(Debug, Default)]
pub(super) struct Pace {
    samples: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// Takes a sample. A count that is smaller than before begins anew.
    pub(super) fn note(&mut self, now: Instant, done: u64) {
        if self.samples.back().is_some_and(|(_, before)| *before > done) {
            self.samples.clear();
        }
        self.samples.push_back((now, done));
        // The first that is older than the stretch stays: it is where the stretch begins.
        while self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= STRETCH) {
            self.samples.pop_front();
        }
    }

    /// What is done in a second; `None` when too little is known.
    pub(super) fn rate(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (self.samples.front()?, self.samples.back()?);
        let elapsed = to.duration_since(*from);
        (elapsed >= SHORTEST && after > before).then(|| (after - before) as f64 / elapsed.as_secs_f64())
    }

    /// `about 12 s left`, for so much that is left.
    pub(super) fn left(&self, left: u64) -> Option<String> {
        let left = left as f64 / self.rate()?;
        (left >= 1.0).then(|| format!("about {} left", about_seconds(left)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_half_minute() {
        let begun = Instant::now();
        let mut pace = Pace::default();
        pace.note(begun, 0);
        pace.note(begun + Duration::from_secs(1), 50);
        assert_eq!((pace.rate(), pace.left(100)), (None, None), "too early");
        pace.note(begun + Duration::from_secs(10), 1_000);
        assert_eq!(pace.rate(), Some(100.0));
        assert_eq!(pace.left(6_000).unwrap(), "about 60 s left");
        assert_eq!(pace.left(12_000).unwrap(), "about 2 min 00 s left");
        assert_eq!(pace.left(50), None, "nearly done");
        // Ten times faster since then.
        for second in 11..=50 {
            pace.note(begun + Duration::from_secs(second), (second - 10) * 1_000 + 1_000);
        }
        assert_eq!(pace.rate(), Some(1_000.0));
        assert!(pace.samples.len() <= 32, "{}", pace.samples.len());
    }

    #[test]
    fn what_stands_still_or_begins_anew_has_no_rate() {
        let begun = Instant::now();
        let mut pace = Pace::default();
        for second in 0..60 {
            pace.note(begun + Duration::from_secs(second), 7);
        }
        assert_eq!((pace.rate(), pace.left(1)), (None, None));
        pace.note(begun + Duration::from_secs(61), 3);
        assert_eq!(pace.rate(), None);
    }
}
