//! Runs windows through the queue, and tells listeners of each.

use super::item::Item;
use super::listener::BatchListener;
use super::queue::Queue;
use super::result::WindowResult;
use crate::report::Progress;

/// Runs items that belong together with the threads they may take and the counters of their progress.
type RunItems<'f> = dyn Fn(&[Item], usize, Progress) -> Vec<WindowResult> + Sync + 'f;

/// The one way in which many windows are run.
pub struct Executor<'a> {
    /// How many at the same time, and when to stop.
    pub queue: Queue<'a>,
    /// Told of each window, in this order.
    pub listeners: &'a [&'a dyn BatchListener],
}

impl Executor<'_> {
    /// Calls `run` for each item, or for as many of the next ones as `together` says. Gives a result for each item, in
    /// order.
    pub fn run(
        &self,
        items: &[Item],
        together: &(dyn Fn(&[Item]) -> usize + Sync),
        run: &RunItems<'_>,
    ) -> Vec<WindowResult> {
        self.queue.run(items, together, &|items, threads| {
            let progress = Progress::default();
            for item in items {
                self.listeners.iter().for_each(|listener| listener.begun(item.window, &progress));
            }
            let mut results = run(items, threads, progress);
            for listener in self.listeners {
                listener.all_ended(&mut results);
            }
            results
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Board;
    use crate::batch::result::ResultStatus;
    use crate::process::stop::Stop;
    use crate::window::Window;
    use etl_sdk::Error;
    use std::sync::Mutex;

    /// Writes down what it hears.
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl BatchListener for Heard {
        fn begun(&self, window: Window, progress: &Progress) {
            let line = format!("{} begins with {} records", window.start.format("%H"), progress.counts().records);
            self.0.lock().unwrap().push(line);
        }

        fn ended(&self, result: &WindowResult) -> Vec<String> {
            let hour = result.window().start.format("%H").to_string();
            self.0.lock().unwrap().push(format!("{hour} is {}", result.status.name()));
            vec![format!("heard of {hour}")]
        }
    }

    /// Runs the items one by one.
    fn run(
        executor: &Executor<'_>,
        work: &(dyn Fn(&Item, usize, Progress) -> WindowResult + Sync),
    ) -> Vec<WindowResult> {
        executor.run(&items(), &|_| 1, &|items, threads, progress| vec![work(&items[0], threads, progress)])
    }

    fn items() -> Vec<Item> {
        let window = |hour: u32| Window::parse(&format!("2026-11-20T{hour:02}")).unwrap();
        (0..3).map(|hour| Item { window: window(hour), reason: None, again: false }).collect()
    }

    fn queue(stop: &Stop, stop_on_failure: bool) -> Queue<'_> {
        Queue { parallel: 1, threads: 2, stop_on_failure, stop }
    }

    #[test]
    fn listeners_hear_of_each_window_in_order() {
        let (stop, heard, board) = (Stop::default(), Heard::default(), Board::new(3));
        let executor = Executor { queue: queue(&stop, false), listeners: &[&board, &heard] };
        let results = run(&executor, &|item, threads, progress| {
            assert_eq!((threads, board.counts().active.len()), (2, 1));
            progress.add_records(5);
            WindowResult::of(item, ResultStatus::Done)
        });
        let expected = [
            "00 begins with 0 records",
            "00 is done",
            "01 begins with 0 records",
            "01 is done",
            "02 begins with 0 records",
            "02 is done",
        ];
        assert_eq!(*heard.0.lock().unwrap(), expected);
        assert_eq!(results[1].warnings, ["heard of 01"]);
        assert_eq!(board.counts().line(None), "3 of 3 windows");
    }

    #[test]
    fn listeners_do_not_hear_of_windows_that_were_not_begun() {
        let (stop, heard, board) = (Stop::default(), Heard::default(), Board::new(3));
        let executor = Executor { queue: queue(&stop, true), listeners: &[&heard, &board] };
        let results = run(&executor, &|item, _, _| WindowResult::failed(item, &Error::config("run it")));
        assert_eq!(*heard.0.lock().unwrap(), ["00 begins with 0 records", "00 is failed"]);
        let statuses: Vec<_> = results.iter().map(|result| result.status).collect();
        assert_eq!(statuses, [ResultStatus::Failed, ResultStatus::Waiting, ResultStatus::Waiting]);
        assert_eq!(board.counts().line(None), "1 of 3 windows, 1 failed");
    }
}
