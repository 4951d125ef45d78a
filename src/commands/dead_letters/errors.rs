//! Which windows the error records of Firehose belong to.

use crate::run::JobContext;
use crate::source::{ErrorPart, InputObject, Opened, list_all, open, read_errors};
use crate::storage::Storage;
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::Result;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Error records that are not replayed, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Unclaimed {
    /// Arrived in a window that was never committed.
    pub without_window: u64,
    /// Arrived in a window that was not asked for.
    pub other_windows: u64,
    /// No error records: without an arrival, or without Base64 in `rawData`.
    pub broken: u64,
    /// Objects that are archived.
    pub archived_objects: u64,
}

/// The objects that have records of each window, newest window first, and what is left over.
pub(super) struct Errors {
    pub storage: Storage,
    pub windows: Vec<(Window, Vec<InputObject>)>,
    pub unclaimed: Unclaimed,
}

/// Reads all error objects below `url` once. An object is not looked at when it was written before the first of the
/// windows: what it holds arrived before it was written.
pub(super) fn find(context: &JobContext<'_>, url: &str, wanted: &dyn Fn(&Window) -> bool) -> Result<Errors> {
    let config = &context.job.config;
    let storage = Storage::open(url, &config.source.s3, &context.job.folder)?;
    let state = context.stores.log.refresh()?;
    let committed = state.windows.iter().filter(|(window, known)| known.is_committed() && wanted(window));
    let first: Option<DateTime<Utc>> = committed.map(|(window, _)| window.start).next();
    let mut unclaimed = Unclaimed::default();
    let mut windows: BTreeMap<Window, Vec<InputObject>> = BTreeMap::new();
    let all = list_all(&storage, config.limits.objects, &context.runtime, &context.stop)?;
    for object in all.into_iter().filter(|object| first.is_some_and(|first| object.modified >= first)) {
        let Opened::Reader(reader) = open(&storage, &object, &context.runtime, &context.stop)?.wait()? else {
            unclaimed.archived_objects += 1;
            continue;
        };
        let mut met = BTreeSet::new();
        read_errors(reader, &object.object, &config.source, &config.limits, &mut |part| {
            match part {
                ErrorPart::Broken => unclaimed.broken += 1,
                ErrorPart::Record(arrival) => match state.window_at(arrival) {
                    None => unclaimed.without_window += 1,
                    Some(window) if wanted(&window) => {
                        met.insert(window);
                    }
                    Some(_) => unclaimed.other_windows += 1,
                },
                ErrorPart::Frame(_) => {}
            }
            Ok(())
        })?;
        for window in met {
            windows.entry(window).or_default().push(object.clone());
        }
    }
    Ok(Errors { storage, windows: windows.into_iter().rev().collect(), unclaimed })
}

impl Unclaimed {
    /// A sentence for each kind.
    pub fn warnings(self) -> Vec<String> {
        [
            (
                self.without_window,
                "error records arrived in no committed window and were left: run it, and replay again",
            ),
            (self.broken, "are no error records of Firehose, or have no Base64 in rawData, and were left"),
            (self.archived_objects, "objects are archived and were left: restore them, and replay again"),
        ]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect()
    }
}
