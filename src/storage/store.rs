//! A folder or a bucket by its url.

use super::address::{BucketAddress, builder_of};
use super::config::{S3Config, Section};
use super::retry::RetryConfig;
use super::url;
use etl_sdk::{Error, Result};
use object_store::ObjectStore;
use object_store::aws::AmazonS3;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A folder or a prefix of a bucket, under which objects are read or written.
#[derive(Clone)]
pub struct Storage {
    url: String,
    /// Tries again by itself.
    store: Arc<dyn ObjectStore>,
    /// Tries once.
    store_once: Arc<dyn ObjectStore>,
    kind: StorageKind,
    prefix: ObjectPath,
    retry: RetryConfig,
    /// There is an object below it; all clones know.
    has_something: Arc<AtomicBool>,
}

/// What is behind a [`Storage`].
#[derive(Clone)]
pub enum StorageKind {
    /// A folder of this machine; the path is absolute. Store paths are relative to the file system's root.
    Folder(PathBuf),
    /// A bucket.
    Bucket(Arc<Bucket>),
}

/// A bucket and how it is reached.
pub struct Bucket {
    store_once: Arc<AmazonS3>,
    pub(super) address: BucketAddress,
}

impl Bucket {
    /// The store, with the calls that let an upload be completed later by another process. It tries each call once; see
    /// [`Storage::store_once`].
    pub fn store_once(&self) -> &Arc<AmazonS3> {
        &self.store_once
    }
}

impl Storage {
    /// Opens a folder path, a `file://` url or an `s3://bucket/prefix` url. `base` is what relative folders start from.
    /// Nothing is read or created.
    pub fn open(url: &str, s3: &S3Config, base: &Path) -> Result<Self> {
        Self::open_with(url, s3, base, &RetryConfig::default(), None)
    }

    /// As [`Storage::open`], with the job's `limits.retry` and the section of the job file that `s3` is from, for messages.
    pub fn open_with(
        url: &str,
        s3: &S3Config,
        base: &Path,
        retry: &RetryConfig,
        section: Option<&Section>,
    ) -> Result<Self> {
        if let Some(place) = url::bucket_and_prefix(url)? {
            return Self::bucket(url, place, s3, *retry, section);
        }
        // A url of an absolute folder takes the place of the base.
        let folder = std::path::absolute(base.join(url::folder(url)?))
            .map_err(|error| Error::config("make the folder absolute").with("url", url).source(error))?;
        let folder = without_dots(&folder);
        let prefix = ObjectPath::from_absolute_path(&folder)
            .map_err(|error| Error::config("read the folder's path").with("url", url).source(error))?;
        let url = folder.display().to_string();
        let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
        Ok(Self {
            url,
            store_once: Arc::clone(&store),
            store,
            kind: StorageKind::Folder(folder),
            prefix,
            retry: *retry,
            has_something: Arc::default(),
        })
    }

    fn bucket(
        url: &str,
        (bucket, prefix): (&str, &str),
        s3: &S3Config,
        retry: RetryConfig,
        section: Option<&Section>,
    ) -> Result<Self> {
        let prefix = ObjectPath::parse(prefix)
            .map_err(|error| Error::config("read the url's prefix").with("url", url).source(error))?;
        let (builder, address) = builder_of(bucket, s3, section).map_err(|error| error.with("url", url))?;
        let build = |retry| {
            let built = builder.clone().with_retry(retry).build();
            built.map(Arc::new).map_err(|error| Error::config("set up the bucket").with("url", url).source(error))
        };
        let (store, store_once) = (build(retry.of_client())?, build(retry.of_single_client())?);
        let url = url.trim_end_matches('/').to_owned();
        let kind = StorageKind::Bucket(Arc::new(Bucket { store_once: Arc::clone(&store_once), address }));
        Ok(Self { url, store, store_once, kind, prefix, retry, has_something: Arc::default() })
    }

    /// The url as opened, without a slash at the end; folders as absolute paths.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The store. Its paths are whole keys: begin with [`Storage::prefix`]. It tries again by itself what may pass, as
    /// [`Storage::retry`] says.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The same for callers that try again themselves, with a [`super::retry::Backoff`].
    pub fn store_once(&self) -> &Arc<dyn ObjectStore> {
        &self.store_once
    }

    /// How often and how long its calls are tried again.
    pub fn retry(&self) -> &RetryConfig {
        &self.retry
    }

    /// Whether an object was found below it.
    pub(crate) fn has_something(&self) -> bool {
        self.has_something.load(Ordering::Relaxed)
    }

    /// Says that there is an object below it.
    pub(crate) fn note_something(&self) {
        self.has_something.store(true, Ordering::Relaxed);
    }

    /// What is behind it.
    pub fn kind(&self) -> &StorageKind {
        &self.kind
    }

    /// The key that everything here begins with.
    pub fn prefix(&self) -> &ObjectPath {
        &self.prefix
    }

    /// The whole key of a path below the url.
    pub fn key_of(&self, path: &str) -> Result<ObjectPath> {
        let whole = format!("{}/{path}", self.prefix);
        ObjectPath::parse(whole.trim_matches('/'))
            .map_err(|error| Error::config("read a path below a url").with("path", path).source(error))
    }

    /// Where a key is, for a person: `s3://bucket/key` or an absolute path.
    pub fn uri_of(&self, path: &ObjectPath) -> String {
        match &self.kind {
            StorageKind::Folder(_) => format!("/{path}"),
            StorageKind::Bucket(bucket) => format!("s3://{}/{path}", bucket.address.bucket),
        }
    }

    /// The folder of this machine; `None` for a bucket.
    pub fn folder(&self) -> Option<&Path> {
        match &self.kind {
            StorageKind::Folder(path) => Some(path),
            StorageKind::Bucket(_) => None,
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Resolves `..` by the text alone, as a url does: the folder need not exist, and links are not looked at.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_made_absolute() {
        let open = |url: &str| {
            Storage::open(url, &S3Config::default(), Path::new("/data/jobs"))
                .map(|storage| (storage.url().to_owned(), storage.prefix().to_string()))
                .map_err(|error| error.to_string())
        };
        assert_eq!(open("../raw/./x"), Ok(("/data/raw/x".to_owned(), "data/raw/x".to_owned())));
        assert_eq!(open("file:///a b/c"), Ok(("/a b/c".to_owned(), "a b/c".to_owned())));
        assert_eq!(open("s3://bucket/pre/fix/"), Ok(("s3://bucket/pre/fix".to_owned(), "pre/fix".to_owned())));
        assert_eq!(open("s3://bucket"), Ok(("s3://bucket".to_owned(), String::new())));
        for wrong in ["", "gs://b", "s3://", "file://host/x"] {
            assert!(open(wrong).is_err_and(|error| error.contains("read a url")), "{wrong}");
        }
    }
}
