//! One object by its address, when it is not the listing that names it.

use super::select::InputObject;
use crate::process::stop::Stop;
use crate::storage::{S3Config, Storage, store_error};
use etl_sdk::{Error, ObjectRef, Result};
use object_store::ObjectStoreExt;
use object_store::path::Path as ObjectPath;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Looks for an object; `None` when there is none. `ordinal` is its place in the run's plan.
pub fn find(
    storage: &Storage,
    path: &ObjectPath,
    ordinal: u32,
    runtime: &Handle,
    stop: &Stop,
) -> Result<Option<InputObject>> {
    let uri = storage.uri_of(path);
    let meta = runtime.block_on(stop.unless(async {
        match storage.store().head(path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(store_error("look for an object", &uri, error)),
        }
    }))?;
    Ok(meta.map(|meta| InputObject {
        object: Arc::new(ObjectRef { uri: uri.clone(), etag: meta.e_tag, ordinal }),
        path: meta.location,
        size: meta.size,
        modified: meta.last_modified,
    }))
}

/// The storage that holds an object, and its path there, from the uri that addresses have.
pub fn locate(uri: &str, s3: &S3Config) -> Result<(Storage, ObjectPath)> {
    let wrong = || Error::config("read the address of an object").with("uri", uri);
    let (root, key) = match uri.strip_prefix("s3://") {
        Some(rest) => {
            let (bucket, key) = rest.split_once('/').ok_or_else(wrong)?;
            (format!("s3://{bucket}"), key)
        }
        None => ("/".to_owned(), uri.strip_prefix('/').ok_or_else(wrong)?),
    };
    let path = ObjectPath::parse(key).map_err(|error| wrong().source(error))?;
    Ok((Storage::open(&root, s3, Path::new("/"))?, path))
}

/// All objects below a storage's prefix, whatever their layout, sorted by key. Hidden and empty ones are left out.
///
/// Fails with `Limit` beyond `most`.
pub fn list_all(storage: &Storage, most: u64, runtime: &Handle, stop: &Stop) -> Result<Vec<InputObject>> {
    use futures::TryStreamExt;
    let hidden = |path: &ObjectPath| {
        let below = path.as_ref().strip_prefix(storage.prefix().as_ref()).unwrap_or(path.as_ref());
        below.split('/').any(|part| part.starts_with(['_', '.']))
    };
    let mut objects = runtime.block_on(stop.unless(async {
        let mut found = Vec::new();
        let mut metas = storage.store().list(Some(storage.prefix()));
        while let Some(meta) =
            metas.try_next().await.map_err(|error| store_error("list objects", storage.url(), error))?
        {
            if meta.size == 0 || hidden(&meta.location) {
                continue;
            }
            if found.len() as u64 >= most {
                return Err(Error::new(etl_sdk::ErrorKind::Limit, "list objects")
                    .with("url", storage.url())
                    .with("limits.objects", most)
                    .hint("name a folder with fewer objects, or raise limits.objects"));
            }
            found.push(meta);
        }
        Ok(found)
    }))?;
    if objects.is_empty() && storage.folder().is_some_and(|folder| !folder.is_dir()) {
        return Err(Error::new(etl_sdk::ErrorKind::NotFound, "list objects").with("url", storage.url()));
    }
    objects.sort_unstable_by(|left, right| left.location.as_ref().cmp(right.location.as_ref()));
    let object = |meta: object_store::ObjectMeta| InputObject {
        object: Arc::new(ObjectRef { uri: storage.uri_of(&meta.location), etag: meta.e_tag, ordinal: 0 }),
        path: meta.location,
        size: meta.size,
        modified: meta.last_modified,
    };
    Ok(objects.into_iter().map(object).collect())
}
