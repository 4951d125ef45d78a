//! Which windows are being run: a listener that keeps what a display shows.

use super::listener::BatchListener;
use super::result::WindowResult;
use crate::report::Progress;
use crate::text::count;
use crate::window::Window;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Windows that are named in one line of progress.
const MAX_NAMED: usize = 4;

/// A handle on the windows of one command; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Board {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    total: u64,
    finished: u64,
    failed: u64,
    active: Vec<(Window, Progress)>,
}

/// The board at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoardCounts {
    /// Windows to run.
    pub total: u64,
    /// Windows that came to an end, well or not.
    pub finished: u64,
    /// Windows that failed.
    pub failed: u64,
    /// A line of each window at work.
    pub active: Vec<String>,
}

impl Board {
    /// A board for so many windows.
    pub fn new(total: u64) -> Self {
        let board = Self::default();
        board.lock().total = total;
        board
    }

    /// The board now.
    pub fn counts(&self) -> BoardCounts {
        let inner = self.lock();
        let active = inner.active.iter().map(|(window, progress)| {
            let counts = progress.counts();
            let phase = if counts.phase.is_empty() { "start" } else { counts.phase };
            let start = window.start.format("%Y-%m-%dT%H:%M");
            match counts.objects_total {
                0 => format!("{start} {phase}"),
                total => format!("{start} {phase} {} of {} objects", count(counts.objects_done), count(total)),
            }
        });
        BoardCounts { total: inner.total, finished: inner.finished, failed: inner.failed, active: active.collect() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BatchListener for Board {
    fn begun(&self, window: Window, progress: &Progress) {
        self.lock().active.push((window, progress.clone()));
    }

    fn ended(&self, result: &WindowResult) -> Vec<String> {
        let mut inner = self.lock();
        inner.active.retain(|(active, _)| *active != result.window());
        inner.finished += 1;
        inner.failed += u64::from(result.status.is_failure());
        Vec::new()
    }
}

impl BoardCounts {
    /// One line: `12 of 72 windows, 1 failed, about 40 s left; 2026-11-20T05:00 read 1 of 4 objects; …`.
    pub fn line(&self, left: Option<&str>) -> String {
        let failed = if self.failed > 0 { format!(", {} failed", count(self.failed)) } else { String::new() };
        let mut named = self.active.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>();
        if self.active.len() > MAX_NAMED {
            named.push(format!("and {} more", self.active.len() - MAX_NAMED));
        }
        let active = if named.is_empty() { String::new() } else { format!("; {}", named.join("; ")) };
        let left = left.map(|left| format!(", {left}")).unwrap_or_default();
        format!("{} of {} windows{failed}{left}{active}", count(self.finished), count(self.total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Item;
    use crate::batch::result::ResultStatus;

    #[test]
    fn the_line_says_how_far_it_is() {
        let board = Board::new(72);
        let windows: Vec<Window> =
            (0..7).map(|hour| Window::parse(&format!("2026-11-20T{hour:02}")).unwrap()).collect();
        let progress = Progress::default();
        board.begun(windows[0], &progress);
        progress.set_phase("read");
        progress.set_total(4, 100);
        progress.add_objects(1);
        board.begun(windows[1], &Progress::default());
        let item = Item { window: windows[1], reason: None, again: false };
        board.ended(&WindowResult::of(&item, ResultStatus::Failed));
        assert_eq!(board.counts().line(None), "1 of 72 windows, 1 failed; 2026-11-20T00:00 read 1 of 4 objects");
        for window in &windows[1..] {
            board.begun(*window, &Progress::default());
        }
        let line = board.counts().line(Some("about 9 s left"));
        assert!(line.starts_with("1 of 72 windows, 1 failed, about 9 s left; 2026-11-20T00:00 read"), "{line}");
        assert!(line.ends_with("2026-11-20T03:00 start; and 3 more"), "{line}");
    }
}
