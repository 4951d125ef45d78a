//! Pending files of a bucket: multipart uploads whose parts are sent and which are not completed.

use super::found::PendingFound;
use super::path::check_path;
use super::pending::{Closing, PendingStore, PendingWriter, Sending};
use super::staged::{PendingFile, Staged};
use super::uploads;
use crate::process::stop::{GIVING_UP, SETTLING, Stop};
use crate::process::task::spawn;
use crate::storage::retry::persist;
use crate::storage::{Storage, store_error};
use etl_sdk::{Error, ErrorKind, Result};
use futures::executor::block_on;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

/// Size of all parts but the last. S3 takes no less than 5 MiB; some servers want all but the last to be equal.
pub(super) const PART_BYTES: usize = 8 << 20;

/// S3's own limit; with [`PART_BYTES`], a file has at most 78 GiB.
const MAX_PARTS: usize = 10_000;

/// Parts of one file that are on their way at once.
const PARTS_IN_FLIGHT: usize = 2;

/// Parts of all files of the store that are on their way at once: what bounds the memory they take.
const ALL_PARTS_IN_FLIGHT: usize = 8;

/// How long giving up an upload may take while the run is not stopped; then it is [`GIVING_UP`] for all of them. What is
/// left behind after that, `gc` removes, or the bucket's lifecycle rule for incomplete uploads.
const ABORT_PATIENCE: Duration = Duration::from_secs(20);

/// The calls a bucket must have. A trait of its own so that tests can fail the nth call.
pub(super) trait BucketCalls: MultipartStore + ObjectStore {}

impl<T: MultipartStore + ObjectStore> BucketCalls for T {}

pub(super) struct BucketStore {
    bucket: Arc<Bucket>,
}

struct Bucket {
    storage: Storage,
    store: Arc<dyn BucketCalls>,
    runtime: Handle,
    in_flight: Arc<Semaphore>,
    stop: Stop,
    /// An abort ran out of patience: the others would too, one after the other.
    is_deaf: AtomicBool,
}

impl BucketStore {
    pub(super) fn new(storage: Storage, store: Arc<dyn BucketCalls>, runtime: Handle, stop: Stop) -> Self {
        let in_flight = Arc::new(Semaphore::new(ALL_PARTS_IN_FLIGHT));
        let is_deaf = AtomicBool::new(false);
        Self { bucket: Arc::new(Bucket { storage, store, runtime, in_flight, stop, is_deaf }) }
    }
}

impl Bucket {
    fn key(&self, path: &str) -> Result<ObjectPath> {
        check_path(path)?;
        let prefix = self.storage.prefix().as_ref();
        let key = if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") };
        ObjectPath::parse(key).map_err(|error| Error::internal("make an object's key").with("path", path).source(error))
    }

    /// Runs a call on the runtime and waits for it on this thread, which may belong to the runtime or not. When the run
    /// is stopped, the call has until `grace` after that.
    fn run<T: Send + 'static>(
        &self,
        grace: Duration,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let stop = self.stop.clone();
        block_on(spawn(&self.runtime, async move { stop.unless_past(grace, call).await })).unwrap_or_else(lost)
    }

    /// Waits for a call. The outer error says that the run is stopped and the call still under way.
    fn join<T>(&self, handle: &mut AbortOnDropHandle<Result<T>>) -> Result<Result<T>> {
        block_on(self.stop.unless(async { Ok(handle.await.unwrap_or_else(lost)) }))
    }

    /// Waits as long as giving up may take.
    fn wait_for_abort(&self, abort: AbortOnDropHandle<Result<()>>) -> Result<()> {
        // It goes on when nothing waits for it any more: what it still removes, `gc` need not.
        let abort = abort.detach();
        if self.is_deaf.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "abort an upload").with("answered", "no abort before it"));
        }
        let patient = async move {
            match tokio::time::timeout(ABORT_PATIENCE, abort).await {
                Ok(result) => result.unwrap_or_else(lost),
                Err(late) => Err(Error::new(ErrorKind::Unavailable, "abort an upload").source(late)),
            }
        };
        let result = self.run(GIVING_UP, patient);
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable) {
            self.is_deaf.store(true, Ordering::Relaxed);
        }
        result
    }

    fn error(&self, operation: &str, key: &ObjectPath, error: object_store::Error) -> Error {
        store_error(operation, &self.storage.uri_of(key), error)
    }

    async fn create(&self, key: &ObjectPath) -> Result<String> {
        self.persist(|| async {
            self.store.create_multipart(key).await.map_err(|error| self.error("begin an upload", key, error))
        })
        .await
    }

    async fn put(&self, key: &ObjectPath, id: &String, index: usize, bytes: Vec<u8>) -> Result<String> {
        let bytes = PutPayload::from(bytes);
        self.persist(|| async {
            let part = self.store.put_part(key, id, index, bytes.clone()).await;
            part.map(|part| part.content_id).map_err(|error| self.error("send a part", key, error))
        })
        .await
    }

    async fn abort(&self, key: &ObjectPath, id: &String) -> Result<()> {
        self.persist(|| async {
            match self.store.abort_multipart(key, id).await {
                // Completed or aborted before: there is nothing left to give up.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.error("abort an upload", key, error)),
            }
        })
        .await
    }

    /// Tries again what may pass. What must not be tried for ever is given up by what waits for it.
    async fn persist<T, F: Future<Output = Result<T>>>(&self, call: impl FnMut() -> F) -> Result<T> {
        persist(self.storage.retry(), &Stop::default(), call).await
    }

    async fn complete(&self, key: &ObjectPath, id: &String, parts: &[PartId], bytes: u64) -> Result<()> {
        self.persist(|| self.complete_once(key, id, parts.to_vec(), bytes)).await
    }

    async fn complete_once(&self, key: &ObjectPath, id: &String, parts: Vec<PartId>, bytes: u64) -> Result<()> {
        let Err(error) = self.store.complete_multipart(key, id, parts).await else { return Ok(()) };
        // An upload that is no longer there was completed by an earlier attempt, if the object is there with our length.
        // Looking for the object first would mistake a file of the same length that is to be replaced for this one.
        if matches!(error, object_store::Error::NotFound { .. }) {
            match self.store.head(key).await {
                Ok(meta) if meta.size == bytes => return Ok(()),
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.error("look for a published file", key, error)),
            }
        }
        Err(self.error("complete an upload", key, error))
    }
}

