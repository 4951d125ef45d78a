//! How a transformer or enrichment is named, built and described.

use crate::{Error, Explanation, FolderBudget, FolderFile, RemoteFolders, Result, read_local_folder};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Build<T> = dyn Fn(Value, &BuildContext) -> Result<Arc<T>> + Send + Sync;

/// A transformer or enrichment as the registry lists it. Its parts may be made at run time.
pub struct Component<T: ?Sized> {
    /// What the job file calls it: lower case with dashes.
    pub name: Cow<'static, str>,
    /// One line for `list`.
    pub summary: Cow<'static, str>,
    /// What it explains of itself, each a command of its own.
    pub explanations: Vec<Explanation>,
    build: Arc<Build<T>>,
    options_schema: Arc<dyn Fn() -> Value + Send + Sync>,
}

impl<T: ?Sized> Component<T> {
    /// `build` makes it of the `with` section of the job file, checking all of it; `options_schema` is the JSON Schema
    /// of that section.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        summary: impl Into<Cow<'static, str>>,
        build: impl Fn(Value, &BuildContext) -> Result<Arc<T>> + Send + Sync + 'static,
        options_schema: impl Fn() -> Value + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            summary: summary.into(),
            explanations: Vec::new(),
            build: Arc::new(build),
            options_schema: Arc::new(options_schema),
        }
    }

    /// Adds something that it explains of itself.
    #[must_use]
    pub fn explanation(mut self, explanation: Explanation) -> Self {
        self.explanations.push(explanation);
        self
    }

    /// Builds it from the `with` section of the job file. Fails when the section, or a file it names, is wrong.
    pub fn build(&self, options: Value, context: &BuildContext) -> Result<Arc<T>> {
        (self.build)(options, context)
    }

    /// JSON Schema of the `with` section.
    pub fn options_schema(&self) -> Value {
        (self.options_schema)()
    }
}

// Derived, it would ask for a `T` that can be cloned.
impl<T: ?Sized> Clone for Component<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            summary: self.summary.clone(),
            explanations: self.explanations.clone(),
            build: Arc::clone(&self.build),
            options_schema: Arc::clone(&self.options_schema),
        }
    }
}

impl<T: ?Sized> fmt::Debug for Component<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("name", &self.name).finish_non_exhaustive()
    }
}

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
