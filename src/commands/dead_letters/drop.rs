//! `dead-letters drop`: marks dead letters as dropped. Their files stay as they are.

use super::choice::committed;
use super::reasons::check_reason_of;
use super::request::DropRequest;
use crate::commands::session::Session;
use crate::process::stop::Stop;
use crate::report::Outcome;
use crate::run::drop_letters;
use crate::run::replay::LetterHistory;
use crate::screen::Printer;
use crate::text::count;
use crate::text::printable;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use serde_json::json;
use std::collections::BTreeMap;

/// Shows how many dead letters are open, and marks them when that is confirmed.
pub fn run(request: &DropRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, Stop::default(), printer)?.watched(printer)?.build()?;
    let context = session.context()?;
    let state = context.stores.log.refresh()?;
    let window = committed(&state, request.window)?;
    let reason = request.reason.as_deref();
    let kept = LetterHistory::read(context.objects(), &state.window(&window))?.by_reason();
    check_reason_of(context.pipeline, reason, kept.keys().cloned().collect())?;
    let mut open: BTreeMap<String, u64> = kept.into_iter().map(|(code, counts)| (code, counts.open)).collect();
    open.retain(|code, open| *open > 0 && reason.is_none_or(|reason| reason == code));
    let is_meant = request.yes && !request.dry_run && !open.is_empty();
    if is_meant {
        let dropped = drop_letters(&context, window, reason, request.wait)?;
        for warning in &dropped.warnings {
            printer.warning(warning);
        }
        open = dropped.reasons;
    }
    if printer.is_json() {
        printer.json(&json!({"drop": {"window": window, "dropped": is_meant, "reasons": open}}))?;
    } else {
        printer.result(&screen(&window, is_meant, &open))?;
    }
    if is_meant || request.dry_run || open.is_empty() {
        return Ok(Outcome::Done);
    }
    printer.explain(
        &Error::new(ErrorKind::Usage, "nothing was dropped")
            .hint("dropped dead letters are never replayed; add --yes to confirm"),
    );
    Ok(Outcome::Stopped(ErrorKind::Usage))
}

fn screen(window: &Window, is_dropped: bool, reasons: &BTreeMap<String, u64>) -> String {
    let all = count(reasons.values().sum());
    let done = if is_dropped { "dropped" } else { "open" };
    let by_reason: Vec<String> =
        reasons.iter().map(|(code, open)| format!("  {} {}\n", count(*open), printable(code))).collect();
    format!("dead letters: window {window}, {all} {done}\n{}", by_reason.concat())
}
