//! The bytes of an object as a blocking reader: a file as it is, an object of a bucket streamed ahead by a task.

use super::folder::{failed, file_of};
use super::select::InputObject;
use crate::process::stop::Stop;
use crate::process::task::spawn;
use crate::storage::retry::{Backoff, unless_stalled};
use crate::storage::{RetryConfig, Storage, is_archived, store_error};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, Result, Retry};
use futures::executor::block_on;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetRange, ObjectStore};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

/// The bytes of one object that may be fetched and not read yet. A single chunk of the connection may exceed it.
const BYTES_AHEAD: usize = 4 << 20;

/// An object on its way. Opening the next object before the current one is read to its end is all that prefetching
/// takes: the first few MiB are fetched ahead, and dropping this (or the reader) stops it.
pub struct Opening(Origin);

enum Origin {
    File(Checked<File>),
    Bucket(Fetched),
}

/// What came of opening an object.
pub enum Opened {
    /// Its stored bytes, from the first to the last. Errors of the reader carry an [`etl_sdk::Error`].
    Reader(Box<dyn Read + Send>),
    /// It is in an archive storage class and must be restored before it can be read. It is no failure of the run: it
    /// is counted as skipped, [`super::skip::ARCHIVED`].
    Archived,
}

/// Opens an object. A file is opened at once; from a bucket the fetching starts and this returns.
///
/// Fails when a file is gone, refused, or not the one that was listed.
pub fn open(storage: &Storage, object: &InputObject, runtime: &Handle, stop: &Stop) -> Result<Opening> {
    Ok(Opening(if storage.folder().is_some() {
        Origin::File(Checked { inner: open_file(storage, object)?, stop: stop.clone() })
    } else {
        Origin::Bucket(fetch(get_from(storage.store_once(), &object.path), object, storage.retry(), runtime, stop))
    }))
}

impl Opening {
    /// Waits for the first bytes. Not to be called on a thread of the runtime, which it would block.
    ///
    /// Fails with `Unavailable` when the store does not answer or the object changed since it was listed, with
    /// `NotFound` and `Permission` as the store says.
    pub fn wait(self) -> Result<Opened> {
        let mut fetched = match self.0 {
            Origin::File(file) => return Ok(Opened::Reader(Box::new(file))),
            Origin::Bucket(fetched) => fetched,
        };
        match fetched.advance() {
            Ok(()) => {
                let stop = fetched.stop.clone();
                Ok(Opened::Reader(Box::new(Checked { inner: fetched, stop })))
            }
            Err(Failure::Archived) => Ok(Opened::Archived),
            Err(Failure::Error(error)) => Err(error),
        }
    }
}

/// A reader that fails once the run is stopped: an object may give bytes for minutes and not one record.
struct Checked<R> {
    inner: R,
    stop: Stop,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}

fn open_file(storage: &Storage, object: &InputObject) -> Result<File> {
    let path = file_of(storage, &object.path);
    let file = File::open(&path).map_err(|error| failed(&path, error))?;
    let metadata = file.metadata().map_err(|error| failed(&path, error))?;
    let modified = metadata.modified().map_err(|error| failed(&path, error))?;
    if metadata.len() != object.size || DateTime::<Utc>::from(modified) != object.modified {
        return Err(changed(&object.object.uri));
    }
    Ok(file)
}

fn changed(uri: &str) -> Error {
    Error::new(ErrorKind::Unavailable, "read an object")
        .with("uri", uri)
        .retry(Retry::Never)
        .source("it is not the object that was listed")
        .hint("the object changed after it was listed; run the window again")
}

/// Asks the store for the object or a range of it.
type Get = Box<dyn Fn(GetOptions) -> BoxFuture<'static, object_store::Result<Chunks>> + Send + Sync>;
type Chunks = BoxStream<'static, object_store::Result<Bytes>>;

fn get_from(store: &Arc<dyn ObjectStore>, path: &ObjectPath) -> Get {
    let (store, path) = (Arc::clone(store), path.clone());
    Box::new(move |options| {
        let (store, path) = (Arc::clone(&store), path.clone());
        async move { Ok(store.get_opts(&path, options).await?.into_stream()) }.boxed()
    })
}

