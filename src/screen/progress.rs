//! Shows the engine's counters while a command works.

use super::bar;
use super::printer::{Printer, ProgressStyle, to_stderr};
use crate::batch::Board;
use crate::report::Progress;
use crate::text::printable;
use indicatif::{ProgressBar, ProgressStyle as BarStyle};
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
    is_log: bool,
}

impl ProgressDisplay {
    /// Begins to show `progress` in the printer's way.
    pub fn start(printer: &Printer, progress: Progress) -> Self {
        Self::show(printer, move |bar| show(&progress, bar))
    }

    /// Begins to show the windows that are being run.
    pub fn of_windows(printer: &Printer, board: Board) -> Self {
        Self::show(printer, move |bar| show_windows(&board, bar))
    }

    /// Whether lines may be printed beside it: there is no bar, and they are wanted.
    pub fn is_log(&self) -> bool {
        self.is_log
    }

    fn show(printer: &Printer, show: impl Fn(Option<&ProgressBar>) + Send + 'static) -> Self {
        let (interval, bar) = match printer.progress_style() {
            ProgressStyle::Bar => (BAR_INTERVAL, Some(bar::show())),
            ProgressStyle::Log => (LOG_INTERVAL, None),
            ProgressStyle::Auto | ProgressStyle::None => return Self { stop: None, thread: None, is_log: false },
        };
        let is_log = bar.is_none();
        let (stop, stopped) = channel::<()>();
        let repeat = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                show(bar.as_ref());
            }
            bar.iter().for_each(bar::clear);
        };
        // Without a thread there is no progress to see, and the work goes on.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(repeat).ok();
        Self { stop: Some(stop), thread, is_log }
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

/// Draws the bar, or a spinner as long as the total is not known. The message is cut to the width of the terminal:
/// indicatif cannot take back a line that wrapped.
fn update(bar: &ProgressBar, done: u64, total: u64, message: &str) {
    let template =
        if total == 0 { "{spinner} {elapsed} {wide_msg}" } else { "{bar:30} {percent:>3}% {elapsed} {wide_msg}" };
    if let Ok(style) = BarStyle::with_template(template) {
        bar.set_style(style);
    }
    if total > 0 {
        bar.set_length(total);
    }
    bar.set_position(done);
    bar.set_message(printable(message).into_owned());
    bar.tick();
}

fn show(progress: &Progress, bar: Option<&ProgressBar>) {
    let counts = progress.counts();
    match bar {
        Some(bar) => update(bar, counts.bytes_done, counts.bytes_total, &counts.line()),
        None => to_stderr(&format!("{}\n", printable(&counts.line()))),
    }
}

fn show_windows(board: &Board, bar: Option<&ProgressBar>) {
    let counts = board.counts();
    match bar {
        Some(bar) => update(bar, counts.finished, counts.total, &counts.line()),
        None => to_stderr(&format!("{}\n", printable(&counts.line()))),
    }
}
