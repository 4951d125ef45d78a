//! `dead-letters show`: the letters themselves.

use super::{Reading, ShowRequest, windows};
use crate::output::dead_letter::Letter;
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
    let reading = Reading::open(&request.letters)?;
    let state = reading.log.refresh()?;
    let mut shown = Vec::new();
    let mut is_cut = false;
    for window in windows(&state, &request.letters.windows)? {
        let kept = LetterHistory::read(reading.log.objects(), &state.window(&window))?;
        for commit in &kept.commits {
            is_cut |= collect(request, &reading, window, &kept, commit, &mut shown)?;
        }
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
    reading: &Reading,
    window: Window,
    kept: &LetterHistory,
    commit: &CommitLetters,
    shown: &mut Vec<Shown>,
) -> Result<bool> {
    let lines =
        LetterFiles { storage: &reading.places.dead_letters, runtime: reading.runtime.handle(), stop: &reading.stop };
    let mut is_cut = false;
    for file in &commit.detail.dead_letters {
        if is_cut {
            break;
        }
        let path = file.pending.path.as_str();
        lines.each(path, &mut |line, letter| {
            let state = kept.state_of(commit, path, line, &letter.reason_code);
            let is_meant = request.letters.reason.as_ref().is_none_or(|reason| *reason == letter.reason_code)
                && (state == LetterState::Open || request.all_states);
            if !is_meant {
                return Ok(ControlFlow::Continue(()));
            }
            if shown.len() >= request.limit.max(1) {
                is_cut = true;
                return Ok(ControlFlow::Break(()));
            }
            let file = format!("{}/{path}", reading.places.dead_letters.url());
            shown.push(shown_of(letter, window, state, file, line, request.raw));
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

/// Text without anything that would move a terminal's cursor, colour it or turn its direction.
pub(super) fn printable(text: &str) -> String {
    let is_unsafe = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) { safe.extend(character.escape_default()) } else { safe.push(character) }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        let text = "\u{1b}[31mred\r\n\u{9b}0m\u{202e}é\u{7f}\t\\n";
        assert_eq!(printable(text), "\\u{1b}[31mred\\r\\n\\u{9b}0m\\u{202e}é\\u{7f}\\t\\n");
        assert_eq!(first(&"é".repeat(150)).len(), FIRST_BYTES);
    }
}
