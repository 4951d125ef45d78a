//! Asynchronous work that is begun from plain threads.

use super::panics::of_thread;
use super::usage::{Metered, metered};
use etl_sdk::{Error, Result};
use std::future::Future;
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio_util::task::AbortOnDropHandle;

/// Starts a task on the runtime. It ends with its handle, so that work that nothing waits for any more does not go on;
/// [`AbortOnDropHandle::detach`] lets it.
#[allow(clippy::disallowed_methods, reason = "the one place: the handle that it returns aborts the task")]
pub fn spawn<T: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(runtime.spawn(Metered::new(work)))
}

/// Runs a future to its end on a thread and a runtime of its own: the caller may already be on a runtime, which must
/// not be blocked from within.
pub fn run_apart<T: Send>(operation: &'static str, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    let run = || {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| Error::internal("start a runtime").source(error))?.block_on(work)
    };
    thread::scope(|scope| {
        let thread = scope.spawn(metered(run));
        let id = thread.thread().id();
        thread.join().unwrap_or_else(|payload| Err(Error::internal(operation).source(of_thread(id, &*payload))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[test]
    fn a_task_ends_with_its_handle_unless_it_is_detached() {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (dropped, gone) = oneshot::channel::<()>();
        drop(spawn(runtime.handle(), async move {
            let _held = dropped;
            std::future::pending::<()>().await;
        }));
        assert!(runtime.block_on(gone).is_err(), "the sender went with the task");

        let (sender, sent) = oneshot::channel();
        let (go, going) = oneshot::channel::<()>();
        let detached = spawn(runtime.handle(), async move {
            let _ = going.await;
            let _ = sender.send(1);
        });
        drop(detached.detach());
        go.send(()).unwrap();
        assert_eq!(runtime.block_on(sent), Ok(1));
    }

    #[test]
    fn work_apart_may_be_begun_on_a_runtime() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let one = runtime.block_on(async { run_apart("count", async { Ok(1) }) });
        assert!(one.is_ok_and(|one| one == 1));
    }
}
