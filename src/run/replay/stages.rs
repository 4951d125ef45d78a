//! What a replay found, stage by stage.

use super::feed::Tally;
use crate::engine::output::RunOutput;
use crate::rows::quality::Verdict;
use crate::run::announced::Announced;
use crate::run::recovered::Recovery;
use std::collections::BTreeMap;

/// What a replay found, as far as it came.
#[derive(Default)]
pub struct Stages {
    /// Commits of earlier runs.
    pub recovery: Option<Recovery>,
    /// What became of the dead letters.
    pub tally: Option<Tally>,
    /// What came of their records.
    pub merged: Option<RunOutput>,
    /// What the quality rules say of it, if they let it pass.
    pub judged: Option<Verdict>,
    /// Number of the amendment.
    pub committed: Option<u32>,
    /// How it was announced, when it is published.
    pub announced: Option<Announced>,
}

/// Dead letters of an output by reason.
pub fn dead(output: &RunOutput) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (reason, count) in output.ledger.steps().flat_map(|(_, counts)| &counts.dead) {
        *all.entry(reason.to_string()).or_insert(0) += count;
    }
    all
}

/// Dead letters or error records that are done with. None when letters only moved from one file to another: each try
/// would make an amendment of them.
pub fn taken(tally: &Tally, output: &RunOutput) -> u64 {
    let is_in_vain = output.files().is_empty() && dead(output).values().sum::<u64>() >= tally.taken;
    if is_in_vain { 0 } else { tally.taken }
}