fn fetch(get: Get, object: &InputObject, retry: &RetryConfig, runtime: &Handle, stop: &Stop) -> Fetched {
    let (sender, receiver) = unbounded_channel();
    let task = Fetch {
        get,
        uri: object.object.uri.clone(),
        etag: object.object.etag.clone(),
        size: object.size,
        retry: *retry,
        sender,
        room: Arc::new(Semaphore::new(BYTES_AHEAD)),
    };
    Fetched {
        receiver,
        chunk: Bytes::new(),
        permit: None,
        _task: spawn(runtime, task.run()),
        uri: object.object.uri.clone(),
        missing: object.size,
        stop: stop.clone(),
    }
}

/// The task's side: asks the store and keeps at most [`BYTES_AHEAD`] waiting.
struct Fetch {
    get: Get,
    uri: String,
    etag: Option<String>,
    size: u64,
    retry: RetryConfig,
    sender: UnboundedSender<Result<(Bytes, OwnedSemaphorePermit), Failure>>,
    room: Arc<Semaphore>,
}

enum Failure {
    Archived,
    Error(Error),
}

/// Why a stream of bytes ended before the object did.
enum Broken {
    /// The reader is gone.
    Unwanted,
    Failure(Failure),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Failure(Failure::Error(error))
    }
}

const OPERATION: &str = "read an object";

impl Fetch {
    async fn run(self) {
        let mut at = 0;
        // The reader's end drops this task when the run is stopped.
        let mut backoff = Backoff::new(&self.retry, &Stop::default());
        while at < self.size {
            let reached = at;
            let Err(broken) = self.stream(&mut at).await else { continue };
            if at == self.size && !matches!(broken, Broken::Unwanted) {
                // The connection broke behind the last byte.
                return;
            }
            if at > reached {
                backoff.reset();
            }
            let failure = match broken {
                Broken::Unwanted => return,
                Broken::Failure(Failure::Error(error)) => match backoff.wait(error).await {
                    Ok(()) => continue,
                    Err(error) => Failure::Error(error),
                },
                Broken::Failure(failure) => failure,
            };
            // A closed channel means that the reader is gone.
            let _ = self.sender.send(Err(failure));
            return;
        }
    }

    /// Sends the bytes from `at` to the end and moves `at` along. The listed size says where the end is: a body that
    /// is shorter is cut, even when its `Content-Length` agrees with it.
    async fn stream(&self, at: &mut u64) -> Result<(), Broken> {
        let options = GetOptions {
            range: (*at > 0).then_some(GetRange::Offset(*at)),
            if_match: self.etag.clone(),
            ..GetOptions::default()
        };
        let mut chunks = self.in_time((self.get)(options), *at).await?;
        while let Some(mut chunk) = self.in_time(chunks.try_next(), *at).await? {
            if chunk.len() as u64 > self.size - *at {
                return Err(changed(&self.uri).into());
            }
            while !chunk.is_empty() {
                let part = chunk.split_to(chunk.len().min(BYTES_AHEAD));
                let permits = u32::try_from(part.len()).map_err(|_| Broken::Unwanted)?;
                let permit = Arc::clone(&self.room).acquire_many_owned(permits).await.map_err(|_| Broken::Unwanted)?;
                *at += part.len() as u64;
                self.sender.send(Ok((part, permit))).map_err(|_| Broken::Unwanted)?;
            }
        }
        if *at == self.size {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unavailable, OPERATION)
            .with("uri", &self.uri)
            .with("offset", *at)
            .with("size", self.size)
            .source("the store ended it early")
            .into())
    }

    /// Waits for the store, though not for ever.
    async fn in_time<T>(&self, call: impl Future<Output = object_store::Result<T>>, at: u64) -> Result<T, Broken> {
        let result = unless_stalled(&self.retry, OPERATION, &self.uri, call).await;
        match result.map_err(|error| error.with("offset", at))? {
            Ok(done) => Ok(done),
            Err(error) if is_archived(&error) => Err(Broken::Failure(Failure::Archived)),
            Err(object_store::Error::Precondition { .. }) => Err(changed(&self.uri).into()),
            Err(error) => Err(store_error(OPERATION, &self.uri, error).with("offset", at).into()),
        }
    }
}

