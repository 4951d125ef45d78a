//! What a batch tells while it runs.

use super::result::WindowResult;
use crate::report::Progress;
use crate::window::Window;

/// Hears of each window of a batch, from the thread that runs it.
pub trait BatchListener: Sync {
    /// A run begins; its progress is counted in `progress`.
    fn begun(&self, _window: Window, _progress: &Progress) {}

    /// A run has ended. What is returned is added to the warnings of its result.
    fn ended(&self, _result: &WindowResult) -> Vec<String> {
        Vec::new()
    }
}
