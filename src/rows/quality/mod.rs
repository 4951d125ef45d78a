//! Gates: rules that rows and tables must meet, and limits of dead letters, decided before anything is published.
//!
//! Rules that look at one row at a time run on the batches just before the sink: rows whose rule says `dead_letter`
//! leave there, and the others are judged by the rules that warn or stop. What a task finds is a [`Findings`]: counts,
//! which can be kept as JSON and added up, and the hashed keys of `unique` rules, which are rows to be sorted. After all
//! tasks and merges, [`conclude`] judges every rule.

mod check;
mod config;
mod describe;
mod judge;
mod keys;
mod limits;
mod rule;
#[cfg(test)]
mod tests;
mod values;

pub use self::check::{Findings, QualityCounts, TableChecker};
pub use self::config::QualityConfig;
pub use self::judge::{Verdict, conclude};
pub use self::keys::{KEYS, key_schema};
pub use self::limits::{Toll, check_dead_letters};
pub use self::rule::{Rule, TableRules, Target, build};
pub(crate) use crate::rows::quality::config::QualityFields;
