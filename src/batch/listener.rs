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

    /// A run has ended, or several windows that were run together: adds to the warnings of their results.
    fn all_ended(&self, results: &mut [WindowResult]) {
        for result in results {
            self.one_ended(result);
        }
    }

    /// Adds to the warnings of a result what [`Self::ended`] says.
    fn one_ended(&self, result: &mut WindowResult) {
        let warnings = self.ended(result);
        result.warnings.extend(warnings);
    }
}
