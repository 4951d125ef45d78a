//! One listing for many windows: what the store shows of a stretch of time is kept for a while, and each window of it
//! takes its own from there. A window gets what a listing of its own would have shown at that moment.

use super::config::SourceConfig;
use super::list::{check_window, list_prefixes, number};
use super::prefixes::{hours, prefixes};
use super::select::{Collected, Found, Listing, Selection};
use crate::limits::LimitsConfig;
use crate::storage::Storage;
use crate::window::Window;
use etl_sdk::Result;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a listing serves. What comes later into a window that has begun is late for it, as it always is.
const FRESH: Duration = Duration::from_mins(1);

/// All that the store shows of a stretch of time.
#[derive(Debug)]
pub struct Stretch {
    window: Window,
    /// Hours of paths that were looked into.
    hours: Range<i64>,
    config: SourceConfig,
    most: u64,
    listed_at: Instant,
    /// Sorted by key below the source.
    found: Vec<(String, Found)>,
}

impl Stretch {
    /// Lists for all windows within `window`. `None` when there is too much to keep, or what belongs to no key, such as a
    /// folder that is left out: then only a window's own listing can tell what is left out of it.
    ///
    /// Fails as [`super::list`] does.
    pub async fn list(
        storage: &Storage,
        config: &SourceConfig,
        window: Window,
        limits: &LimitsConfig,
    ) -> Result<Option<Self>> {
        check_window(config, &window)?;
        let listed_at = Instant::now();
        let collected = Arc::new(Collected::default());
        let hours = hours(&window, config);
        let prefixes = prefixes(config.layout, &hours);
        let most = limits.objects.min(u64::from(u32::MAX));
        let selection = Selection {
            collected: Some(Arc::clone(&collected)),
            ..Selection::new(config, window, hours.clone(), most)
        };
        let listed = list_prefixes(storage, prefixes, &Arc::new(selection)).await;
        let Some(mut found) = collected.all() else { return Ok(None) };
        let odd = listed?;
        if odd.listed > 0 || !odd.skipped.is_empty() {
            return Ok(None);
        }
        found.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        Ok(Some(Self { window, hours, config: config.clone(), most, listed_at, found }))
    }

    /// Whether it can still be used for a window.
    pub fn serves(&self, window: &Window) -> bool {
        let hours = hours(window, &self.config);
        let is_seen = self.hours.start <= hours.start && hours.end <= self.hours.end;
        self.window.covers(window) && is_seen && self.listed_at.elapsed() < FRESH
    }

    /// What a listing of the window shows.
    ///
    /// Fails with `Limit` beyond `limits.objects`.
    pub fn of(&self, storage: &Storage, window: &Window) -> Result<Listing> {
        check_window(&self.config, window)?;
        let hours = hours(window, &self.config);
        let prefixes = prefixes(self.config.layout, &hours);
        let selection = Selection::new(&self.config, *window, hours, self.most);
        let mut listing = Listing { prefixes: prefixes.len() as u64, ..Listing::default() };
        for prefix in &prefixes {
            for (key, found) in self.below(prefix) {
                selection.sort_out_known(key, found, &mut listing)?;
            }
        }
        if listing.listed > 0 {
            storage.note_something();
        }
        number(storage, &mut listing.objects);
        Ok(listing)
    }

    /// The objects below a prefix of the source; all of them below the empty one.
    fn below(&self, prefix: &str) -> &[(String, Found)] {
        if prefix.is_empty() {
            return &self.found;
        }
        let folder = format!("{prefix}/");
        let first = self.found.partition_point(|(key, _)| *key < folder);
        let rest = &self.found[first..];
        &rest[..rest.partition_point(|(key, _)| key.starts_with(&folder))]
    }
}
