//! A look ahead of the windows that are run: what is listed for many of them at once, and which are empty together.

use super::item::Item;
use super::settings::RunSettings;
use crate::commit::{JobState, lease, work};
use crate::run::{EmptyPlan, JobContext};
use crate::schedule::Closing;
use crate::source::{Listing, Nothing, Strays, Stretch};
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::{EpochMillis, Result};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Windows that one listing serves at most.
const MOST: usize = 4_096;

/// Windows of the first listing.
const FIRST: usize = 1_024;

/// Windows that list for themselves after a listing of few of them did not serve.
const PAUSE: usize = 16;

/// The listing that serves the next windows of a batch.
pub(super) struct Ahead<'a> {
    context: &'a JobContext<'a>,
    settings: &'a RunSettings,
    known: Mutex<Known>,
}

struct Known {
    stretch: Option<Arc<Stretch>>,
    /// Windows that the next listing is made for.
    windows: usize,
    /// Windows that list for themselves before that.
    pause: usize,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(context: &'a JobContext<'a>, settings: &'a RunSettings) -> Self {
        Self { context, settings, known: Mutex::new(Known { stretch: None, windows: FIRST, pause: 0 }) }
    }

    /// The listing, if it serves for a window.
    pub(super) fn stretch(&self, window: &Window) -> Option<Arc<Stretch>> {
        self.lock().stretch.clone().filter(|stretch| stretch.serves(window))
    }

    /// How many of the next items are decided together: several when they are empty, else one. Lists for them if need be.
    ///
    /// What cannot be found out is left to the windows' own runs.
    pub(super) fn together(&self, items: &[Item]) -> usize {
        let Some(stretch) = self.look(items) else { return 1 };
        if self.settings.dry_run || self.has_rules_of_rows() {
            return 1;
        }
        let is_empty = |item: &Item| {
            stretch.serves(&item.window)
                && stretch.of(&self.context.places.source, &item.window).is_ok_and(|listing| says_nothing(&listing))
        };
        let neighbours = neighbours(items);
        let empty = items.iter().take(neighbours).take_while(|item| is_empty(item)).count();
        if empty < 2 { 1 } else { self.free(&items[..empty]).map_or(1, |(free, _)| free.max(1)) }
    }

    /// How the items can be decided together; `None` when they cannot, or not any more.
    pub(super) fn plan(&self, items: &[Item]) -> Result<Option<EmptyPlan>> {
        let (free, base) = self.free(items)?;
        let ends = items.iter().map(|item| item.window);
        let (Some(start), Some(end), Some(first)) =
            (ends.clone().map(|window| window.start).min(), ends.map(|window| window.end).max(), items.first())
        else {
            return Ok(None);
        };
        Ok((free == items.len()).then(|| EmptyPlan {
            span: Window { start, end },
            seconds: seconds(&first.window),
            base,
            now_msec: EpochMillis(self.settings.now.timestamp_millis()),
        }))
    }

    /// What a person should know of a source in which nothing was listed.
    ///
    /// Fails as [`Nothing::below`].
    pub(super) fn warnings(&self) -> Result<Vec<String>> {
        let JobContext { places, job, runtime, stop, .. } = self.context;
        let nothing = runtime.block_on(stop.unless(Nothing::below(&places.source, &job.config.source)))?;
        let nothing = nothing.map(|nothing| nothing.to_string());
        Ok(self.settings.warnings.iter().cloned().chain(nothing).collect())
    }

    /// A rule over the number of rows may refuse an empty window.
    fn has_rules_of_rows(&self) -> bool {
        self.context.pipeline.rules.iter().any(|rule| rule.test.kind() == "rows")
    }

    /// How many of the first items are closed, and nobody has run, runs, or has left work of; and the version of the log that says so.
    fn free(&self, items: &[Item]) -> Result<(usize, u64)> {
        let (log, objects) = (&self.context.stores.log, self.context.objects());
        let live = lease::live(objects, log.runner())?;
        let working: BTreeSet<String> = work::all(objects)?.into_iter().map(|(id, _)| id).collect();
        let state = log.refresh()?;
        let closing = Closing::of(self.context.job.config.schedule.as_ref(), self.settings.now);
        let is_free = |item: &&Item| {
            let window = &item.window;
            !item.again
                && is_new(&state, window)
                && !closing.is_open(window)
                && !live.iter().any(|holder| holder.window.overlaps(window))
                && !working.contains(&window.id())
        };
        Ok((items.iter().take_while(is_free).count(), state.version))
    }

