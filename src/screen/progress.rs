//! Shows the engine's counters while a command works.

use super::bar;
use super::pace::Pace;
use super::printer::{Printer, ProgressStyle, to_stderr};
use crate::batch::Board;
use crate::report::Progress;
use crate::text::{bytes, printable};
use indicatif::{ProgressBar, ProgressStyle as BarStyle};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const BAR_INTERVAL: Duration = Duration::from_millis(100);
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Below this width of a terminal the bar is short, so that there is room for what it says.
const NARROW: usize = 80;

/// A thread that shows the counters until it is dropped. The bar is gone before the report is printed.
#[derive(Debug)]
pub struct ProgressDisplay {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What is shown at one instant.
struct Shown {
    done: u64,
    /// Zero until it is known.
    total: u64,
    text: String,
}

impl ProgressDisplay {
    /// Begins to show `progress` in the printer's way.
    pub fn start(printer: &Printer, progress: Progress) -> Self {
        let mut pace = Pace::default();
        Self::show(printer, move || of_run(&progress, &mut pace))
    }

    /// Begins to show the windows that are being run.
    pub fn of_windows(printer: &Printer, board: Board) -> Self {
        let mut pace = Pace::default();
        Self::show(printer, move || of_board(&board, &mut pace))
    }

    /// Whether anything is shown.
    pub fn is_shown(&self) -> bool {
        self.stop.is_some()
    }

    fn show(printer: &Printer, mut shown: impl FnMut() -> Shown + Send + 'static) -> Self {
        let (interval, bar) = match printer.progress_style() {
            ProgressStyle::Bar => (BAR_INTERVAL, Some(bar::show())),
            ProgressStyle::Log => (LOG_INTERVAL, None),
            ProgressStyle::Auto | ProgressStyle::None => return Self { stop: None, thread: None },
        };
        let (stop, stopped) = channel::<()>();
        let repeat = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let shown = shown();
                match &bar {
                    Some(bar) => draw(bar, &shown),
                    None => to_stderr(&format!("{}\n", printable(&shown.text))),
                }
            }
            bar.iter().for_each(bar::clear);
        };
        // Without a thread there is no progress to see, and the work goes on.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(repeat).ok();
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

/// Draws the bar, or a spinner as long as the total is not known. The message is cut to what is left of the terminal's width
/// as it is now: indicatif cannot take back a line that wrapped.
fn draw(bar: &ProgressBar, shown: &Shown) {
    let template = match shown.total {
        0 => "{spinner} {elapsed} {wide_msg}",
        _ if bar::width() < NARROW => "{bar:10} {percent:>3}% {elapsed} {wide_msg}",
        _ => "{bar:30} {percent:>3}% {elapsed} {wide_msg}",
    };
    if let Ok(style) = BarStyle::with_template(template) {
        bar.set_style(style);
    }
    if shown.total > 0 {
        bar.set_length(shown.total);
    }
    bar.set_position(shown.done);
    bar.set_message(printable(&shown.text).into_owned());
    bar.tick();
}

/// The counters of a run; while it reads, with bytes a second and the time that is left for them.
fn of_run(progress: &Progress, pace: &mut Pace) -> Shown {
    let counts = progress.counts();
    pace.note(Instant::now(), counts.bytes_done);
    let mut text = counts.line();
    if counts.phase == "read" {
        let rate = pace.rate().map(|rate| format!("{}/s", bytes(rate as u64)));
        let left = pace.left(counts.bytes_total.saturating_sub(counts.bytes_done));
        rate.into_iter().chain(left).for_each(|part| text.extend([", ", &part]));
    }
    Shown { done: counts.bytes_done, total: counts.bytes_total, text }
}

/// The windows of a batch, with the time that is left for them.
fn of_board(board: &Board, pace: &mut Pace) -> Shown {
    let counts = board.counts();
    pace.note(Instant::now(), counts.finished);
    let left = pace.left(counts.total.saturating_sub(counts.finished));
    Shown { done: counts.finished, total: counts.total, text: counts.line(left.as_deref()) }
}
