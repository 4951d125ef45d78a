//! Worker threads of a run.

use etl_sdk::{Error, Result};

/// Runs `work` on `threads` threads and waits for all. A panic in one is an error of its own.
pub fn on_threads<T: Send>(threads: usize, work: impl Fn() -> Result<T> + Sync) -> Vec<Result<T>> {
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|_| Err(Error::internal("a worker thread panicked"))))
            .collect()
    })
}
