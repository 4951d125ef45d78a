//! The windows whose last run failed.

use crate::batch::Item;
use crate::commit::JobState;
use crate::schedule::{Coverage, DueReason, coverage};

/// The windows whose last run ended without a commit, oldest first. One whose time others have committed is none of them.
pub fn failed(state: &JobState) -> Vec<Item> {
    let failed = state.windows.iter().filter_map(|(window, known)| {
        let failure = known.last_failure.as_ref()?;
        let reason = DueReason::Failed { attempts: known.failures, status: failure.status };
        let item = Item { window: *window, reason: Some(reason), again: known.is_committed() };
        (coverage(state, window) != Coverage::Whole).then_some(item)
    });
    failed.collect()
}
