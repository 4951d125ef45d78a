//! The windows whose last run failed, or came too early.

use crate::batch::Item;
use crate::commit::JobState;
use crate::schedule::{Closing, Coverage, DueReason, coverage};
use crate::window::Window;

/// Windows to run again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FailedWindows {
    /// Those whose last run ended without a commit, and the provisional ones, as far as they are closed, oldest first.
    pub items: Vec<Item>,
    /// Those of which the same holds, and that are still open.
    pub open: Vec<Window>,
}

/// The windows to run again. One whose time others have committed is none of them.
pub fn failed(state: &JobState, closing: &Closing) -> FailedWindows {
    let mut found = FailedWindows::default();
    for (window, known) in &state.windows {
        let reason = match &known.last_failure {
            Some(failure) => DueReason::Failed { attempts: known.failures, status: failure.status },
            None if known.is_provisional() => DueReason::Provisional,
            None => continue,
        };
        if coverage(state, window) == Coverage::Whole {
            continue;
        }
        if closing.is_open(window) {
            found.open.push(*window);
        } else {
            let again = known.is_committed() && !known.is_provisional();
            found.items.push(Item { window: *window, reason: Some(reason), again });
        }
    }
    found
}
