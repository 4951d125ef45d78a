//! Counts per step that must balance.

use crate::ReasonCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one step did with its rows: `read + added = kept + filtered + dead`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCounts {
    /// Rows that came in.
    pub read: u64,
    /// Rows the step made beyond the ones that came in (an array of three elements adds two).
    pub added: u64,
    /// Rows that went on.
    pub kept: u64,
    /// Rows left out on purpose, by reason code.
    pub filtered: BTreeMap<ReasonCode, u64>,
    /// Rows that went to the dead letters, by reason code.
    pub dead: BTreeMap<ReasonCode, u64>,
}

impl StepCounts {
    /// Sum over the filter reasons.
    pub fn filtered_total(&self) -> u64 {
        self.filtered.values().sum()
    }

    /// Sum over the dead letter reasons.
    pub fn dead_total(&self) -> u64 {
        self.dead.values().sum()
    }

    /// Whether every row is accounted for.
    pub fn balances(&self) -> bool {
        self.read + self.added == self.kept + self.filtered_total() + self.dead_total()
    }

    fn merge(&mut self, other: &Self) {
        self.read += other.read;
        self.added += other.added;
        self.kept += other.kept;
        for (reason, count) in &other.filtered {
            *self.filtered.entry(reason.clone()).or_default() += count;
        }
        for (reason, count) in &other.dead {
            *self.dead.entry(reason.clone()).or_default() += count;
        }
    }
}

/// The steps of a run in the order rows meet them. Written as JSON and read back it is the same ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    steps: Vec<(String, StepCounts)>,
}

impl Ledger {
    /// The counts of a step; a step is created at the end of the list when it is first asked for.
    pub fn step(&mut self, name: &str) -> &mut StepCounts {
        // A job has a dozen steps at most: a scan beats a map and keeps the order.
        let index = self.steps.iter().position(|(step, _)| step == name).unwrap_or_else(|| {
            self.steps.push((name.to_owned(), StepCounts::default()));
            self.steps.len() - 1
        });
        &mut self.steps[index].1
    }

    /// The counts of a step, if it has any.
    pub fn get(&self, name: &str) -> Option<&StepCounts> {
        self.steps.iter().find(|(step, _)| step == name).map(|(_, counts)| counts)
    }

    /// All steps in order.
    pub fn steps(&self) -> impl Iterator<Item = (&str, &StepCounts)> {
        self.steps.iter().map(|(name, counts)| (name.as_str(), counts))
    }

    /// Adds the counts of another ledger, step by step.
    pub fn merge(&mut self, other: &Self) {
        for (name, counts) in &other.steps {
            self.step(name).merge(counts);
        }
    }

    /// Names of the steps whose rows do not add up.
    pub fn unbalanced(&self) -> Vec<&str> {
        self.steps().filter(|(_, counts)| !counts.balances()).map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_row_is_named() {
        let mut ledger = Ledger::default();
        let step = ledger.step("payload");
        step.read = 2;
        step.added = 3;
        step.kept = 4;
        *step.dead.entry("bad_json".into()).or_default() += 1;
        assert!(ledger.unbalanced().is_empty());
        ledger.step("payload").kept = 3;
        assert_eq!(ledger.unbalanced(), ["payload"]);
    }

    #[test]
    fn merging_adds_reasons_and_keeps_the_order_of_steps() {
        let mut left = Ledger::default();
        left.step("a").read = 1;
        let mut right = Ledger::default();
        right.step("a").read = 2;
        *right.step("b").filtered.entry("stale".into()).or_default() += 5;
        left.merge(&right);
        assert_eq!(left.steps().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(left.step("a").read, 3);
        assert_eq!(left.step("b").filtered_total(), 5);
    }
    #[test]
    fn a_ledger_is_the_same_when_it_is_read_back() {
        let mut ledger = Ledger::default();
        ledger.step("source").read = 7;
        ledger.step("source").kept = 3;
        *ledger.step("source").dead.entry("bad_json".into()).or_default() += 1;
        *ledger.step("source").filtered.entry("stale".into()).or_default() += 3;
        ledger.step("alpha").added = 2;
        let mut back: Ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
        assert_eq!(back, ledger);
        back.merge(&ledger);
        assert_eq!(back.step("source").dead.get("bad_json"), Some(&2));
        assert_eq!(back.steps().map(|(name, _)| name).collect::<Vec<_>>(), ["source", "alpha"]);
    }
}
