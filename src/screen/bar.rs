//! The progress bar that is on the terminal, so that lines are printed above it and not through it.

use indicatif::{ProgressBar, ProgressDrawTarget};
use std::io;
use std::sync::{Mutex, PoisonError};
use terminal_size::{Width, terminal_size_of};

/// Width of a terminal that does not say how wide it is.
pub(super) const USUAL_WIDTH: usize = 120;

static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Puts a bar on stderr.
pub(super) fn show() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    bar
}

/// Width of the terminal that the bar is on, as it is now.
pub(super) fn width() -> usize {
    terminal_size_of(io::stderr()).map_or(USUAL_WIDTH, |(Width(columns), _)| usize::from(columns))
}

/// Takes the bar away.
pub(super) fn clear(bar: &ProgressBar) {
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
    bar.finish_and_clear();
}

/// Prints while the bar, if there is one, is away.
pub(super) fn aside(print: impl FnOnce()) {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match shown {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}
