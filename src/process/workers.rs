//! Threads that share a list of items.
//!
//! Plain threads rather than rayon: this work waits for stores most of the time, must begin items in their order, and
//! often keeps something (a writer, a cache) from one item to the next. Rayon's pool is made for work that fills the
//! cores, splits lists in the middle, and passes a panic on.

use super::panics::{catch, of_thread};
use super::usage::metered_by_all;
use etl_sdk::{Error, Result};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, ScopedJoinHandle};

/// The stack of a thread that may walk deep expressions. Only what is used of it takes memory.
pub(crate) const STACK: usize = 32 << 20;

/// The items that are left, as one worker sees them: each item goes to exactly one worker, in order.
pub(crate) struct SharedItems<'a, I>(&'a Mutex<I>);

impl<I: Iterator> Iterator for SharedItems<'_, I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

/// Runs `work` on `threads` threads that share `items`, and waits for all of them. Gives the result of each thread.
///
/// A worker that fails stops taking items; the others go on unless the caller tells them otherwise. A panic is an error
/// of kind `Internal`.
pub(crate) fn run<I, T>(
    items: I,
    threads: usize,
    work: impl Fn(SharedItems<'_, I::IntoIter>) -> Result<T> + Sync,
) -> Vec<Result<T>>
where
    I: IntoIterator<IntoIter: Send>,
    T: Send,
{
    let items = Mutex::new(items.into_iter());
    let run_worker = metered_by_all(|| work(SharedItems(&items)));
    let run_worker = &run_worker;
    std::thread::scope(|scope| {
        let start = || Builder::new().name("worker".to_owned()).stack_size(STACK).spawn_scoped(scope, run_worker);
        let (workers, refused): (Vec<_>, Vec<_>) = (0..threads).map(|_| start()).partition(std::result::Result::is_ok);
        // Where no more threads are to be had, those there are do the work.
        if let (true, Some(Err(error))) = (workers.is_empty(), refused.into_iter().next()) {
            return vec![Err(Error::internal("start a worker thread").source(error))];
        }
        workers.into_iter().flatten().map(result_of).collect()
    })
}

fn result_of<T>(worker: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    let thread = worker.thread().id();
    worker.join().unwrap_or_else(|payload| Err(of_thread(thread, &*payload)))
}

/// Calls `work` for all items, at most `threads` of them at a time. Gives a result for each item, in order; a failure
/// does not keep the others from being tried.
pub(crate) fn map<I, T>(items: I, threads: usize, work: impl Fn(I::Item) -> Result<T> + Sync) -> Vec<Result<T>>
where
    I: IntoIterator<IntoIter: ExactSizeIterator + Send>,
    T: Send,
{
    let items = items.into_iter();
    let results: Vec<_> = (0..items.len()).map(|_| Mutex::new(None)).collect();
    let slots = items.zip(&results);
    let threads = threads.max(1).min(results.len());
    run(slots, threads, |slots| {
        for (item, slot) in slots {
            let result = catch(|| work(item), |error| error);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        }
        Ok(())
    });
    let result = |slot: Mutex<Option<Result<T>>>| slot.into_inner().unwrap_or_else(PoisonError::into_inner);
    results
        .into_iter()
        .map(|slot| result(slot).unwrap_or_else(|| Err(Error::internal("start a worker thread"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use etl_sdk::ErrorKind;
    use std::collections::BTreeSet;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn each_item_goes_to_one_worker_and_workers_keep_what_they_made() {
        let results = run(0..1_000, 4, |items| Ok(items.collect::<Vec<i32>>()));
        assert_eq!(results.len(), 4);
        let taken: Vec<Vec<i32>> = results.into_iter().map(Result::unwrap).collect();
        assert!(taken.iter().all(|items| items.is_sorted()), "{taken:?}");
        let all: Vec<i32> = taken.into_iter().flatten().collect();
        assert_eq!((all.len(), all.into_iter().collect::<BTreeSet<_>>().len()), (1_000, 1_000));
    }

    #[test]
    fn a_worker_that_fails_leaves_the_rest_to_the_others() {
        let seen = AtomicUsize::new(0);
        let results = run(0..100, 2, |items| {
            for item in items {
                seen.fetch_add(1, Ordering::Relaxed);
                if item == 3 {
                    return Err(Error::config("three"));
                }
            }
            Ok(())
        });
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
        assert_eq!(seen.into_inner(), 100);
    }

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let both_at_work = Barrier::new(2);
        let results = map(["a", "b"], 8, |item| {
            both_at_work.wait();
            if item == "a" { Err(Error::config("a")) } else { Ok(item) }
        });
        assert_eq!(results[0].as_ref().unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(results[1].as_ref().ok(), Some(&"b"));
        assert!(map(Vec::<u8>::new(), 4, Ok).is_empty());
    }

    #[test]
    fn a_panic_is_an_error_of_its_item() {
        let results = map(vec![0, 1, 2], 1, |item| if item == 1 { panic!("one") } else { Ok(item) });
        assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!((results[0].as_ref().ok(), results[2].as_ref().ok()), (Some(&0), Some(&2)));
        let results = run([(); 1], 1, |_| -> Result<()> { panic!("at once") });
        assert_eq!(results[0].as_ref().unwrap_err().to_string(), "the program panicked: at once");
    }
}
