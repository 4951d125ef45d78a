//! `dead-letters drop`: says that dead letters are done with. Their files stay as they are.

use super::{DropRequest, one};
use crate::commands::process_environment;
use crate::commands::run::{runtime, wait};
use crate::engine::Pipeline;
use crate::job::load;
use crate::process::stop::Stop;
use crate::registry::builtin;
use crate::report::Outcome;
use crate::run::replay::LetterHistory;
use crate::run::{JobContext, drop_letters};
use crate::screen::Printer;
use crate::text::count;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use serde_json::json;
use std::collections::BTreeMap;

/// Shows how many dead letters are open, and marks them when that is meant.
pub fn run(request: &DropRequest, printer: &Printer) -> Result<Outcome> {
    let letters = &request.letters;
    let job = load(&letters.job_file, &letters.overrides, &process_environment)?;
    let pipeline = Pipeline::build(&job, &builtin())?;
    let (runtime, wait) = (runtime()?, wait(request.wait.as_deref())?);
    let context = JobContext::open(&job, &pipeline, runtime.handle().clone(), Stop::default())?;
    let state = context.stores.log.refresh()?;
    let window = match &letters.windows {
        super::WindowChoice::One(text) => one(&state, text)?,
        _ => return Err(Error::new(ErrorKind::Usage, "no window is given").hint("add --window 2026-11-20T05/PT1H")),
    };
    let reason = letters.reason.as_deref();
    let mut open: BTreeMap<String, u64> = LetterHistory::read(context.objects(), &state.window(&window))?
        .by_reason()
        .into_iter()
        .map(|(code, counts)| (code, counts.open))
        .collect();
    open.retain(|code, open| *open > 0 && reason.is_none_or(|reason| reason == code));
    let is_meant = request.yes && !request.dry_run && !open.is_empty();
    if is_meant {
        let dropped = drop_letters(&context, window, reason, wait)?;
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
            .hint("what is dropped is not replayed any more; if that is meant, add --yes"),
    );
    Ok(Outcome::Stopped(ErrorKind::Usage))
}

fn screen(window: &Window, is_dropped: bool, reasons: &BTreeMap<String, u64>) -> String {
    let all = count(reasons.values().sum());
    let done = if is_dropped { "dropped" } else { "open" };
    let by_reason: Vec<String> =
        reasons.iter().map(|(code, open)| format!("  {} {}\n", count(*open), super::show::printable(code))).collect();
    format!("dead letters: window {window}, {all} {done}\n{}", by_reason.concat())
}