/// The reader's side.
struct Fetched {
    receiver: UnboundedReceiver<Result<(Bytes, OwnedSemaphorePermit), Failure>>,
    chunk: Bytes,
    /// Held until the chunk is read, then handed back so that the next one is fetched.
    permit: Option<OwnedSemaphorePermit>,
    /// Fetches for as long as there is a reader.
    _task: AbortOnDropHandle<()>,
    uri: String,
    /// Bytes of the object that have not arrived here.
    missing: u64,
    stop: Stop,
}

impl Fetched {
    /// Waits for the next chunk; leaves an empty one at the end.
    fn advance(&mut self) -> Result<(), Failure> {
        self.permit = None;
        let (stop, receiver) = (&self.stop, &mut self.receiver);
        match block_on(stop.unless(async { Ok(receiver.recv().await) })).map_err(Failure::Error)? {
            Some(Ok((chunk, permit))) => {
                self.missing = self.missing.saturating_sub(chunk.len() as u64);
                (self.chunk, self.permit) = (chunk, Some(permit));
                Ok(())
            }
            Some(Err(failure)) => Err(failure),
            None if self.missing == 0 => Ok(()),
            // The runtime went away: without this, a cut object would look like a whole one.
            None => Err(Failure::Error(
                Error::new(ErrorKind::Unavailable, "read an object")
                    .with("uri", &self.uri)
                    .with("missing_bytes", self.missing),
            )),
        }
    }
}