/// A call is lost only when the runtime shuts down or the call was cancelled.
fn lost<T>(error: JoinError) -> Result<T> {
    Err(Error::new(ErrorKind::Unavailable, "wait for the bucket").source(error).hint("the run was being stopped"))
}

fn upload(file: &PendingFile) -> Result<(String, Vec<PartId>)> {
    match &file.staged {
        Staged::Upload { upload_id, parts } => {
            Ok((upload_id.clone(), parts.iter().map(|part| PartId { content_id: part.clone() }).collect()))
        }
        Staged::Hidden { .. } => Err(Error::internal("find a pending file")
            .with("path", &file.path)
            .with("problem", "it is a hidden file, the sink is a bucket")),
    }
}

impl PendingStore for BucketStore {
    fn create(&self, path: &str) -> Result<Box<dyn PendingWriter>> {
        Ok(Box::new(BucketWriter {
            bucket: Arc::clone(&self.bucket),
            path: path.to_owned(),
            key: self.bucket.key(path)?,
            id: None,
            buffer: Vec::new(),
            bytes: 0,
            parts: Vec::new(),
            in_flight: VecDeque::new(),
        }))
    }

    fn publish(&self, file: &PendingFile) -> Result<()> {
        let (key, bytes) = (self.bucket.key(&file.path)?, file.bytes);
        let (id, parts) = upload(file)?;
        let bucket = Arc::clone(&self.bucket);
        self.bucket.run(SETTLING, async move { bucket.complete(&key, &id, &parts, bytes).await })
    }

    fn abandon(&self, file: &PendingFile) -> Result<()> {
        let key = self.bucket.key(&file.path)?;
        let (id, _) = upload(file)?;
        let bucket = Arc::clone(&self.bucket);
        self.bucket.wait_for_abort(spawn(&self.bucket.runtime, async move { bucket.abort(&key, &id).await }))
    }

    fn remove(&self, path: &str) -> Result<()> {
        let key = self.bucket.key(path)?;
        let bucket = Arc::clone(&self.bucket);
        self.bucket.run(SETTLING, async move {
            let remove = || async {
                match bucket.store.delete(&key).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                    Err(error) => Err(bucket.error("remove a replaced file", &key, error)),
                }
            };
            bucket.persist(remove).await
        })
    }

    fn pending(&self) -> Result<Vec<PendingFound>> {
        self.bucket.run(SETTLING, uploads::list(self.bucket.storage.clone()))
    }

    fn exists(&self, files: &[&PendingFile]) -> Result<Vec<bool>> {
        let files = files.iter().map(|file| (*file).clone()).collect();
        self.bucket.run(SETTLING, uploads::exist(self.bucket.storage.clone(), files))
    }
}

struct BucketWriter {
    bucket: Arc<Bucket>,
    path: String,
    key: ObjectPath,
    /// The upload, begun with the first full part: a small file costs its calls only when it is closed.
    id: Option<String>,
    buffer: Vec<u8>,
    bytes: u64,
    /// Content ids of the parts that have arrived, in order.
    parts: Vec<String>,
    /// The parts after those, in order.
    in_flight: VecDeque<AbortOnDropHandle<Result<String>>>,
}

