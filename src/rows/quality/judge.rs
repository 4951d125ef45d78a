//! The verdict: every rule against what was found, before anything is published.

use super::check::{Findings, QualityCounts, RuleCounts};
use super::config::{Action, RowsConfig};
use super::describe::share;
use super::keys::count_repeated;
use super::rule::{Rule, Test};
use crate::report::RuleResult;
use crate::rows::sort::Sorter;
use crate::text::count;
use etl_sdk::{Error, ErrorKind, Result};
use std::fmt::Write;
use std::sync::Arc;

/// What all rules say of a run.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The result of each rule, in the order of the rules.
    pub results: Vec<RuleResult>,
    /// What broken rules with the action `warn` say.
    pub warnings: Vec<String>,
    /// Why nothing may be published: an error of kind `Gate` that names the first broken rule with the action `stop`.
    pub refusal: Option<Error>,
}

/// Judges all rules. `rows` gives the rows of a table, and `history` those of that many runs before this one, the last one
/// first.
///
/// Fails when the keys of `unique` rules cannot be sorted.
pub fn conclude(
    rules: &[Arc<Rule>],
    findings: Findings,
    sorter: &Sorter,
    rows: &dyn Fn(&str) -> u64,
    history: &dyn Fn(&str, u32) -> Vec<u64>,
) -> Result<Verdict> {
    if rules.is_empty() {
        return Ok(Verdict::default());
    }
    let mut counts = findings.counts;
    let repeated = count_repeated(findings.keys, sorter)?;
    for rule in rules {
        if let Some(found) = repeated.get(&rule.number) {
            let counts = counts.rules.entry(rule.name.clone()).or_default();
            counts.broken += found.rows;
            counts.examples.clone_from(&found.examples);
        }
    }
    let results = judge(rules, &counts, rows, history);
    let broken = |action| {
        let results = rules.iter().zip(&results);
        results.filter(move |(rule, result)| rule.action == action && !result.passed).map(|(_, result)| result)
    };
    let warnings: Vec<String> = broken(Action::Warn).map(warning).collect();
    let refusal = refusal(&broken(Action::Stop).collect::<Vec<_>>());
    Ok(Verdict { results, warnings, refusal })
}

/// The result of each rule, in the order of the rules. `counts` hold broken rows of `unique` rules too. Rules over the
/// number of rows ask for the `rows` of a table, and for its `history`: see [`conclude`].
pub fn judge(
    rules: &[Arc<Rule>],
    counts: &QualityCounts,
    rows: &dyn Fn(&str) -> u64,
    history: &dyn Fn(&str, u32) -> Vec<u64>,
) -> Vec<RuleResult> {
    let none = RuleCounts::default();
    let result = |rule: &Arc<Rule>| {
        let mut result = RuleResult {
            name: rule.name.clone(),
            table: rule.table.clone(),
            kind: rule.test.kind().to_owned(),
            action: rule.action.name().to_owned(),
            ..RuleResult::default()
        };
        if let Test::Rows(bounds) = &rule.test {
            result.rows = rows(&rule.table);
            let before = bounds.against_last.map(|runs| history(&rule.table, runs)).unwrap_or_default();
            (result.passed, result.observed) = judge_rows(bounds, result.rows, &before);
            return result;
        }
        let found = counts.rules.get(&rule.name).unwrap_or(&none);
        (result.rows, result.broken) = (found.rows, found.broken);
        result.examples.clone_from(&found.examples);
        // A hair of a row is for shares that have no exact binary number.
        result.passed = rule.at_least.map_or(found.broken == 0, |at_least| {
            (found.rows - found.broken.min(found.rows)) as f64 >= at_least.0 * found.rows as f64 - 1e-6
        });
        result.observed = observed(rule, found);
        result
    };
    rules.iter().map(result).collect()
}

/// What was found of a rule over rows, for a person.
fn observed(rule: &Rule, found: &RuleCounts) -> String {
    let rows = |number: u64| if number == 1 { "1 row".to_owned() } else { format!("{} rows", count(number)) };
    let mut text = match (found.rows, found.broken) {
        (0, _) => return "no row to judge".to_owned(),
        (all, 0) => format!("{} judged, none broken", rows(all)),
        (all, broken) => {
            let what = match (&rule.test, rule.action) {
                (Test::Unique(_), _) if broken == 1 => "repeats a key of a row before",
                (Test::Unique(_), _) => "repeat a key of a row before",
                (_, Action::DeadLetter) if broken == 1 => "breaks it and is a dead letter",
                (_, Action::DeadLetter) => "break it and are dead letters",
                _ if broken == 1 => "breaks it",
                _ => "break it",
            };
            format!("{} of {} ({}) {what}", count(broken), rows(all), share(broken, all))
        }
    };
    if let Some(at_least) = rule.at_least {
        let _ = write!(text, "; {at_least} must be good");
    }
    text
}

/// Whether the number of rows is within its bounds, and both for a person.
fn judge_rows(bounds: &RowsConfig, rows: u64, before: &[u64]) -> (bool, String) {
    let now = format!("{} rows", count(rows));
    let (Some(runs), Some(within)) = (bounds.against_last, bounds.within) else {
        let passed = bounds.min.is_none_or(|min| rows >= min) && bounds.max.is_none_or(|max| rows <= max);
        let expected = match (bounds.min, bounds.max) {
            (Some(min), Some(max)) => format!("{} to {} expected", count(min), count(max)),
            (Some(min), None) => format!("at least {} expected", count(min)),
            (None, max) => format!("at most {} expected", count(max.unwrap_or(u64::MAX))),
        };
        return (passed, format!("{now}; {expected}"));
    };
    let last = &before[..before.len().min(runs as usize)];
    if last.is_empty() {
        return (true, format!("{now}; no run before to compare with"));
    }
    let mean = last.iter().map(|rows| *rows as f64).sum::<f64>() / last.len() as f64;
    let passed = (rows as f64 - mean).abs() <= within.0 * mean + 1e-6;
    let mean = count(mean.round() as u64);
    let runs = if last.len() == 1 { "run".to_owned() } else { format!("{} runs", last.len()) };
    (passed, format!("{now}; within {within} of {mean} expected, the mean of the last {runs}"))
}

fn warning(result: &RuleResult) -> String {
    let examples = if result.examples.is_empty() { String::new() } else { format!(": {}", result.examples.join("; ")) };
    format!("quality rule {} on {}: {}{examples}", result.name, result.table, result.observed)
}

/// The error of the rules that stop the publishing, if there are any.
fn refusal(broken: &[&RuleResult]) -> Option<Error> {
    let (first, others) = broken.split_first()?;
    let mut error = Error::new(ErrorKind::Gate, "refuse to publish: a quality rule is broken")
        .with("rule", &first.name)
        .with("table", &first.table)
        .with("observed", format_args!("\"{}\"", first.observed));
    if !first.examples.is_empty() {
        error = error.with("examples", format_args!("\"{}\"", first.examples.join("; ")));
    }
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|result| result.name.as_str()).collect();
        error = error.with("also_broken", names.join(","));
    }
    Some(error.hint(
        "mend the input or the job and run the window again; to publish all the same, give the rule `action: warn` \
         for this run with --set quality.N.action=warn, N counted from 0",
    ))
}
