//! The files below a url that components are configured with.

use crate::process::task::run_apart;
use crate::storage::store::Storage;
use crate::storage::{RetryConfig, S3Config, Section, store_error};
use etl_sdk::{FolderBudget, FolderFile, ReadFolder, Result};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt};
use std::path::Path;

/// What is being done when it fails.
const OPERATION: &str = "list a folder of settings";

/// Reads `s3://` prefixes and `file://` folders, reached as the job's source is.
#[derive(Clone, Debug, Default)]
pub struct PrefixReader {
    /// How to reach a bucket.
    pub s3: S3Config,
    /// How often a call is tried again.
    pub retry: RetryConfig,
    /// The section of the job file that `s3` is from, for messages.
    pub section: Option<Section>,
}

impl ReadFolder for PrefixReader {
    fn read_folder(
        &self,
        url: &str,
        wanted: &dyn Fn(&str) -> bool,
        budget: &mut FolderBudget,
    ) -> Result<Vec<FolderFile>> {
        let storage = Storage::open_with(url, &self.s3, Path::new("/"), &self.retry, self.section.as_ref())?;
        let names = run_apart(OPERATION, list(&storage, budget))?;
        let mut wanted_names = Vec::new();
        for (name, meta) in names {
            if wanted(&name) {
                budget.file(meta.size)?;
                wanted_names.push((name, meta));
            }
        }
        run_apart(OPERATION, fetch(&storage, wanted_names))
    }
}

impl PrefixReader {
    /// What tells one state of the files below a url from another: their keys, sizes and entity tags.
    pub fn stamp(&self, url: &str) -> Result<String> {
        let storage = Storage::open_with(url, &self.s3, Path::new("/"), &self.retry, self.section.as_ref())?;
        let names = run_apart(OPERATION, list(&storage, &mut FolderBudget::new(url)))?;
        let line = |(name, meta): (String, ObjectMeta)| {
            format!(
                "{name} {} {} {}\n",
                meta.size,
                meta.e_tag.unwrap_or_default(),
                meta.last_modified.timestamp_millis()
            )
        };
        Ok(names.into_iter().map(line).collect())
    }
}

/// Names below the prefix, sorted; those with a part that begins with a dot are left out.
async fn list(storage: &Storage, budget: &mut FolderBudget) -> Result<Vec<(String, ObjectMeta)>> {
    let mut found = Vec::new();
    let mut metas = storage.store().list(Some(storage.prefix()));
    let failed = |error| store_error(OPERATION, storage.url(), error);
    while let Some(meta) = metas.try_next().await.map_err(failed)? {
        budget.name()?;
        let Some(parts) = meta.location.prefix_match(storage.prefix()) else { continue };
        let parts: Vec<_> = parts.map(|part| part.as_ref().to_owned()).collect();
        if !parts.is_empty() && !parts.iter().any(|part| part.starts_with('.')) {
            found.push((parts.join("/"), meta));
        }
    }
    found.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    Ok(found)
}

async fn fetch(storage: &Storage, names: Vec<(String, ObjectMeta)>) -> Result<Vec<FolderFile>> {
    let mut files = Vec::with_capacity(names.len());
    for (name, meta) in names {
        let uri = storage.uri_of(&meta.location);
        let failed = |error| store_error("read a file of settings", &uri, error);
        // An empty object has no range to read; of one that has grown since, no more is read than was allowed.
        let content = match meta.size {
            0 => Vec::new(),
            size => storage.store().get_range(&meta.location, 0..size).await.map_err(failed)?.to_vec(),
        };
        files.push((name, content));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_url_is_read_like_a_bucket() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("a/x.json", "1"), ("b.json", ""), ("a/.y.json", "2"), ("c.txt", "3")] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let reader = PrefixReader::default();
        let url = format!("file://{}", folder.path().display());
        let wanted = |name: &str| name != "c.txt";
        let files = reader.read_folder(&url, &wanted, &mut FolderBudget::new(&url)).unwrap();
        assert_eq!(files, [("a/x.json".to_owned(), b"1".to_vec()), ("b.json".to_owned(), Vec::new())]);
        let stamp = reader.stamp(&url).unwrap();
        std::fs::write(folder.path().join("b.json"), "now with more").unwrap();
        assert_ne!(reader.stamp(&url).unwrap(), stamp);
    }
}