    /// The listing that serves for the first item, made now if there is none.
    fn look(&self, items: &[Item]) -> Option<Arc<Stretch>> {
        let first = items.first()?;
        let mut known = self.lock();
        if let Some(stretch) = known.stretch.as_ref().filter(|stretch| stretch.serves(&first.window)) {
            return Some(Arc::clone(stretch));
        }
        known.stretch = None;
        if known.pause > 0 {
            known.pause -= 1;
            return None;
        }
        let (span, windows) = span(items, known.windows)?;
        let JobContext { places, job, runtime, stop, .. } = self.context;
        let listing = Stretch::list(&places.source, &job.config.source, span, &job.config.limits);
        match runtime.block_on(stop.unless(listing)) {
            Ok(Some(stretch)) => {
                known.windows = (windows * 2).clamp(2, MOST);
                known.stretch = Some(Arc::new(stretch));
            }
            // There is too much, or something that belongs to no window.
            Ok(None) => {
                known.windows = (windows / 4).max(2);
                known.pause = if windows <= PAUSE { PAUSE } else { 0 };
            }
            // What is wrong is found by the windows' own listings, and told of each.
            Err(_) => known.pause = PAUSE,
        }
        known.stretch.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is nothing in a window, and nothing to be told of it.
fn says_nothing(listing: &Listing) -> bool {
    let Listing { objects, skipped, strays, unreadable, .. } = listing;
    objects.is_empty() && skipped.is_empty() && unreadable.is_empty() && *strays == Strays::default()
}

/// Whether nothing was ever committed in a window.
fn is_new(state: &JobState, window: &Window) -> bool {
    let known = state.windows.get(window);
    known.is_none_or(|known| known.next_revision() == 0 && known.replaced == 0) && state.overlapping(window).is_empty()
}

/// How many of the first items follow each other in time, forwards or backwards, and are as long as the first.
fn neighbours(items: &[Item]) -> usize {
    let follows = |left: &Window, right: &Window| left.end == right.start && seconds(left) == seconds(right);
    let run = |follows: &dyn Fn(&Window, &Window) -> bool| {
        1 + items.windows(2).take_while(|pair| follows(&pair[0].window, &pair[1].window)).count()
    };
    run(&follows).max(run(&|left, right| follows(right, left))).min(items.len())
}

/// From the start of the earliest to the end of the latest of the first items, `most` at most, and how many they are. Items
/// that are far from the others have a listing of their own. `None` for less than two.
fn span(items: &[Item], most: usize) -> Option<(Window, usize)> {
    let mut span = items.first()?.window;
    let (mut covered, mut count) = (seconds(&span), 1);
    for Item { window, .. } in items.iter().take(most).skip(1) {
        let wider = Window { start: span.start.min(window.start), end: span.end.max(window.end) };
        covered += seconds(window);
        if seconds(&wider) > 2 * covered {
            break;
        }
        (span, count) = (wider, count + 1);
    }
    (count > 1).then_some((span, count))
}

fn seconds(window: &Window) -> i64 {
    let at = |instant: DateTime<Utc>| instant.timestamp();
    at(window.end) - at(window.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(windows: &[&str]) -> Vec<Item> {
        let item = |window: &&str| Item { window: Window::parse(window).unwrap(), reason: None, again: false };
        windows.iter().map(item).collect()
    }

    #[test]
    fn neighbours_follow_each_other_in_one_direction_and_are_as_long() {
        for (windows, expected) in [
            (&["2026-11-20T05", "2026-11-20T06", "2026-11-20T07", "2026-11-20T09"][..], 3),
            (&["2026-11-20T07", "2026-11-20T06", "2026-11-20T05", "2026-11-20T06"], 3),
            (&["2026-11-20T05", "2026-11-20T06/PT2H"], 1),
            (&["2026-11-20T05", "2026-11-20T05"], 1),
            (&["2026-11-20T05"], 1),
            (&[], 0),
        ] {
            assert_eq!(neighbours(&items(windows)), expected, "{windows:?}");
        }
    }

    #[test]
    fn a_listing_serves_windows_that_are_near_each_other() {
        let near = |windows: &[&str], most| span(&items(windows), most).map(|(span, count)| (span.to_string(), count));
        let hour = |from: &str, to: &str| format!("2026-11-20T{from}:00:00Z/2026-11-20T{to}:00:00Z");
        let windows = ["2026-11-20T05", "2026-11-20T06", "2026-11-20T08", "2026-11-20T20"];
        assert_eq!(near(&windows, 10), Some((hour("05", "09"), 3)));
        assert_eq!(near(&windows, 2), Some((hour("05", "07"), 2)));
        assert_eq!(near(&["2026-11-20T06", "2026-11-20T05"], 10), Some((hour("05", "07"), 2)));
        assert_eq!(near(&["2026-11-20T05", "2026-11-20T20"], 10), None);
        assert_eq!(near(&windows[..1], 10), None);
        assert_eq!(near(&[], 10), None);
    }
}
