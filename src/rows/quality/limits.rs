//! The gate over dead letters: `limits.dead_letters`.

use crate::limits::{DeadLetterLimit, DeadLetterLimits};
use etl_sdk::{Error, ErrorKind, Result};
use std::collections::BTreeMap;

/// What a run read, and what of it cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    /// Records and elements that were read.
    pub read: u64,
    /// Dead letters by reason code.
    pub dead: BTreeMap<String, u64>,
    /// Records and elements that damaged objects have probably lost beside their dead letters, by reason code.
    pub lost: BTreeMap<String, u64>,
}

impl Toll {
    /// All that was read or lost.
    pub fn all(&self) -> u64 {
        self.read + self.all_lost()
    }

    /// Dead letters over all reasons.
    pub fn all_dead(&self) -> u64 {
        self.dead.values().sum()
    }

    /// What is lost beside them, over all reasons.
    pub fn all_lost(&self) -> u64 {
        self.lost.values().sum()
    }
}

/// Refuses to publish when there are more dead letters than the job allows, over all reasons or of one. What was lost
/// counts with them.
///
/// Fails with kind `Gate`, naming the limit that is broken.
pub fn check_dead_letters(limits: &DeadLetterLimits, toll: &Toll) -> Result<()> {
    let (dead, lost) = (toll.all_dead(), toll.all_lost());
    if let Some(limit) = limits.exceeded(dead + lost, toll.all()) {
        return Err(refusal(toll, (dead, lost), "limits.dead_letters", limit));
    }
    for (reason, limit) in &limits.reasons {
        let of = |counts: &BTreeMap<String, u64>| counts.get(reason).copied().unwrap_or_default();
        let (dead, lost) = (of(&toll.dead), of(&toll.lost));
        if limit.is_exceeded(dead + lost, toll.all()) {
            let error = refusal(toll, (dead, lost), "limits.dead_letters.reasons", *limit);
            return Err(error.with("reason", reason));
        }
    }
    Ok(())
}

fn refusal(toll: &Toll, (dead, lost): (u64, u64), setting: &'static str, limit: DeadLetterLimit) -> Error {
    let mut error = Error::new(ErrorKind::Gate, "refuse to publish: too many dead letters")
        .with("dead_letters", dead)
        .with("read", toll.read);
    if lost > 0 {
        error = error.with("probably_lost", lost);
    }
    error.with(setting, limit).hint(format!("look at the dead letters, mend the input or the job, or raise {setting}"))
}
