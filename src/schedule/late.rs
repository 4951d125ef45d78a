//! Objects that arrived after the hours in their paths were done. Only for `select: path`: with `select: modified` each
//! object belongs to the window it arrives in.

use crate::commit::JobState;
use crate::window::Window;
use chrono::{DateTime, Utc};

/// Done windows that lie within `seconds` before the watermark, oldest first: those to list again.
pub fn candidates(state: &JobState, watermark: DateTime<Utc>, seconds: i64) -> Vec<Window> {
    let from = watermark - chrono::TimeDelta::try_seconds(seconds).unwrap_or(chrono::TimeDelta::zero());
    let until = Window { start: watermark, end: watermark };
    let done = state.windows.range(..until).rev();
    // Committed windows do not overlap, so the first that ends too early has none before it that ends later.
    let mut found: Vec<Window> = done
        .filter(|(_, known)| known.is_committed())
        .take_while(|(window, _)| window.end > from)
        .map(|(window, _)| *window)
        .filter(|window| state.is_done(window))
        .collect();
    found.reverse();
    found
}
