//! How a transformer or enrichment is named, built and described.

use crate::{Error, Result};
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
#[derive(Clone, Debug)]
pub struct BuildContext {
    /// Folder of the job file: relative paths in it are relative to this.
    pub folder: PathBuf,
}

impl BuildContext {
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
