//! Objects that arrived after the hours in their paths were done. Only for `select: path`: with `select: modified` each
//! object belongs to the window it arrives in.

use crate::commit::JobState;
use crate::window::Window;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// What arrived for a window since it was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Objects that the window's commit did not read, changed ones included.
    pub objects: u64,
    /// Their bytes as stored.
    pub bytes: u64,
}

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

/// Compares what is there now with what the commit read. Both are `uri`, `ETag` and stored bytes. An object without an
/// `ETag` is the same when its size is.
pub fn compare<'a>(
    now: impl IntoIterator<Item = (&'a str, Option<&'a str>, u64)>,
    read: impl IntoIterator<Item = (&'a str, Option<&'a str>, u64)>,
) -> Arrived {
    let read: BTreeMap<&str, (Option<&str>, u64)> =
        read.into_iter().map(|(uri, etag, bytes)| (uri, (etag, bytes))).collect();
    let mut arrived = Arrived::default();
    for (uri, etag, bytes) in now {
        let is_known = read.get(uri).is_some_and(|(known, size)| match (known, etag) {
            (Some(known), Some(etag)) => *known == etag,
            _ => *size == bytes,
        });
        if !is_known {
            arrived.objects += 1;
            arrived.bytes += bytes;
        }
    }
    arrived
}
