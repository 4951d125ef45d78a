//! `dead-letters list`: how many there are, by window and reason.

use super::choice::windows;
use super::reasons::check_reason;
use super::request::ListRequest;
use crate::commands::session::Session;
use crate::job::Places;
use crate::process::stop::Stop;
use crate::report::Outcome;
use crate::run::replay::{LetterHistory, ReasonCounts};
use crate::screen::Printer;
use crate::text::columns::{Align, Columns};
use crate::text::count;
use crate::window::Window;
use etl_sdk::Result;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Dead letters of one window.
#[derive(Debug, Serialize)]
struct WindowLetters {
    window: Window,
    #[serde(flatten)]
    all: ReasonCounts,
    reasons: BTreeMap<String, ReasonCounts>,
}

/// Prints the counts.
pub fn run(request: &ListRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.letters.job, Stop::default(), printer)?.watched(printer)?;
    let log = session.log(&Places::open(&session.job)?);
    let state = log.refresh()?;
    let reason = request.letters.reason.as_deref();
    let mut listed = Vec::new();
    let mut seen = BTreeSet::new();
    let mut more = 0;
    for window in windows(&state, request.letters.windows)? {
        if listed.len() >= request.limit.get() {
            more += 1;
            continue;
        }
        let mut reasons = LetterHistory::read(log.objects(), &state.window(&window))?.by_reason();
        seen.extend(reasons.keys().cloned());
        reasons.retain(|code, _| reason.is_none_or(|reason| reason == code));
        if !reasons.is_empty() {
            listed.push(WindowLetters { window, all: sum(&reasons), reasons });
        }
    }
    check_reason(&session.job, reason, seen)?;
    let job = &session.job.config.job;
    if printer.is_json() {
        printer.json(&json!({"dead_letters": {"job": job, "windows": listed, "more_windows": more}}))?;
    } else {
        printer.result(&screen(job, &listed, more))?;
    }
    Ok(Outcome::Done)
}

fn sum(reasons: &BTreeMap<String, ReasonCounts>) -> ReasonCounts {
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
        for (index, (reason, counts)) in letters.reasons.iter().enumerate() {
            let window = if index == 0 { letters.window.to_string() } else { String::new() };
            let numbers = [counts.open, counts.replayed, counts.dropped].map(count);
            columns.row([window, reason.clone()].into_iter().chain(numbers));
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
