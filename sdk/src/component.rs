//! How a transformer or enrichment is named, built and described.

use crate::{Error, FolderBudget, FolderFile, RemoteFolders, Result, read_local_folder};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A transformer or enrichment as the registry lists it.
pub struct Component<T: ?Sized> {
    /// What the job file calls it: lower case with dashes.
    pub name: &'static str,
    /// One line for `list`.
    pub summary: &'static str,
    /// Builds it from the `with` section of the job file, checking all of it.
    pub build: fn(Value, &BuildContext) -> Result<Arc<T>>,
    /// JSON Schema of the `with` section.
    pub options_schema: fn() -> Value,
}

impl<T: ?Sized> Clone for Component<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> fmt::Debug for Component<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<T: ?Sized> Copy for Component<T> {}

/// What a component may use while it is built.
#[derive(Clone, Debug, Default)]
pub struct BuildContext {
    /// Folder of the job file: relative paths in it are relative to this.
    pub folder: PathBuf,
    /// Reads folders behind urls; without one there are only those of this machine.
    pub remote: RemoteFolders,
}

impl BuildContext {
    /// For components of a job file in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), remote: RemoteFolders::default() }
    }

    /// The files of a folder or url named in the job file whose path below it is `wanted`, in the order of their paths.
    ///
    /// Meant for settings: fails with [`crate::ErrorKind::Limit`] beyond some thousands of files or 64 MiB.
    pub fn read_folder(&self, place: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<FolderFile>> {
        match (place.split_once("://"), &self.remote.0) {
            (None, _) => read_local_folder(&self.resolve(Path::new(place)), wanted),
            (Some(_), Some(remote)) => {
                let mut files = remote.read_folder(place, wanted, &mut FolderBudget::new(place))?;
                files.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
                Ok(files)
            }
            (Some(_), None) => Err(Error::config("read a folder behind a url: there is no reader").with("url", place)),
        }
    }

    /// The path of a file named in the job file.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

/// Reads a component's options. Errors carry the key at fault as the fact `key`.
///
/// `null` (no `with` section) reads as an empty one.
pub fn parse_options<T: DeserializeOwned>(options: Value) -> Result<T> {
    let options = if options.is_null() { Value::Object(serde_json::Map::new()) } else { options };
    serde_path_to_error::deserialize(options).map_err(|error| {
        let key = error.path().to_string();
        Error::config("read the options").with("key", key).source(error.into_inner())
    })
}
