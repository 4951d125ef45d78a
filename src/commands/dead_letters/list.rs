//! `dead-letters list`: how many there are, by window and reason.

use super::{ListRequest, Reading, windows};
use crate::report::Outcome;
use crate::run::replay::{LetterHistory, ReasonCounts};
use crate::screen::Printer;
use crate::text::columns::{Align, Columns};
use crate::text::count;
use crate::window::Window;
use etl_sdk::Result;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Dead letters of one window.
#[derive(Debug, Serialize)]
pub(super) struct WindowLetters {
    window: Window,
    #[serde(flatten)]
    all: ReasonCounts,
    reasons: BTreeMap<String, ReasonCounts>,
}

/// Prints the counts.
pub fn run(request: &ListRequest, printer: &Printer) -> Result<Outcome> {
    let reading = Reading::open(&request.letters)?;
    let state = reading.log.refresh()?;
    let reason = request.letters.reason.as_deref();
    let mut listed = Vec::new();
    let mut more = 0;
    for window in windows(&state, &request.letters.windows)? {
        if listed.len() >= request.limit.max(1) {
            more += 1;
            continue;
        }
        let mut reasons = LetterHistory::read(reading.log.objects(), &state.window(&window))?.by_reason();
        reasons.retain(|code, _| reason.is_none_or(|reason| reason == code));
        if !reasons.is_empty() {
            listed.push(WindowLetters { window, all: sum(&reasons), reasons });
        }
    }
    let job = &reading.job.config.job;
    if printer.is_json() {
        printer.json(&json!({"dead_letters": {"job": job, "windows": listed, "more_windows": more}}))?;
    } else {
        printer.result(&screen(job, &listed, more))?;
    }
    Ok(Outcome::Done)
}

pub(super) fn sum(reasons: &BTreeMap<String, ReasonCounts>) -> ReasonCounts {
    reasons.values().fold(ReasonCounts::default(), |all, counts| ReasonCounts {
        open: all.open + counts.open,
        replayed: all.replayed + counts.replayed,
        dropped: all.dropped + counts.dropped,
    })
}

fn screen(job: &str, listed: &[WindowLetters], more: usize) -> String {
    if listed.is_empty() {
        return format!("dead letters: job {job} has none\n");
    }
    let open = listed.iter().map(|letters| letters.all.open).sum();
    let mut columns = Columns::new(&[Align::Left, Align::Left, Align::Right, Align::Right, Align::Right]);
    columns.row(["window", "reason", "open", "replayed", "dropped"].map(str::to_owned));
    for letters in listed {
        for (place, (reason, counts)) in letters.reasons.iter().enumerate() {
            let window = if place == 0 { letters.window.to_string() } else { String::new() };
            let numbers = [counts.open, counts.replayed, counts.dropped].map(count);
            columns.row([window, super::show::printable(reason)].into_iter().chain(numbers));
        }
    }
    let more = match more {
        0 => String::new(),
        more => format!("  and {} more windows: --limit, or --from and --to\n", count(more as u64)),
    };
    let windows = if listed.len() == 1 { "window" } else { "windows" };
    format!(
        "dead letters: job {job}, {} open in {} {windows}\n{}{more}",
        count(open),
        count(listed.len() as u64),
        columns.render(2)
    )
}