impl Read for Fetched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            self.advance().map_err(|failure| match failure {
                Failure::Error(error) => io::Error::other(error),
                Failure::Archived => io::Error::other(
                    Error::new(ErrorKind::Permission, "read an object")
                        .with("uri", &self.uri)
                        .with("storage", "archived"),
                ),
            })?;
        }
        let count = self.chunk.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.chunk[..count]);
        bytes::Buf::advance(&mut self.chunk, count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::S3Config;
    use etl_sdk::ObjectRef;
    use futures::StreamExt;
    use object_store::PutPayload;
    use object_store::memory::InMemory;
    use std::path::Path;

    fn object(path: &str, size: u64, etag: Option<String>) -> InputObject {
        InputObject {
            object: Arc::new(ObjectRef { uri: format!("s3://bucket/{path}"), etag, ordinal: 0 }),
            path: ObjectPath::from(path),
            size,
            modified: DateTime::default(),
        }
    }

    fn quick() -> RetryConfig {
        RetryConfig { attempts: 3, ..RetryConfig::default() }
    }

    fn put(runtime: &tokio::runtime::Runtime, store: &InMemory, bytes: Vec<u8>) -> Option<String> {
        runtime
            .block_on(store.put_opts(&"a".into(), PutPayload::from(bytes), object_store::PutOptions::default()))
            .unwrap()
            .e_tag
    }

    #[test]
    fn an_object_larger_than_what_is_fetched_ahead_arrives_whole() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = InMemory::new();
        let bytes: Vec<u8> = (0..3 * BYTES_AHEAD + 17).map(|index| (index % 251) as u8).collect();
        let etag = put(&runtime, &store, bytes.clone());
        let object = object("a", bytes.len() as u64, etag);
        let opening = Opening(Origin::Bucket(fetch(get(store), &object, &quick(), runtime.handle(), &Stop::default())));
        let Ok(Opened::Reader(mut reader)) = opening.wait() else { panic!("not opened") };
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
    }

    #[test]
    fn another_version_or_a_shorter_object_is_an_error_that_carries_ours() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let memory = InMemory::new();
        let etag = put(&runtime, &memory, b"first".to_vec());
        put(&runtime, &memory, b"second".to_vec());
        let store = Arc::new(memory) as Arc<dyn ObjectStore>;
        let listed = object("a", 5, etag);
        let opening = Opening(Origin::Bucket(fetch(
            get_from(&store, &listed.path),
            &listed,
            &quick(),
            runtime.handle(),
            &Stop::default(),
        )));
        let error = opening.wait().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.hint_text().is_some_and(|hint| hint.contains("changed")), "{error}");

        let gone = object("b", 5, None);
        let opening = Opening(Origin::Bucket(fetch(
            get_from(&store, &gone.path),
            &gone,
            &quick(),
            runtime.handle(),
            &Stop::default(),
        )));
        assert_eq!(opening.wait().err().unwrap().kind(), ErrorKind::NotFound);
    }

    fn get(store: InMemory) -> Get {
        get_from(&(Arc::new(store) as Arc<dyn ObjectStore>), &"a".into())
    }

    /// Ends each answer in good order after `max` bytes.
    fn cutting(store: InMemory, max: usize) -> Get {
        let whole = get(store);
        Box::new(move |options| {
            let got = whole(options);
            async move {
                let first = got.await?.try_next().await?.unwrap_or_default();
                Ok(futures::stream::iter([Ok(first.slice(..max.min(first.len())))]).boxed())
            }
            .boxed()
        })
    }

    #[test]
    fn a_body_that_is_shorter_than_listed_is_taken_up_and_a_longer_one_refused() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let bytes: Vec<u8> = (0..250).collect();
        let read = |size: u64, max: usize| {
            let store = InMemory::new();
            let etag = put(&runtime, &store, bytes.clone());
            let object = object("a", size, etag);
            let opening = fetch(cutting(store, max), &object, &quick(), runtime.handle(), &Stop::default());
            let Opened::Reader(mut reader) = Opening(Origin::Bucket(opening)).wait()? else { panic!("not opened") };
            let mut read = Vec::new();
            reader.read_to_end(&mut read).map(|_| read).map_err(|error| error.downcast::<Error>().unwrap())
        };
        assert_eq!(read(250, 100).unwrap(), bytes);
        let never_whole = read(251, 250).unwrap_err();
        assert_eq!(never_whole.kind(), ErrorKind::Unavailable);
        let longer = read(249, 250).unwrap_err();
        assert!(longer.hint_text().is_some_and(|hint| hint.contains("changed")), "{longer}");
    }

    /// Breaks each connection after `max` bytes.
    fn breaking(store: InMemory, max: usize) -> Get {
        let whole = get(store);
        Box::new(move |options| {
            let got = whole(options);
            async move {
                let first = got.await?.try_next().await?.unwrap_or_default();
                let broken = object_store::Error::Generic { store: "test", source: "broken".into() };
                Ok(futures::stream::iter([Ok(first.slice(..max.min(first.len()))), Err(broken)]).boxed())
            }
            .boxed()
        })
    }

    #[test]
    fn a_broken_connection_is_taken_up_at_the_byte_it_reached() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let store = InMemory::new();
        let bytes: Vec<u8> = (0..250).collect();
        let etag = put(&runtime, &store, bytes.clone());
        let object = object("a", 250, etag);
        let opening =
            Opening(Origin::Bucket(fetch(breaking(store, 100), &object, &quick(), runtime.handle(), &Stop::default())));
        let Ok(Opened::Reader(mut reader)) = opening.wait() else { panic!("not opened") };
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
    }

    #[test]
    fn connections_that_bring_nothing_end_in_an_error() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let store = InMemory::new();
        let etag = put(&runtime, &store, vec![1; 250]);
        let object = object("a", 250, etag);
        let opening =
            Opening(Origin::Bucket(fetch(breaking(store, 0), &object, &quick(), runtime.handle(), &Stop::default())));
        let error = opening.wait().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("offset=0"), "{error}");
    }

    #[test]
    fn a_runtime_that_ends_is_an_error_and_not_an_end() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = InMemory::new();
        let bytes = vec![7; 3 * BYTES_AHEAD];
        let etag = put(&runtime, &store, bytes.clone());
        let object = object("a", bytes.len() as u64, etag);
        let opening = Opening(Origin::Bucket(fetch(get(store), &object, &quick(), runtime.handle(), &Stop::default())));
        let Ok(Opened::Reader(mut reader)) = opening.wait() else { panic!("not opened") };
        drop(runtime);
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        let error = error.get_ref().and_then(|error| error.downcast_ref::<Error>()).unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_file_that_changed_since_it_was_listed_is_refused() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "abc").unwrap();
        let storage = Storage::open(folder.path().to_str().unwrap(), &S3Config::default(), Path::new("/")).unwrap();
        let mut listed = object("", 3, None);
        listed.path = ObjectPath::from_absolute_path(&file).unwrap();
        listed.modified = std::fs::metadata(&file).unwrap().modified().unwrap().into();
        assert!(open(&storage, &listed, runtime.handle(), &Stop::default()).is_ok());
        std::fs::write(&file, "abcd").unwrap();
        let error = open(&storage, &listed, runtime.handle(), &Stop::default()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        std::fs::remove_file(&file).unwrap();
        let error = open(&storage, &listed, runtime.handle(), &Stop::default()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
