//! Dead letters that are dropped: marked as done with.

use super::letters::LetterHistory;
use super::planned::committed;
use crate::commit::{Condition, Event, Marked};
use crate::run::context::JobContext;
use crate::run::lease::claim;
use crate::run::recovered::recover;
use crate::window::Window;
use etl_sdk::Result;
use std::collections::BTreeMap;
use std::time::Duration;

/// Dead letters that were dropped.
pub struct Dropped {
    /// How many, by reason.
    pub reasons: BTreeMap<String, u64>,
    /// What a person should know of.
    pub warnings: Vec<String>,
}

/// Marks the open dead letters of a window as done with, all or those of one reason.
pub fn drop_letters(context: &JobContext<'_>, window: Window, reason: Option<&str>, wait: Duration) -> Result<Dropped> {
    let stop = context.stop.child();
    let _lease = claim(context, window, wait, &stop, || {})?;
    let warnings = recover(context, window)?.warnings();
    let log = &context.stores.log;
    let state = log.refresh()?;
    let known = committed(&state, &window)?;
    // Whoever replaces the letters, or takes them over, after they were read must not be told of them.
    let condition = Condition { window: Some((window, state.version)), ..Condition::default() };
    drop(state);
    let letters = LetterHistory::read(context.objects(), &known)?;
    let mut reasons = BTreeMap::new();
    for commit in &letters.commits {
        let mut open = letters.of_commit(commit);
        open.retain(|code, counts| counts.open > 0 && reason.is_none_or(|reason| reason == code));
        let count = open.values().map(|counts| counts.open).sum();
        if count > 0 {
            let marked = Marked {
                window,
                commit: commit.state.version,
                what: "dropped".to_owned(),
                reasons: reason.map(str::to_owned).into_iter().collect(),
                count,
            };
            log.commit(Event::Marked(marked), &condition)?;
        }
        for (code, counts) in open {
            *reasons.entry(code).or_insert(0) += counts.open;
        }
    }
    Ok(Dropped { reasons, warnings })
}
