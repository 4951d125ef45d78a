//! Takes windows one after the other, on as many threads as there are slots.

use super::item::Item;
use super::result::{ResultStatus, WindowResult};
use crate::process::panics::catch;
use crate::process::stop::Stop;
use crate::process::workers::STACK;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How windows are taken.
#[derive(Debug)]
pub struct Queue<'a> {
    /// Windows at the same time.
    pub parallel: usize,
    /// Threads for all of them together.
    pub threads: usize,
    /// Begin no more windows after one has failed. Those at work come to their end.
    pub stop_on_failure: bool,
    /// Begin no more windows once it is set.
    pub stop: &'a Stop,
}

impl Queue<'_> {
    /// Runs `work` for each item in order, with the threads it may take. Gives a result for each item, in order; `Waiting`
    /// for those that were not begun.
    pub fn run(&self, items: &[Item], work: &(dyn Fn(&Item, usize) -> WindowResult + Sync)) -> Vec<WindowResult> {
        let slots = self.parallel.clamp(1, items.len().max(1));
        let next = AtomicUsize::new(0);
        let halted = AtomicBool::new(false);
        let results: Vec<Mutex<Option<WindowResult>>> = items.iter().map(|_| Mutex::new(None)).collect();
        let set = |index: usize, result: WindowResult| {
            if let Some(slot) = results.get(index) {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            }
        };
        let run_slot = |threads: usize| {
            while !halted.load(Ordering::Acquire) && !self.stop.is_set() {
                let index = next.fetch_add(1, Ordering::AcqRel);
                let Some(item) = items.get(index) else { return };
                let result = catch(|| Ok(work(item, threads)), |error| error);
                let result = result.unwrap_or_else(|error| WindowResult::failed(item, &error));
                if self.stop_on_failure && result.status.is_failure() {
                    halted.store(true, Ordering::Release);
                }
                set(index, result);
            }
        };
        std::thread::scope(|scope| {
            let spawn = |slot: usize| {
                let threads = share(self.threads, slots, slot);
                let run_slot = &run_slot;
                let name = format!("window-{slot}");
                std::thread::Builder::new().name(name).stack_size(STACK).spawn_scoped(scope, move || run_slot(threads))
            };
            // Without a thread the others do its part; if there is none at all, the windows wait.
            let handles: Vec<_> = (0..slots).filter_map(|slot| spawn(slot).ok()).collect();
            for handle in handles {
                // Whatever panics in it is caught there.
                let _ = handle.join();
            }
        });
        let results = results.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
        results
            .zip(items)
            .map(|(result, item)| result.unwrap_or_else(|| WindowResult::of(item, ResultStatus::Waiting)))
            .collect()
    }
}

/// The threads of one slot; the first ones take what does not divide evenly.
fn share(threads: usize, slots: usize, slot: usize) -> usize {
    (threads / slots + usize::from(slot < threads % slots)).max(1)
}

#[cfg(test)]
mod tests {
    use super::ResultStatus::{Done, Failed, Refused, Waiting};
    use super::*;
    use crate::process::stop::{Signal, StopReason};
    use crate::window::{Every, Instant};
    use etl_sdk::Error;

    fn instant(text: &str) -> chrono::DateTime<chrono::Utc> {
        text.parse::<Instant>().unwrap().0
    }

    fn items(count: usize) -> Vec<Item> {
        let (from, to) = (instant("2026-11-20"), instant("2027-11-20"));
        let tiles = Every::HOUR.tiles(from, to).take(count);
        tiles.map(|window| Item { window, reason: None, again: false }).collect()
    }

    fn statuses(results: &[WindowResult]) -> Vec<ResultStatus> {
        results.iter().map(|result| result.status).collect()
    }

    #[test]
    fn each_window_is_run_once_and_ends_alone() {
        let stop = Stop::default();
        let items = items(50);
        let begun = AtomicUsize::new(0);
        let work = |item: &Item, threads: usize| {
            assert!((1..=2).contains(&threads));
            begun.fetch_add(1, Ordering::Relaxed);
            if item.window.start.timestamp() / 3_600 % 10 == 3 {
                WindowResult::failed(item, &Error::config("x"))
            } else {
                WindowResult::of(item, ResultStatus::Done)
            }
        };
        let queue = Queue { parallel: 4, threads: 6, stop_on_failure: false, stop: &stop };
        let results = queue.run(&items, &work);
        assert_eq!(begun.load(Ordering::Relaxed), 50);
        assert_eq!(statuses(&results).iter().filter(|status| status.is_failure()).count(), 5);
        assert!(results.iter().zip(&items).all(|(result, item)| result.window() == item.window));
    }

    #[test]
    fn a_failure_may_end_it() {
        let stop = Stop::default();
        let items = items(5);
        let work = |item: &Item, _: usize| {
            let third = item.window == items[2].window;
            WindowResult::of(item, if third { ResultStatus::Refused } else { ResultStatus::Done })
        };
        let queue = Queue { parallel: 1, threads: 8, stop_on_failure: true, stop: &stop };
        assert_eq!(statuses(&queue.run(&items, &work)), [Done, Done, Refused, Waiting, Waiting]);
    }

    #[test]
    fn a_stop_begins_nothing_more_and_a_panic_is_a_failure() {
        let stop = Stop::default();
        let items = items(4);
        let work = |item: &Item, _: usize| {
            if item.window == items[0].window {
                stop.set(StopReason::Signal(Signal::Terminate));
            }
            WindowResult::of(item, ResultStatus::Done)
        };
        let queue = Queue { parallel: 1, threads: 1, stop_on_failure: false, stop: &stop };
        assert_eq!(statuses(&queue.run(&items, &work)), [Done, Waiting, Waiting, Waiting]);
        let stop = Stop::default();
        let queue = Queue { parallel: 2, threads: 1, stop_on_failure: false, stop: &stop };
        let work = |item: &Item, _: usize| {
            assert!(item.window != items[1].window, "this one panics");
            WindowResult::of(item, ResultStatus::Done)
        };
        assert_eq!(statuses(&queue.run(&items, &work)), [Done, Failed, Done, Done]);
    }

    #[test]
    fn threads_are_divided() {
        let shares = |threads, slots| (0..slots).map(|slot| share(threads, slots, slot)).collect::<Vec<_>>();
        assert_eq!(shares(8, 3), [3, 3, 2]);
        assert_eq!(shares(2, 4), [1, 1, 1, 1]);
    }
}
