//! Shows the engine's counters while a command works.

use super::printer::{Printer, ProgressStyle, to_stderr};
use crate::report::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle as BarStyle};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const BAR_INTERVAL: Duration = Duration::from_millis(100);
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A thread that shows the counters until it is dropped. The bar is gone before the report is printed.
#[derive(Debug)]
pub struct ProgressDisplay {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ProgressDisplay {
    /// Begins to show `progress` in the printer's way.
    pub fn start(printer: &Printer, progress: Progress) -> Self {
        let (interval, bar) = match printer.progress_style() {
            ProgressStyle::Bar => (BAR_INTERVAL, Some(bar())),
            ProgressStyle::Log => (LOG_INTERVAL, None),
            ProgressStyle::Auto | ProgressStyle::None => return Self { stop: None, thread: None },
        };
        let (stop, stopped) = channel::<()>();
        let show = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                show(&progress, bar.as_ref());
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        };
        // Without a thread there is no progress to see, and the work goes on.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(show).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    if let Ok(style) = BarStyle::with_template("{bar:30} {percent:>3}% {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar
}

fn show(progress: &Progress, bar: Option<&ProgressBar>) {
    let counts = progress.counts();
    match bar {
        Some(bar) => {
            bar.set_length(counts.bytes_total);
            bar.set_position(counts.bytes_done);
            bar.set_message(counts.line());
            bar.tick();
        }
        None => to_stderr(&format!("{}\n", counts.line())),
    }
}
