//! One window, named on the command line.

use crate::text::Span;
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::Result;

/// How a window is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowArgument {
    /// By its two ends.
    Window(Window),
    /// As the last whole span of this length before the run's instant.
    Last(Span),
}

impl WindowArgument {
    /// The window, for a run at `now`.
    ///
    /// Fails with kind `Usage` when no window has that length.
    pub fn window(self, now: DateTime<Utc>) -> Result<Window> {
        match self {
            Self::Window(window) => Ok(window),
            Self::Last(span) => Window::last(span, now),
        }
    }
}
