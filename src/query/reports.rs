//! The kept run reports as objects: their names, and how they are read without holding many.

use crate::storage::{Storage, store_error};
use crate::window::Window;
use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime, Utc};
use etl_sdk::{Error, Result};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path as ObjectPath;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Reports that are fetched at the same time.
const FETCHED_AT_ONCE: usize = 8;

/// Length of a report that is still read: that of a run of some hundred thousand files. Several of them are in memory at
/// once.
const MAX_BYTES: u64 = 64 << 20;

/// Length of `20261120T000000Z`.
const INSTANT_LENGTH: usize = 16;

/// The folder of a job's kept reports: `<state>/<job>/runs/`.
#[derive(Clone, Debug)]
pub struct ReportFolder {
    state: Storage,
    folder: ObjectPath,
    job: String,
}

/// A kept report that was listed and not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportObject {
    /// Name of the object without `.json`; one per attempt.
    pub name: String,
    /// The object's key.
    pub location: ObjectPath,
    /// Length in bytes.
    pub bytes: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// What the name says; `None` for a name of another form.
    pub parsed: Option<ReportName>,
}

/// What the name of a report says: `<job>-<window>`, then `-<instant>-<token>` for reports that are kept per attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportName {
    /// Name of the run.
    pub run_id: String,
    /// The run's window.
    pub window: Window,
    /// When the attempt was made, if the name says so.
    pub instant: Option<DateTime<Utc>>,
}

impl ReportName {
    /// Reads a name without `.json`. `None` when it is not one of `job`.
    pub fn parse(job: &str, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(job)?.strip_prefix('-')?;
        let start = instant(rest.get(..INSTANT_LENGTH)?)?;
        let rest = rest[INSTANT_LENGTH..].strip_prefix('-')?;
        let end = instant(rest.get(..INSTANT_LENGTH)?)?;
        let rest = &rest[INSTANT_LENGTH..];
        let window = Window::new(start, end).ok()?;
        if !rest.is_empty() && !rest.starts_with('-') {
            return None;
        }
        let run_id = name[..name.len() - rest.len()].to_owned();
        let instant = rest.strip_prefix('-').and_then(|rest| instant(rest.split('-').next().unwrap_or_default()));
        Some(Self { run_id, window, instant })
    }
}

/// `20261120T000000Z`, also with a fraction of the second with or without its point.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let text = text.strip_suffix('Z')?;
    ["%Y%m%dT%H%M%S%.f", "%Y%m%dT%H%M%S%3f", "%Y%m%dT%H%M%S%6f", "%Y%m%dT%H%M%S%9f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|instant| instant.and_utc())
}

impl ReportObject {
    /// When the attempt was made: what the name says, else when the object was written.
    pub fn instant(&self) -> DateTime<Utc> {
        self.parsed.as_ref().and_then(|name| name.instant).unwrap_or(self.modified)
    }
}

impl ReportFolder {
    /// The reports of `job` under `state`; nothing is read.
    pub fn new(state: &Storage, job: &str) -> Self {
        let folder = state.prefix().clone().join(job).join("runs");
        Self { state: state.clone(), folder, job: job.to_owned() }
    }

    /// Where a report is, for a person.
    pub fn uri_of(&self, object: &ReportObject) -> String {
        self.state.uri_of(&object.location)
    }

    /// The window that the name of a run says.
    pub fn window_of(&self, run_id: &str) -> Option<Window> {
        ReportName::parse(&self.job, run_id).map(|name| name.window)
    }

    /// All reports, sorted by name; none when no run was made yet.
    pub async fn list(&self) -> Result<Vec<ReportObject>> {
        let failed = |error| store_error("list the run reports", &self.state.uri_of(&self.folder), error);
        let mut listing = self.state.store().list(Some(&self.folder));
        let mut found = Vec::new();
        while let Some(object) = listing.try_next().await.map_err(failed)? {
            let Some(file) = object.location.as_ref().strip_prefix(self.folder.as_ref()) else { continue };
            let Some(name) = file.trim_start_matches('/').strip_suffix(".json") else { continue };
            if name.contains('/') || name.starts_with(['.', '_']) {
                continue;
            }
            found.push(ReportObject {
                name: name.to_owned(),
                parsed: ReportName::parse(&self.job, name),
                bytes: object.size,
                modified: object.last_modified,
                location: object.location,
            });
        }
        found.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        Ok(found)
    }

