//! The windows whose dead letters are meant.

use super::request::WindowChoice;
use crate::commit::JobState;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};

/// The committed windows that are meant and have dead letters, newest first. One that is named is among them anyway.
pub fn windows(state: &JobState, choice: WindowChoice) -> Result<Vec<Window>> {
    let span = match choice {
        WindowChoice::All => None,
        WindowChoice::One(window) => return committed(state, window).map(|window| vec![window]),
        WindowChoice::Within(span) => Some(span),
    };
    let is_meant = |window: &Window| span.is_none_or(|span| span.covers(window));
    let with_letters = state.windows.iter().rev().filter(|(window, known)| {
        is_meant(window) && known.commits.iter().any(|commit| commit.counts.dead_letters > 0)
    });
    Ok(with_letters.map(|(window, _)| *window).collect())
}

/// The window, which must have been committed.
pub fn committed(state: &JobState, window: Window) -> Result<Window> {
    if state.window(&window).is_committed() {
        return Ok(window);
    }
    let error = Error::new(ErrorKind::Usage, "the window was never committed").with("window", window);
    let within = state.overlapping(&window);
    Err(match within.first() {
        Some(first) => error.with("overlaps", first).hint(format!(
            "{} committed windows overlap it: name one of them, or take those between two instants with --from and --to",
            within.len()
        )),
        None => error.hint("`etl-runner dead-letters list JOB` names the windows that have dead letters"),
    })
}
