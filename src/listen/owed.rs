//! What a listener could not be told yet: an object for each run below the job's state.

use super::happening::Happening;
use crate::commit::Objects;
use etl_sdk::{Error, Result};

const OWED: &str = "owed";

/// Something that a listener is still to be told.
pub(super) struct Owed {
    /// Where it is noted.
    pub(super) path: String,
    pub(super) happening: Happening,
}

/// Notes that a listener is to be told. What it was to be told of the same run before is replaced.
pub(super) fn keep(objects: &Objects, listener: &str, happening: &Happening) -> Result<()> {
    let bytes = serde_json::to_vec(happening).map_err(|error| Error::internal("write what is owed").source(error))?;
    objects.put(&path(listener, happening), bytes)
}

/// All that a listener is to be told. What cannot be read is forgotten: nothing that is decided rests on it.
pub(super) fn of(objects: &Objects, listener: &str) -> Result<Vec<Owed>> {
    let paths: Vec<String> =
        objects.list(&format!("{OWED}/{listener}"), None)?.into_iter().map(|object| object.path).collect();
    let mut owed = Vec::new();
    for (path, bytes) in paths.iter().zip(objects.get_all(&paths)?) {
        match bytes.map(|bytes| serde_json::from_slice::<Happening>(&bytes)) {
            Some(Ok(happening)) => {
                owed.push(Owed { path: path.clone(), happening: Happening { is_owed: true, ..happening } });
            }
            Some(Err(_)) => objects.delete(path)?,
            None => {}
        }
    }
    owed.sort_by_key(|owed| owed.happening.at);
    Ok(owed)
}

/// Forgets what a listener was to be told of a run.
pub(super) fn forget(objects: &Objects, listener: &str, happening: &Happening) -> Result<()> {
    objects.delete(&path(listener, happening))
}

fn path(listener: &str, happening: &Happening) -> String {
    format!("{OWED}/{listener}/{}.json", happening.report.run_id)
}
