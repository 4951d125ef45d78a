//! `dead-letters show`: the letters themselves.

use super::choice::committed;
use super::reasons::check_reason;
use super::request::ShowRequest;
use crate::commands::session::Session;
use crate::job::Places;
use crate::output::dead_letter::Letter;
use crate::process::stop::Stop;
use crate::report::Outcome;
use crate::run::replay::{CommitLetters, LetterFiles, LetterHistory, LetterState};
use crate::screen::Printer;
use crate::text::count;
use crate::text::printable;
use crate::window::Window;
use etl_sdk::{Error, Result};
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
    let session = Session::open(&request.job, Stop::default(), printer)?.watched(printer)?;
    let places = Places::open(&session.job)?;
    let log = session.log(&places);
    let state = log.refresh()?;
    let window = committed(&state, request.window)?;
    let kept = LetterHistory::read(log.objects(), &state.window(&window))?;
    check_reason(&session.job, request.reason.as_deref(), kept.by_reason().into_keys().collect())?;
    let lines = LetterFiles { storage: &places.dead_letters, runtime: &session.runtime, stop: &session.stop };
    let mut screen = Screen { printer, shown: 0, is_gone: false };
    let mut is_cut = false;
    for commit in &kept.commits {
        is_cut |= print(request, &lines, &kept, commit, &mut screen)?;
    }
    screen.end(is_cut)?;
    Ok(Outcome::Done)
}

/// Letters are printed one by one: each can be as large as a record may be.
struct Screen<'a> {
    printer: &'a Printer,
    shown: usize,
    /// Whether the reader has seen enough.
    is_gone: bool,
}

impl Screen<'_> {
    fn letter(&mut self, letter: &Shown) -> Result<()> {
        let text = if self.printer.is_json() {
            let value = serde_json::to_value(letter).and_then(|value| serde_json::to_string_pretty(&value));
            let value = value.map_err(|error| Error::internal("write JSON").source(error))?;
            let before = if self.shown == 0 { "{\n  \"dead_letters\": [\n    " } else { ",\n    " };
            format!("{before}{}", value.replace('\n', "\n    "))
        } else {
            text_of(letter)
        };
        self.shown += 1;
        self.is_gone |= !self.printer.piece(&text)?;
        Ok(())
    }

    fn end(&self, is_cut: bool) -> Result<()> {
        if self.printer.is_json() {
            return match self.shown {
                0 => self.printer.json(&json!({"dead_letters": [], "more": is_cut})),
                _ => self.printer.result(&format!("\n  ],\n  \"more\": {is_cut}\n}}\n")),
            };
        }
        match (self.shown, is_cut) {
            (0, _) => self.printer.result("no such dead letters\n"),
            (_, false) => Ok(()),
            (shown, true) => self.printer.result(&format!("and more than these {shown}: --limit shows more\n")),
        }
    }
}

/// Prints the letters of one commit; says whether there are more than are wanted.
fn print(
    request: &ShowRequest,
    lines: &LetterFiles<'_>,
    kept: &LetterHistory,
    commit: &CommitLetters,
    screen: &mut Screen<'_>,
) -> Result<bool> {
    let mut is_cut = false;
    for file in &commit.detail.dead_letters {
        if is_cut || screen.is_gone {
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
            if screen.shown >= request.limit.get() {
                is_cut = true;
                return Ok(ControlFlow::Break(()));
            }
            let file = format!("{}/{path}", lines.storage.url());
            screen.letter(&shown_of(letter, request.window, state, file, line, request.raw))?;
            Ok(if screen.is_gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
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

fn text_of(letter: &Shown) -> String {
    let mut text = String::new();
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
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_cut_between_characters() {
        assert_eq!(first(&"é".repeat(150)).len(), FIRST_BYTES);
    }
}
