//! Pending files: complete, durable, and invisible to every reader until they are published.
//!
//! On S3 a pending file is a multipart upload whose parts are sent but which is not completed; in a folder it is a
//! hidden file on the same volume. Publishing copies nothing.

use super::found::PendingFound;
use super::staged::PendingFile;
use etl_sdk::Result;
use std::io;

/// Where pending files are made, published and abandoned.
pub trait PendingStore: Send + Sync {
    /// Begins a file that will be at `path` (under the sink's url) once published.
    fn create(&self, path: &str) -> Result<Box<dyn PendingWriter>>;

    /// Makes a file visible. Repeatable: a file that is already published with this length is left alone.
    fn publish(&self, file: &PendingFile) -> Result<()>;

    /// Gives up a file. Repeatable.
    fn abandon(&self, file: &PendingFile) -> Result<()>;

    /// Everything that is staged under the sink's url and not published, whoever staged it and whether or not it is
    /// finished. What appears and goes meanwhile may be in it or not.
    fn pending(&self) -> Result<Vec<PendingFound>>;

    /// Gives up what [`PendingStore::pending`] has found. Repeatable.
    fn give_up(&self, found: &PendingFound) -> Result<()> {
        self.abandon(&PendingFile {
            path: found.path.clone(),
            bytes: found.bytes.unwrap_or_default(),
            staged: found.staged.clone(),
        })
    }

    /// Which of the files are still pending, whole, and so can be published. One that is published is not pending.
    fn exists(&self, files: &[&PendingFile]) -> Result<Vec<bool>>;

    /// Removes a published file by its path under the sink's url, and the folders that it leaves empty. Repeatable.
    fn remove(&self, path: &str) -> Result<()>;
}

/// Writes one pending file. Dropped without [`PendingWriter::finish`], it leaves nothing behind.
pub trait PendingWriter: io::Write + Send {
    /// Makes the bytes durable and describes the file.
    fn finish(self: Box<Self>) -> Result<PendingFile>;

    /// Begins what [`PendingWriter::finish`] does without waiting for it where that is possible, so that many small
    /// files are not sent one after the other.
    fn close(self: Box<Self>) -> Result<Closing> {
        self.finish().map(Closing::done)
    }
}

/// A file whose last bytes may still be on their way. Dropped without [`Closing::wait`], it leaves nothing behind as
/// soon as those bytes have arrived.
pub struct Closing(Option<State>);

enum State {
    Done(PendingFile),
    Sending(Box<dyn Sending>),
}

/// What a store does to wait for a file, or to give it up.
pub(super) trait Sending: Send {
    fn wait(self: Box<Self>) -> Result<PendingFile>;
    fn give_up(self: Box<Self>);
}

impl Closing {
    /// A file that is complete already. It is the caller's now: dropping it abandons nothing.
    pub fn done(file: PendingFile) -> Self {
        Self(Some(State::Done(file)))
    }

    pub(super) fn sending(sending: Box<dyn Sending>) -> Self {
        Self(Some(State::Sending(sending)))
    }

    /// The file once it is complete and durable.
    pub fn wait(mut self) -> Result<PendingFile> {
        match self.0.take() {
            Some(State::Done(file)) => Ok(file),
            Some(State::Sending(sending)) => sending.wait(),
            None => Err(etl_sdk::Error::internal("wait for a file")),
        }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(State::Sending(sending)) = self.0.take() {
            sending.give_up();
        }
    }
}
