//! Opens the pending files of a place.

use super::pending::PendingStore;
use super::{bucket, folder};
use crate::process::stop::Stop;
use crate::storage::{Storage, StorageKind};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The pending files of a folder or bucket. Uploads run on `runtime`, which must outlive the store's writers; no call
/// waits for a bucket much longer once `stop` is set.
pub fn pending_store(storage: &Storage, runtime: Handle, stop: &Stop) -> Arc<dyn PendingStore> {
    match storage.kind() {
        StorageKind::Folder(root) => Arc::new(folder::FolderStore::new(root.clone())),
        StorageKind::Bucket(bucket) => {
            let store = Arc::clone(bucket.store_once());
            Arc::new(bucket::BucketStore::new(storage.clone(), store, runtime, stop.clone()))
        }
    }
}
