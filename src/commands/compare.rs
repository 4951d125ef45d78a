//! `compare`: two outputs by key, column by column.

use super::windows::listen;
use crate::compare::{CompareRequest, ComparisonStatus, compare_watched};
use crate::process::memory;
use crate::report::{Outcome, Progress};
use crate::screen::{Printer, ProgressDisplay, Tone};
use etl_sdk::Result;

/// Compares and prints what was found.
pub fn run(request: &CompareRequest, printer: &Printer) -> Result<Outcome> {
    let stop = listen(printer)?;
    memory::watch(memory::container(), &stop)?;
    let progress = Progress::default();
    let display = ProgressDisplay::start(printer, progress.clone());
    let result = compare_watched(request, &progress, &stop);
    drop(display);
    let report = result?;
    let (outcome, tone) = match report.status {
        ComparisonStatus::Equal => (Outcome::Done, Tone::Good),
        ComparisonStatus::Different => (Outcome::Different, Tone::Bad),
    };
    if printer.is_json() {
        printer.json(&report)?;
    } else {
        printer.result(&format!("{}\n{}", printer.painted(&report.verdict(), tone), report.screen()))?;
    }
    Ok(outcome)
}
