//! Takes windows one after the other, on as many threads as there are slots.

use super::item::Item;
use super::result::{ResultStatus, WindowResult};
use crate::process::panics::catch;
use crate::process::stop::Stop;
use crate::process::workers::STACK;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Runs `work` for the items in order, with the threads it may take. `together` is asked how many of the items that
    /// are left go into one call. Gives a result for each item, in order; `Waiting` for those that were not begun.
    pub fn run(
        &self,
        items: &[Item],
        together: &(dyn Fn(&[Item]) -> usize + Sync),
        work: &(dyn Fn(&[Item], usize) -> Vec<WindowResult> + Sync),
    ) -> Vec<WindowResult> {
        let slots = self.parallel.clamp(1, items.len().max(1));
        let next = Mutex::new(0);
        let take = || {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            let (first, left) = (*next, items.get(*next..).unwrap_or_default());
            let count = if left.is_empty() { 0 } else { together(left).clamp(1, left.len()) };
            *next += count;
            (first, &left[..count])
        };
        let halted = AtomicBool::new(false);
        let results: Vec<Mutex<Option<WindowResult>>> = items.iter().map(|_| Mutex::new(None)).collect();
        let set = |index: usize, result: WindowResult| {
            if let Some(slot) = results.get(index) {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            }
        };
        let run_slot = |threads: usize| {
            while !halted.load(Ordering::Acquire) && !self.stop.is_set() {
                let (first, items) = take();
                if items.is_empty() {
                    return;
                }
                let results = catch(|| Ok(work(items, threads)), |error| error);
                let results = results
                    .unwrap_or_else(|error| items.iter().map(|item| WindowResult::failed(item, &error)).collect());
                if self.stop_on_failure && results.iter().any(|result| result.status.is_failure()) {
                    halted.store(true, Ordering::Release);
                }
                (first..).zip(results).for_each(|(index, result)| set(index, result));
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
    use std::sync::atomic::AtomicUsize;

    /// Runs the items one by one.
    fn run(
        queue: &Queue<'_>,
        items: &[Item],
        work: &(dyn Fn(&Item, usize) -> WindowResult + Sync),
    ) -> Vec<WindowResult> {
        queue.run(items, &|_| 1, &|items, threads| items.iter().map(|item| work(item, threads)).collect())
    }

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
        let results = run(&queue, &items, &work);
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
        assert_eq!(statuses(&run(&queue, &items, &work)), [Done, Done, Refused, Waiting, Waiting]);
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
        assert_eq!(statuses(&run(&queue, &items, &work)), [Done, Waiting, Waiting, Waiting]);
        let stop = Stop::default();
        let queue = Queue { parallel: 2, threads: 1, stop_on_failure: false, stop: &stop };
        let work = |item: &Item, _: usize| {
            assert!(item.window != items[1].window, "this one panics");
            WindowResult::of(item, ResultStatus::Done)
        };
        assert_eq!(statuses(&run(&queue, &items, &work)), [Done, Failed, Done, Done]);
    }

    #[test]
    fn some_are_run_together() {
        let stop = Stop::default();
        let items = items(10);
        let sizes = Mutex::new(Vec::new());
        let work = |items: &[Item], _: usize| {
            sizes.lock().unwrap().push(items.len());
            items.iter().map(|item| WindowResult::of(item, ResultStatus::Done)).collect()
        };
        let queue = Queue { parallel: 1, threads: 1, stop_on_failure: false, stop: &stop };
        // More than are left at the end.
        let results = queue.run(&items, &|_| 3, &work);
        assert_eq!(*sizes.lock().unwrap(), [3, 3, 3, 1]);
        assert!(results.iter().zip(&items).all(|(result, item)| result.window() == item.window));
        let queue = Queue { parallel: 3, ..queue };
        let results = queue.run(&items, &|_| 4, &work);
        assert_eq!(statuses(&results), [Done; 10]);
        let queue = Queue { parallel: 1, ..queue };
        let panics = |items: &[Item], _: usize| -> Vec<WindowResult> { panic!("{} items", items.len()) };
        assert_eq!(statuses(&queue.run(&items[..3], &|_| 2, &panics)), [Failed; 3]);
    }

    #[test]
    fn threads_are_divided() {
        let shares = |threads, slots| (0..slots).map(|slot| share(threads, slots, slot)).collect::<Vec<_>>();
        assert_eq!(shares(8, 3), [3, 3, 2]);
        assert_eq!(shares(2, 4), [1, 1, 1, 1]);
    }
}