    /// The reports' bytes, in the order given, a few fetched at a time. A report that is gone meanwhile is left out; one
    /// that is too large to be read is counted in `skipped` and left out.
    pub fn read(
        &self,
        objects: Vec<ReportObject>,
        skipped: &Skipped,
    ) -> BoxStream<'static, Result<(ReportObject, Bytes)>> {
        let (folder, skipped) = (self.clone(), skipped.clone());
        stream::iter(objects)
            .map(move |object| {
                let (folder, skipped) = (folder.clone(), skipped.clone());
                async move {
                    if object.bytes > MAX_BYTES {
                        skipped.add("run reports are larger than 64 MiB", &folder.uri_of(&object));
                        return Ok(None);
                    }
                    folder.fetch(&object).await.map(|bytes| bytes.map(|bytes| (object, bytes)))
                }
            })
            .buffered(FETCHED_AT_ONCE)
            .filter_map(|read| async move { read.transpose() })
            .boxed()
    }

    async fn fetch(&self, object: &ReportObject) -> Result<Option<Bytes>> {
        let fetched = match self.state.store().get(&object.location).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        match fetched {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(store_error("read the run report", &self.uri_of(object), error)),
        }
    }
}

/// What was left out of an answer, for a note at its end. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Skipped(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    skipped: BTreeMap<&'static str, BTreeSet<String>>,
    unknown: BTreeSet<String>,
}

impl Skipped {
    /// Counts `name` once, however often a query meets it. `what` is the note's beginning: `run reports are unreadable`.
    pub fn add(&self, what: &'static str, name: &str) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.skipped.entry(what).or_default().insert(name.to_owned());
    }

    /// Keeps why the values of a column are not known.
    pub fn unknown(&self, column: &str, error: &Error) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.unknown.insert(format!("{column} cannot be told: {error}"));
    }

    /// One line per kind, naming the first, and one per column that is not known.
    pub fn notes(&self) -> Vec<String> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let note = |(what, names): (&&'static str, &BTreeSet<String>)| {
            let first = names.first().map_or("", String::as_str);
            format!("{} {what} and left out; the first: {first}", names.len())
        };
        notes.skipped.iter().map(note).chain(notes.unknown.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_run_window_and_instant() {
        let parse = |name: &str| ReportName::parse("my-shop", name);
        let plain = parse("my-shop-20261120T050000Z-20261120T060000Z").unwrap();
        assert_eq!(plain.run_id, "my-shop-20261120T050000Z-20261120T060000Z");
        assert_eq!(plain.window.to_string(), "2026-11-20T05:00:00Z/2026-11-20T06:00:00Z");
        assert_eq!(plain.instant, None);
        for (text, instant) in [
            ("20261120T060503Z-a1b2", Some("2026-11-20T06:05:03Z")),
            ("20261120T060503.250Z-a1b2", Some("2026-11-20T06:05:03.250Z")),
            ("20261120T060503250Z-a1b2", Some("2026-11-20T06:05:03.250Z")),
            ("later", None),
        ] {
            let name = parse(&format!("my-shop-20261120T050000Z-20261120T060000Z-{text}")).unwrap();
            assert_eq!(name.run_id, plain.run_id, "{text}");
            assert_eq!(name.instant, instant.map(|text| text.parse().unwrap()), "{text}");
        }
        for other in ["my-shop", "my-shop-20261120", "shop-20261120T050000Z-20261120T060000Z", "my-shop-€€€€€€€€€€€€"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
        assert_eq!(parse("my-shop-20261120T050000Z-20261120T060000Zx"), None);
    }
}
