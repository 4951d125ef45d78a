//! The exact input of a run, kept with the state: what a later run of the window compares with its own.

use super::entry::Late;
use super::history::{CommitState, JobState};
use super::objects::Objects;
use crate::source::{InputObject, SourceConfig, hour_of_object};
use crate::storage::Storage;
use crate::window::Window;
use crate::{Error, Result};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Level 1 takes a tenth of the time of the default, and keys compress well.
const LEVEL: i32 = 1;

/// Largest list, decompressed.
const MAX_BYTES: u64 = 4 << 30;

/// An input object as the state keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Where it is.
    pub uri: String,
    /// Its version marker.
    pub etag: Option<String>,
    /// Stored bytes.
    pub size: u64,
    /// When it was modified.
    pub modified: DateTime<Utc>,
}

/// What became of the input since a window was run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputChanges {
    /// Objects with other bytes under the same key.
    pub changed: Vec<String>,
    /// Objects that are gone, or belong to another window now.
    pub gone: Vec<String>,
    /// Objects that were not there.
    pub new: Vec<String>,
}

impl From<&InputObject> for Input {
    fn from(object: &InputObject) -> Self {
        Self {
            uri: object.object.uri.clone(),
            etag: object.object.etag.clone(),
            size: object.size,
            modified: object.modified,
        }
    }
}

/// Where the list of a plan is: a commit that names this path was made of that plan.
pub fn path_of(name: &str, plan: &str) -> String {
    format!("inputs/{name}-{plan}.json.zst")
}

/// Keeps the list. The same input has the same path and the same bytes.
pub fn keep(
    objects: &Objects,
    name: &str,
    plan: &str,
    inputs: impl Iterator<Item = impl Into<Input>>,
) -> Result<String> {
    let path = path_of(name, plan);
    let fail = |error: std::io::Error| Error::internal("compress the list of input objects").source(error);
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL).map_err(fail)?;
    for input in inputs {
        serde_json::to_writer(&mut encoder, &input.into())
            .map_err(|error| Error::internal("write the list of input objects").source(error))?;
        std::io::Write::write_all(&mut encoder, b"\n").map_err(fail)?;
    }
    objects.put(&path, encoder.finish().map_err(fail)?)?;
    Ok(path)
}

/// Reads a list, sorted by key as it was kept; `None` when it is gone. Windows that were decided together as empty have no
/// path and no input.
pub fn read(objects: &Objects, path: &str) -> Result<Option<Vec<Input>>> {
    if path.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let Some(bytes) = objects.get(path)? else { return Ok(None) };
    let wrong =
        || Error::new(etl_sdk::ErrorKind::Damaged, "read the list of input objects").with("uri", objects.uri_of(path));
    let decoder = zstd::Decoder::new(bytes.as_ref()).map_err(|error| wrong().source(error))?;
    let lines = serde_json::Deserializer::from_reader(std::io::Read::take(decoder, MAX_BYTES)).into_iter();
    let inputs: Result<Vec<Input>, _> = lines.collect();
    inputs.map(Some).map_err(|error| wrong().source(error))
}

/// Compares the input of a window's last run with what is there now.
pub fn changes<'a>(before: &[Input], now: impl IntoIterator<Item = &'a InputObject, IntoIter: Clone>) -> InputChanges {
    let now = now.into_iter();
    let known: BTreeMap<&str, &Input> = before.iter().map(|input| (input.uri.as_str(), input)).collect();
    let mut changes = InputChanges::default();
    let mut met = 0;
    for object in now.clone() {
        match known.get(object.object.uri.as_str()) {
            None => changes.new.push(object.object.uri.clone()),
            Some(input) => {
                met += 1;
                if input.etag != object.object.etag || input.size != object.size {
                    changes.changed.push(object.object.uri.clone());
                }
            }
        }
    }
    if met < known.len() {
        let there: std::collections::BTreeSet<&str> = now.map(|object| object.object.uri.as_str()).collect();
        changes.gone = before.iter().filter(|i| !there.contains(i.uri.as_str())).map(|i| i.uri.clone()).collect();
    }
    changes
}

impl InputChanges {
    /// A sentence for each kind of change, with the first object of it.
    pub fn warnings(&self) -> Vec<String> {
        let sentence = |objects: &[String], what: &str| {
            let first = objects.first()?;
            Some(format!("{} input objects {what} since the window was last run, such as {first}", objects.len()))
        };
        [(&self.changed, "have changed"), (&self.gone, "are gone"), (&self.new, "are new")]
            .into_iter()
            .filter_map(|(objects, what)| sentence(objects, what))
            .collect()
    }
}

/// Objects whose path names an hour that ended before the window began, by hour: they came too late for theirs.
pub fn late<'a>(
    source: &Storage,
    config: &SourceConfig,
    window: &Window,
    inputs: impl Iterator<Item = &'a InputObject>,
) -> Vec<Late> {
    let mut hours: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    for input in inputs {
        if let Some(begin) = hour_of_object(source, config, input)
            && begin + 3_600 <= window.start.timestamp()
        {
            let (objects, bytes) = hours.entry(begin).or_default();
            *objects += 1;
            *bytes += input.size;
        }
    }
    let late = |(begin, (objects, bytes)): (i64, (u64, u64))| {
        DateTime::from_timestamp(begin, 0).map(|hour| Late { hour, objects, bytes })
    };
    hours.into_iter().filter_map(late).collect()
}

/// The commits whose files a run of `window` replaces, and their windows.
pub fn replaced<'a>(state: &'a JobState, window: &Window, covered: &[Window]) -> Vec<(Window, &'a CommitState)> {
    std::iter::once(window)
        .chain(covered)
        .filter_map(|window| Some((*window, state.windows.get(window)?)))
        .flat_map(|(window, known)| known.commits.iter().map(move |commit| (window, commit)))
        .collect()
}
