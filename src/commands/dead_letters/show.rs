//! `dead-letters show`: the letters themselves.

use super::choice::committed;
use super::printable::printable;
use super::request::ShowRequest;
use crate::commands::session::Session;
use crate::job::Places;
use crate::output::dead_letter::Letter;
use crate::process::stop::Stop;
use crate::report::Outcome;
use crate::run::replay::{CommitLetters, LetterFiles, LetterHistory, LetterState};
use crate::screen::Printer;
use crate::text::count;
use crate::window::Window;
use etl_sdk::Result;
use serde::Serialize;
use serde_json::json;
use std::fmt::Write as _;
use std::ops::ControlFlow;

/// Bytes of a record that are printed unless all are asked for.
const FIRST_BYTES: usize = 200;

/// A dead letter as it is printed.
#[derive(Debug, Serialize)]
struct Shown {
    window: Window,
    state: LetterState,
    reason_code: String,
    reason: String,
    step: String,
    source_uri: Option<String>,
    etag: Option<String>,
    byte_offset: Option<u64>,
    length: Option<u64>,
    record_index: Option<u32>,
    raw: Option<String>,
    raw_encoding: Option<String>,
    truncated: bool,
    first_seen: String,
    file: String,
    line: u64,
}

/// Prints dead letters of a window, in the order in which they were met.
pub fn run(request: &ShowRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, Stop::default())?;
    let places = Places::open(&session.job)?;
    let log = session.log(&places);
    let state = log.refresh()?;
    let window = committed(&state, request.window)?;
    let kept = LetterHistory::read(log.objects(), &state.window(&window))?;
    let lines = LetterFiles { storage: &places.dead_letters, runtime: &session.runtime, stop: &session.stop };
    let mut shown = Vec::new();
    let mut is_cut = false;
    for commit in &kept.commits {
        is_cut |= collect(request, &lines, &kept, commit, &mut shown)?;
    }
    if printer.is_json() {
        printer.json(&json!({"dead_letters": shown, "more": is_cut}))?;
    } else {
        printer.result(&screen(&shown, is_cut))?;
    }
    Ok(Outcome::Done)
}

/// Adds the letters of one commit; says whether there are more than are wanted.
fn collect(
    request: &ShowRequest,
    lines: &LetterFiles<'_>,
    kept: &LetterHistory,
    commit: &CommitLetters,
    shown: &mut Vec<Shown>,
) -> Result<bool> {
    let mut is_cut = false;
    for file in &commit.detail.dead_letters {
        if is_cut {
            break;
        }
        let path = file.pending.path.as_str();
        lines.each(path, &mut |line, letter| {
            let state = kept.state_of(commit, path, line, &letter.reason_code);
            let is_meant = request.reason.as_ref().is_none_or(|reason| *reason == letter.reason_code)
                && (state == LetterState::Open || request.all_states);
            if !is_meant {
                return Ok(ControlFlow::Continue(()));
            }
            if shown.len() >= request.limit.get() {
                is_cut = true;
                return Ok(ControlFlow::Break(()));
            }
            let file = format!("{}/{path}", lines.storage.url());
            shown.push(shown_of(letter, request.window, state, file, line, request.raw));
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(is_cut)
}

fn shown_of(letter: Letter, window: Window, state: LetterState, file: String, line: u64, all: bool) -> Shown {
    let raw = letter.raw.map(|raw| if all { raw } else { first(&raw).to_owned() });
    Shown {
        window,
        state,
        reason_code: letter.reason_code,
        reason: letter.reason,
        step: letter.step,
        source_uri: letter.source_uri,
        etag: letter.etag,
        byte_offset: letter.byte_offset,
        length: letter.length,
        record_index: letter.record_index,
        raw,
        raw_encoding: letter.raw_encoding,
        truncated: letter.truncated,
        first_seen: letter.first_seen,
        file,
        line: line + 1,
    }
}

fn first(raw: &str) -> &str {
    &raw[..raw.floor_char_boundary(FIRST_BYTES)]
}

fn screen(shown: &[Shown], is_cut: bool) -> String {
    let mut text = String::new();
    for letter in shown {
        let state = match letter.state {
            LetterState::Open => "",
            LetterState::Replayed => ", replayed",
            LetterState::Dropped => ", dropped",
        };
        // Writing to text does not fail.
        let _ = writeln!(
            text,
            "{} in step {}{state}: {}",
            printable(&letter.reason_code),
            printable(&letter.step),
            printable(&letter.reason)
        );
        let _ = writeln!(text, "  window  {}", letter.window);
        if let (Some(uri), Some(offset), Some(length)) = (&letter.source_uri, letter.byte_offset, letter.length) {
            let element = letter.record_index.map(|index| format!(", element {index}")).unwrap_or_default();
            let (offset, length) = (count(offset), count(length));
            let _ = writeln!(text, "  at      {}, byte {offset}, {length} bytes{element}", printable(uri));
        }
        let _ = writeln!(text, "  kept    {}, line {}", printable(&letter.file), letter.line);
        if let Some(raw) = &letter.raw {
            let name = if letter.raw_encoding.is_some() { "base64" } else { "raw" };
            let cut = if letter.truncated { " (cut)" } else { "" };
            let _ = writeln!(text, "  {name:<6}  {}{cut}", printable(raw));
        }
    }
    match (shown.len(), is_cut) {
        (0, _) => "no such dead letters\n".to_owned(),
        (_, false) => text,
        (shown, true) => format!("{text}and more than these {shown}: --limit shows more\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_cut_between_characters() {
        assert_eq!(first(&"é".repeat(150)).len(), FIRST_BYTES);
    }
}
