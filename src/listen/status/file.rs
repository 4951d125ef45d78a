//! The record as a JSON file, in a folder or a bucket.

use super::record::Record;
use super::transition::{Seen, next};
use crate::listen::happening::{Happening, What};
use crate::listen::listener::{Listener, ListenerSetup};
use crate::storage::{Storage, store_error};
use async_trait::async_trait;
use etl_sdk::{Error, ErrorKind, Result};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStoreExt, PutMode, PutOptions, UpdateVersion};

/// Stands for the run in the name.
const JOB_ID: &str = "{job_id}";

/// Changes that others make meanwhile, before this one is given up.
const ATTEMPTS: u32 = 5;

/// The file that `status.file` names.
pub struct StatusFile {
    storage: Storage,
    name: String,
}

/// A file as it is now.
struct Found {
    seen: Seen,
    version: UpdateVersion,
}

impl StatusFile {
    /// The file; nothing is read.
    pub fn open(url: &str, setup: &ListenerSetup<'_>) -> Result<Self> {
        let (folder, name) = match url.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((folder, name)) => (folder, name),
            None => (".", url),
        };
        if name.is_empty() || folder.ends_with("s3:/") || folder.contains(JOB_ID) {
            return Err(Error::config("read the place of the status file")
                .with("status.file", url)
                .hint("name a file: status/{job_id}.json or s3://bucket/prefix/{job_id}.json"));
        }
        let storage = Storage::open(folder, setup.s3, setup.folder)?;
        Ok(Self { storage, name: name.to_owned() })
    }

    fn path(&self, happening: &Happening) -> ObjectPath {
        self.storage.prefix().clone().join(self.name.replace(JOB_ID, &happening.report.run_id))
    }

    /// What the file says. One that cannot be read is none: it is written anew.
    async fn find(&self, path: &ObjectPath) -> Result<Option<Found>> {
        let failed = |error| store_error("read the status file", &self.storage.uri_of(path), error);
        let found = match self.storage.store_once().get(path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(failed)?,
        };
        let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let bytes = found.bytes().await.map_err(failed)?;
        Ok(serde_json::from_slice(&bytes).ok().map(|seen| Found { seen, version }))
    }

    /// Writes the file over what was found. `false` when it is another one by now.
    async fn write(&self, path: &ObjectPath, record: &Record, found: Option<Found>) -> Result<bool> {
        let bytes = serde_json::to_vec_pretty(record)
            .map_err(|error| Error::internal("write the status file").source(error))?;
        // A folder knows no condition: there the file that was written last counts.
        let mode = match found {
            Some(found) if self.storage.folder().is_none() => PutMode::Update(found.version),
            _ => PutMode::Overwrite,
        };
        match self.storage.store_once().put_opts(path, bytes.into(), PutOptions::from(mode)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(store_error("write the status file", &self.storage.uri_of(path), error)),
        }
    }
}

#[async_trait]
impl Listener for StatusFile {
    fn name(&self) -> &'static str {
        "status.file"
    }

    fn hears(&self, what: &What) -> bool {
        matches!(what, What::Started | What::Ended(_))
    }

    fn is_owed(&self) -> bool {
        true
    }

    async fn told(&self, happening: &Happening) -> Result<()> {
        let path = self.path(happening);
        for _ in 0..ATTEMPTS {
            let found = self.find(&path).await?;
            let is_named = self.name.contains(JOB_ID);
            // A file for all runs holds the last one, whatever it says of another.
            let seen = found.as_ref().map(|found| &found.seen).filter(|_| is_named);
            let Some(record) = next(happening, seen) else { return Ok(()) };
            if self.write(&path, &record, found).await? {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "write the status file").source("others change it all the time"))
    }
}