impl BucketWriter {
    fn permit(&self) -> Result<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.bucket.in_flight).acquire_owned();
        block_on(
            self.bucket.stop.unless(async {
                room.await.map_err(|error| Error::internal("wait for a part to arrive").source(error))
            }),
        )
    }

    fn send_part(&mut self) -> Result<()> {
        let index = self.parts.len() + self.in_flight.len();
        if index >= MAX_PARTS - 1 {
            return Err(Error::new(ErrorKind::Limit, "send a part")
                .with("path", &self.path)
                .with("parts", MAX_PARTS)
                .hint("set sink.target_file_size below 64GiB"));
        }
        let id = if let Some(id) = &self.id {
            id.clone()
        } else {
            let (bucket, key) = (Arc::clone(&self.bucket), self.key.clone());
            self.id.insert(self.bucket.run(Duration::ZERO, async move { bucket.create(&key).await })?).clone()
        };
        while self.in_flight.len() >= PARTS_IN_FLIGHT {
            self.take_arrived()?;
        }
        let permit = self.permit()?;
        let bytes = std::mem::replace(&mut self.buffer, Vec::with_capacity(PART_BYTES));
        let (bucket, key) = (Arc::clone(&self.bucket), self.key.clone());
        self.in_flight.push_back(spawn(&self.bucket.runtime, async move {
            let part = bucket.put(&key, &id, index, bytes).await;
            drop(permit);
            part
        }));
        Ok(())
    }

    fn take_arrived(&mut self) -> Result<()> {
        if let Some(handle) = self.in_flight.front_mut() {
            // It stays in the row until it has arrived: an abort waits for all of them.
            let part = self.bucket.join(handle)?;
            self.in_flight.pop_front();
            self.parts.push(part?);
        }
        Ok(())
    }

    /// Stops what is on its way and aborts the upload, if there is one. `None` when there is nothing to wait for.
    fn spawn_abort(&mut self) -> Option<AbortOnDropHandle<Result<()>>> {
        let id = self.id.take()?;
        let in_flight = std::mem::take(&mut self.in_flight);
        let (bucket, key) = (Arc::clone(&self.bucket), self.key.clone());
        Some(spawn(&self.bucket.runtime, async move {
            // A part that arrives after the abort would stay: none may be on its way by then.
            for handle in in_flight {
                handle.abort();
                let _ = handle.await;
            }
            bucket.abort(&key, &id).await
        }))
    }
}

impl io::Write for BucketWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == PART_BYTES {
            self.send_part().map_err(io::Error::other)?;
        }
        let taken = bytes.len().min(PART_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PendingWriter for BucketWriter {
    fn finish(self: Box<Self>) -> Result<PendingFile> {
        self.close()?.wait()
    }

    fn close(mut self: Box<Self>) -> Result<Closing> {
        let permit = self.permit()?;
        let file = (std::mem::take(&mut self.path), self.bytes);
        let (id, last) = (self.id.take(), std::mem::take(&mut self.buffer));
        let (mut parts, in_flight) = (std::mem::take(&mut self.parts), std::mem::take(&mut self.in_flight));
        let (bucket, key) = (Arc::clone(&self.bucket), self.key.clone());
        let handle = spawn(&self.bucket.runtime, async move {
            let upload_id = match id {
                Some(id) => id,
                None => bucket.create(&key).await?,
            };
            let sent = async {
                // All of them are waited for, also past a failure: a part that arrives after the abort would stay.
                let arrived = futures::future::join_all(in_flight).await;
                for part in arrived {
                    parts.push(part.map_err(|error| Error::internal("send a part").source(error))??);
                }
                // An empty file is one empty part.
                if !last.is_empty() || parts.is_empty() {
                    parts.push(bucket.put(&key, &upload_id, parts.len(), last).await?);
                }
                Ok(())
            };
            let sent = sent.await;
            drop(permit);
            if let Err(error) = sent {
                let _ = bucket.abort(&key, &upload_id).await;
                return Err(error);
            }
            Ok(PendingFile { path: file.0, bytes: file.1, staged: Staged::Upload { upload_id, parts } })
        });
        Ok(Closing::sending(Box::new(LastParts { bucket: Arc::clone(&self.bucket), key: self.key.clone(), handle })))
    }
}

impl Drop for BucketWriter {
    fn drop(&mut self) {
        if let Some(abort) = self.spawn_abort() {
            let _ = self.bucket.wait_for_abort(abort);
        }
    }
}

struct LastParts {
    bucket: Arc<Bucket>,
    key: ObjectPath,
    handle: AbortOnDropHandle<Result<PendingFile>>,
}

impl Sending for LastParts {
    fn wait(mut self: Box<Self>) -> Result<PendingFile> {
        match self.bucket.join(&mut self.handle) {
            Ok(result) => result,
            Err(stopped) => {
                self.give_up();
                Err(stopped)
            }
        }
    }

    fn give_up(self: Box<Self>) {
        let Self { bucket, key, handle } = *self;
        let waiting = Arc::clone(&bucket);
        let abort = spawn(&waiting.runtime, async move {
            match handle.await {
                Ok(Ok(PendingFile { staged: Staged::Upload { upload_id, .. }, .. })) => {
                    bucket.abort(&key, &upload_id).await
                }
                _ => Ok(()),
            }
        });
        let _ = waiting.wait_for_abort(abort);
    }
}
