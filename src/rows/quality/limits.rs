//! The gate over dead letters: `limits.dead_letters`.

use crate::limits::{DeadLetterLimit, DeadLetterLimits};
use etl_sdk::{Error, ErrorKind, Ledger, Result};
use std::collections::BTreeMap;

/// Refuses to publish when there are more dead letters than the job allows, over all reasons or of one. Shares are of
/// `read`, the records and elements that were read.
///
/// Fails with kind `Gate`, naming the limit that is broken.
pub fn check_dead_letters(limits: Option<&DeadLetterLimits>, ledger: &Ledger, read: u64) -> Result<()> {
    let Some(limits) = limits else { return Ok(()) };
    let mut by_reason: BTreeMap<&str, u64> = BTreeMap::new();
    for (reason, rows) in ledger.steps().flat_map(|(_, counts)| &counts.dead) {
        *by_reason.entry(reason).or_default() += rows;
    }
    let dead = by_reason.values().sum();
    if let Some(limit) = limits.all.filter(|limit| limit.is_exceeded(dead, read)) {
        return Err(refusal(dead, read, "limits.dead_letters", limit));
    }
    for (reason, limit) in &limits.reasons {
        let dead = by_reason.get(reason.as_str()).copied().unwrap_or_default();
        if limit.is_exceeded(dead, read) {
            return Err(refusal(dead, read, "limits.dead_letters.reasons", *limit).with("reason", reason));
        }
    }
    Ok(())
}

fn refusal(dead: u64, read: u64, setting: &'static str, limit: DeadLetterLimit) -> Error {
    Error::new(ErrorKind::Gate, "refuse to publish: too many dead letters")
        .with("dead_letters", dead)
        .with("read", read)
        .with(setting, limit)
        .hint(format!("look at the dead letters, mend the input or the job, or raise {setting}"))
}
