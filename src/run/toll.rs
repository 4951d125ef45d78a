//! What a run lost: dead letters, and what damaged objects held beyond them.

use crate::engine::Pipeline;
use crate::engine::output::RunOutput;
use crate::rows::quality::Toll;
use crate::source::{DamagedObject, Losses};
use crate::text::{bytes, count, printable_start};
use std::collections::BTreeMap;

/// Counts the dead of a run.
pub fn toll(pipeline: &Pipeline, output: &RunOutput) -> Toll {
    let ledger = &output.ledger;
    let chain = pipeline.transformer.chain();
    let made = chain.iter().filter_map(|step| ledger.get(step)).map(|counts| counts.added).sum::<u64>();
    let mut dead = BTreeMap::new();
    for (reason, rows) in ledger.steps().flat_map(|(_, counts)| &counts.dead) {
        *dead.entry(reason.to_string()).or_default() += rows;
    }
    let records = output.records();
    let read = records + made;
    // A record counts with its elements, and so does one that is lost.
    let with_elements = |lost: u64| (lost * read).div_ceil(records.max(1)).max(lost);
    let lost = output.losses.estimate().records.into_iter().map(|(reason, lost)| (reason, with_elements(lost)));
    Toll { read, dead, lost: lost.collect() }
}

/// What a person should know of the losses of a run, whether it is published or not.
pub fn warnings(pipeline: &Pipeline, output: &RunOutput) -> Vec<String> {
    let toll = toll(pipeline, output);
    let mut warnings = damage(&output.losses);
    if toll.all_dead() > toll.read / 2 {
        warnings.push(majority(output, &toll));
    }
    warnings
}

/// `most of what was read cannot be used: 150 of 150, 150 of them missing_data, the first at /raw/a.json byte 0: {"id":1}`
fn majority(output: &RunOutput, toll: &Toll) -> String {
    let all = format!("most of what was read cannot be used: {} of {}", count(toll.all_dead()), count(toll.read));
    // Of reasons that are as frequent, the first by name.
    let Some((reason, rows)) = toll.dead.iter().rev().max_by_key(|(_, rows)| **rows) else { return all };
    let example = output.examples.get(reason).map(|example| format!(", the first at {example}")).unwrap_or_default();
    format!("{all}, {} of them {reason}{example}", count(*rows))
}

/// A line for each damaged object that is named, and what all of them have probably lost.
fn damage(losses: &Losses) -> Vec<String> {
    let lost = losses.estimate();
    let beside = lost.total();
    let mut lines: Vec<String> = losses.named().iter().map(|object| of_object(losses, object)).collect();
    if beside > 0 || lost.objects > lines.len() as u64 {
        let objects = if lost.objects == 1 { "object is" } else { "objects are" };
        lines.push(format!(
            "{} {objects} damaged: {} and {} records are probably lost beside the dead letters, and count in \
             limits.dead_letters",
            count(lost.objects),
            bytes(lost.bytes),
            count(beside)
        ));
    }
    lines
}

fn of_object(losses: &Losses, damaged: &DamagedObject) -> String {
    let DamagedObject { object, reason, message, read_bytes, records, missing_bytes } = damaged;
    let lost = match missing_bytes {
        Some(0) => "all of it was read".to_owned(),
        Some(missing) => format!("{} not read", bytes(*missing)),
        None => format!("it ends too early, about {} are missing", bytes(losses.missing_of_one(*read_bytes))),
    };
    let object = printable_start(object.as_bytes(), 1_024);
    let message = printable_start(message.as_bytes(), 200);
    format!(
        "{object} is damaged ({reason}: {message}): {} and {} records read, {lost}",
        bytes(*read_bytes),
        count(*records)
    )
}
