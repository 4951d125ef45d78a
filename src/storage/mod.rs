//! Folders and buckets behind one door: urls, how to reach them, and their errors in our words.

mod config;
pub mod disk;
mod error;
mod prefix;
pub mod retry;
mod sdk;

pub use self::config::S3Config;
pub use self::error::store_error;
pub use self::prefix::PrefixReader;
pub use self::retry::RetryConfig;
pub use self::sdk::{sdk_client, sdk_error};

use etl_sdk::{Error, Result};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;
use object_store::path::Path as ObjectPath;
use object_store::{ClientOptions, ObjectStore};
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A place under which objects are read or written.
#[derive(Clone)]
pub struct Storage {
    url: String,
    store: Arc<dyn ObjectStore>,
    kind: StorageKind,
    prefix: ObjectPath,
    retry: RetryConfig,
    /// How the bucket is reached; `None` for a folder.
    address: Option<Arc<sdk::BucketAddress>>,
}

/// What is behind a [`Storage`].
#[derive(Clone)]
pub enum StorageKind {
    /// A folder of this machine; the path is absolute. Store paths are relative to the file system's root.
    Folder(PathBuf),
    /// A bucket, with the calls that let an upload be completed later by somebody else.
    Bucket(Arc<AmazonS3>),
}

impl Storage {
    /// Opens a folder path, a `file://` url or an `s3://bucket/prefix` url. `base` is what relative folders start from.
    /// Nothing is read or created.
    pub fn open(url: &str, s3: &S3Config, base: &Path) -> Result<Self> {
        Self::open_with(url, s3, base, &RetryConfig::default())
    }

    /// As [`Storage::open`], with the job's `limits.retry`.
    pub fn open_with(url: &str, s3: &S3Config, base: &Path, retry: &RetryConfig) -> Result<Self> {
        if let Some(rest) = url.strip_prefix("s3://") {
            return Self::bucket(url, rest, s3, *retry);
        }
        let folder = match url.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => PathBuf::from(path),
            Some(_) => return Err(unknown_url(url).hint("a file url has three slashes: file:///data/raw")),
            None if url.contains("://") => return Err(unknown_url(url)),
            None if url.is_empty() => return Err(unknown_url(url)),
            None => base.join(url),
        };
        let folder = std::path::absolute(&folder)
            .map_err(|error| Error::config("make the folder absolute").with("url", url).source(error))?;
        let folder = without_dots(&folder);
        let prefix = ObjectPath::from_absolute_path(&folder)
            .map_err(|error| Error::config("read the folder's path").with("url", url).source(error))?;
        let url = folder.display().to_string();
        Ok(Self {
            url,
            store: Arc::new(LocalFileSystem::new()),
            kind: StorageKind::Folder(folder),
            prefix,
            retry: *retry,
            address: None,
        })
    }

    fn bucket(url: &str, rest: &str, s3: &S3Config, retry: RetryConfig) -> Result<Self> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(unknown_url(url));
        }
        let prefix = ObjectPath::parse(prefix.trim_end_matches('/'))
            .map_err(|error| Error::config("read the url's prefix").with("url", url).source(error))?;
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_retry(retry.of_client())
            .with_virtual_hosted_style_request(!s3.path_style)
            .with_client_options(
                ClientOptions::new()
                    .with_allow_http(true)
                    .with_connect_timeout(Duration::from_secs(5))
                    .with_timeout(Duration::from_mins(2)),
            );
        if let Some(endpoint) = &s3.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &s3.region {
            builder = builder.with_region(region);
        }
        if s3.anonymous {
            builder = builder.with_skip_signature(true);
        }
        let address = Some(Arc::new(sdk::BucketAddress::of(&builder, bucket)));
        let store = Arc::new(
            builder.build().map_err(|error| Error::config("set up the bucket").with("url", url).source(error))?,
        );
        let url = url.trim_end_matches('/').to_owned();
        let kind = StorageKind::Bucket(Arc::clone(&store));
        Ok(Self { url, store, kind, prefix, retry, address })
    }

    /// The url as opened, without a slash at the end; folders as absolute paths.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The store. Its paths are whole keys: begin with [`Storage::prefix`].
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// How often and how long its calls are tried again.
    pub fn retry(&self) -> &RetryConfig {
        &self.retry
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

    /// Part of the url's own scheme, for a person: `s3://bucket/key` or an absolute path.
    pub fn uri_of(&self, path: &ObjectPath) -> String {
        match &self.kind {
            StorageKind::Folder(_) => format!("/{path}"),
            StorageKind::Bucket(_) => {
                let bucket = self.url.trim_start_matches("s3://").split('/').next().unwrap_or_default();
                format!("s3://{bucket}/{path}")
            }
        }
    }

    /// The multipart calls of a bucket.
    pub fn multipart(&self) -> Option<Arc<dyn MultipartStore>> {
        match &self.kind {
            StorageKind::Folder(_) => None,
            StorageKind::Bucket(store) => Some(Arc::clone(store) as Arc<dyn MultipartStore>),
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

fn unknown_url(url: &str) -> Error {
    Error::config("read a url").with("url", url).hint("write a folder, file:///folder or s3://bucket/prefix")
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
