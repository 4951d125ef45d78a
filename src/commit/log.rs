//! The commit log: entries created only if absent, each with the next number. Their order is the order of decisions.

use super::entry::{Entry, Event, Runner, token};
use super::history::JobState;
use super::objects::{Objects, to_json};
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const LOG: &str = "log";
const CHECKPOINTS: &str = "checkpoints";

/// Entries between two checkpoints at least.
const MIN_ENTRIES: u64 = 64;

/// Times an append tries again because others were faster. Each time somebody else's entry is in the log: progress.
const MAX_TRIES: u32 = 1_000;

/// The log of one job, as this process knows it. Shared by all threads; calls block.
pub struct CommitLog {
    objects: Objects,
    runner: Runner,
    known: Mutex<Known>,
}

/// What an event rests on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Condition {
    /// The window it decides over, and the version of the log from which on nobody else may have.
    pub window: Option<(Window, u64)>,
    /// The version that made what merged tables carry; 0 for none.
    pub carried: Option<u64>,
}

struct Known {
    state: Arc<JobState>,
    /// What was read or written since the process opened the log: what conflicts are looked for in.
    since: Vec<Entry>,
    checkpoint: u64,
    read: bool,
}

impl CommitLog {
    /// The log below a job's state. Nothing is read yet.
    pub fn new(objects: Objects, runner: Runner) -> Self {
        let known = Known { state: Arc::default(), since: Vec::new(), checkpoint: 0, read: false };
        Self { objects, runner, known: Mutex::new(known) }
    }

    /// The job's objects.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Who writes.
    pub fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Reads what others have written, and gives the state as of now.
    pub fn refresh(&self) -> Result<Arc<JobState>> {
        let mut known = self.lock();
        self.catch_up(&mut known)?;
        Ok(Arc::clone(&known.state))
    }

    /// Appends an event that no other can contradict. Gives its version.
    pub fn append(&self, event: Event) -> Result<u64> {
        let version = self.write(event, &Condition::default())?;
        version.ok_or_else(|| Error::internal("append to the commit log").with("condition", "none"))
    }

    /// Appends an event, if nothing has come that contradicts it. Gives its version; `None` when what merged tables carry
    /// is not any more what the event rests on: merged with what it is now, it can be tried again.
    ///
    /// Fails with kind `Held` when the window was decided over: the run is lost, and nothing of it may be published.
    pub fn commit(&self, event: Event, condition: &Condition) -> Result<Option<u64>> {
        self.write(event, condition)
    }

    fn write(&self, event: Event, condition: &Condition) -> Result<Option<u64>> {
        let mut known = self.lock();
        let mut entry =
            Entry { version: 0, at: self.objects.clock().now(), by: self.runner.clone(), token: token(), event };
        for tries in 0..MAX_TRIES {
            self.catch_up(&mut known)?;
            if known.since.iter().any(|written| written.token == entry.token) {
                // Ours after all: the answer to an earlier try was lost.
                return Ok(Some(entry.version));
            }
            if let Some((window, base)) = &condition.window
                && let Some(winner) = known.since.iter().find(|e| e.version > *base && e.event.conflicts_with(window))
            {
                return Err(lost(window, winner));
            }
            let now = known.state.carried.as_ref().map_or(0, |(version, _)| *version);
            if condition.carried.is_some_and(|version| version != now) {
                return Ok(None);
            }
            entry.version = known.state.version + 1;
            entry.at = self.objects.clock().now();
            if self.objects.create(&entry_path(entry.version), to_json(&entry)?)? {
                let version = entry.version;
                known.take(entry);
                self.keep_checkpoint(&mut known);
                return Ok(Some(version));
            }
            if tries > 2 {
                let most = 10 << tries.min(6);
                std::thread::sleep(Duration::from_millis(fastrand::u64(0..most)));
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "append to the commit log")
            .with("uri", self.objects.uri_of(LOG))
            .with("tries", MAX_TRIES)
            .hint("many runners write to it at once; run the command again"))
    }

    fn catch_up(&self, known: &mut Known) -> Result<()> {
        if !known.read {
            self.read_checkpoint(known)?;
            known.read = true;
        }
        let after = entry_path(known.state.version);
        let found = self.objects.list(LOG, Some(&after))?;
        let mut next = known.state.version;
        let mut paths = Vec::new();
        for object in found {
            match version_of(&object.path) {
                Some(version) if version == next + 1 => next = version,
                // A folder that is read while others write to it may show a later entry without the one before.
                Some(version) if version > next => break,
                _ => continue,
            }
            paths.push(object.path);
        }
        for (path, bytes) in paths.iter().zip(self.objects.get_all(&paths)?) {
            let Some(bytes) = bytes else { break };
            known.take(self.read_entry(path, &bytes)?);
        }
        Ok(())
    }

    fn read_checkpoint(&self, known: &mut Known) -> Result<()> {
        let all = self.objects.list(CHECKPOINTS, None)?;
        for object in all.iter().rev() {
            if let Some(bytes) = self.objects.get(&object.path)? {
                let state =
                    JobState::read(&bytes).map_err(|error| error.with("uri", self.objects.uri_of(&object.path)))?;
                known.checkpoint = state.version;
                known.state = Arc::new(state);
                return Ok(());
            }
        }
        Ok(())
    }

    fn read_entry(&self, path: &str, bytes: &[u8]) -> Result<Entry> {
        let wrong = || Error::config("read an entry of the commit log").with("uri", self.objects.uri_of(path));
        let entry: Entry = serde_json::from_slice(bytes).map_err(|error| {
            wrong()
                .source(error)
                .hint("it was damaged, or a newer version of the program wrote it; nothing was changed")
        })?;
        if version_of(path) == Some(entry.version) {
            Ok(entry)
        } else {
            Err(wrong().with("version", entry.version).hint("the entry is not the one its name says"))
        }
    }

    /// Folds the log into one object now and then, so that reading it does not grow with its age. A checkpoint that cannot
    /// be written is written another time.
    fn keep_checkpoint(&self, known: &mut Known) {
        let every = MIN_ENTRIES.max(known.state.windows.len() as u64 / 16);
        if known.state.version - known.checkpoint < every {
            return;
        }
        let Ok(bytes) = to_json(known.state.as_ref()) else { return };
        let version = known.state.version;
        if self.objects.put(&format!("{CHECKPOINTS}/{version:020}.json"), bytes).is_ok() {
            let before = std::mem::replace(&mut known.checkpoint, version);
            // The one before stays for those who have just listed it.
            for old in self.objects.list(CHECKPOINTS, None).unwrap_or_default() {
                if version_of(&old.path).is_some_and(|version| version < before) {
                    let _ = self.objects.delete(&old.path);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn take(&mut self, entry: Entry) {
        Arc::make_mut(&mut self.state).apply(&entry);
        self.since.push(entry);
    }
}

fn entry_path(version: u64) -> String {
    format!("{LOG}/{version:020}.json")
}

/// The version in the name of an entry or a checkpoint.
pub(super) fn version_of(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?.strip_suffix(".json")?;
    (name.len() == 20).then(|| name.parse().ok())?
}

fn lost(window: &Window, winner: &Entry) -> Error {
    let what = match winner.event {
        Event::Fence { .. } => "what this run left behind was given up by another runner",
        _ => "another runner has committed it since this run began",
    };
    Error::new(ErrorKind::Held, "commit the window")
        .with("window", window)
        .with("entry", winner.version)
        .with("by", format!("{}:{}", winner.by.host, winner.by.pid))
        .hint(format!("{what}; nothing of this run was published. Run the window again to replace its rows"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::entry::{Failure, FailureStatus};
    use crate::commit::objects::{ContentHash, StateObject};
    use object_store::memory::InMemory;
    use tokio::runtime::Runtime;

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    fn failed(hour: u32) -> Event {
        let window = Window::parse(&format!("2026-11-{:02}T{:02}", 1 + hour / 24, hour % 24)).unwrap();
        let (status, kind, message) = (FailureStatus::Failed, "internal".to_owned(), String::new());
        Event::Failed(Failure { window, status, kind, message })
    }

    fn fence(window: Window) -> Event {
        Event::Fence { windows: vec![window], reason: String::new() }
    }

    #[test]
    fn what_conflicts_and_came_later_wins() {
        let runtime = runtime();
        let objects = Objects::over(Arc::new(InMemory::new()), runtime.handle().clone());
        let (one, two) =
            (CommitLog::new(objects.clone(), Runner::this()), CommitLog::new(objects.clone(), Runner::this()));
        let (ours, others) = (Window::parse("2026-11-20T05").unwrap(), Window::parse("2026-11-20T06").unwrap());
        let base = one.refresh().unwrap().version;
        let on = |base| Condition { window: Some((ours, base)), carried: None };
        two.append(fence(others)).unwrap();
        assert_eq!(one.commit(failed(1), &on(base)).unwrap(), Some(2), "another window is in nobody's way");
        two.append(fence(ours)).unwrap();
        let lost = one.commit(failed(1), &on(base)).unwrap_err();
        assert_eq!((lost.kind(), one.refresh().unwrap().version), (ErrorKind::Held, 3), "{lost}");
        assert_eq!(one.commit(failed(1), &on(3)).unwrap(), Some(4), "who began behind the fence may");
    }

    #[test]
    fn what_rests_on_carried_rows_is_tried_again_when_they_have_changed() {
        let runtime = runtime();
        let objects = Objects::over(Arc::new(InMemory::new()), runtime.handle().clone());
        let (one, two) =
            (CommitLog::new(objects.clone(), Runner::this()), CommitLog::new(objects.clone(), Runner::this()));
        let rebuilt = |path: &str| {
            let carried = StateObject { path: path.to_owned(), hash: ContentHash::default() };
            Event::Rebuilt { carried, reason: String::new() }
        };
        let on = |carried| Condition { window: None, carried: Some(carried) };
        one.refresh().unwrap();
        two.append(fence(Window::parse("2026-11-20T05").unwrap())).unwrap();
        assert_eq!(two.commit(rebuilt("a"), &on(0)).unwrap(), Some(2));
        assert_eq!(one.commit(rebuilt("b"), &on(0)).unwrap(), None);
        assert_eq!(one.commit(rebuilt("b"), &on(2)).unwrap(), Some(3));
        assert_eq!(
            two.refresh().unwrap().carried.as_ref().map(|(version, kept)| (*version, kept.path.as_str())),
            Some((3, "b"))
        );
    }

    #[test]
    fn a_checkpoint_and_the_entries_behind_it_are_the_state() {
        let runtime = runtime();
        let objects = Objects::over(Arc::new(InMemory::new()), runtime.handle().clone());
        let log = CommitLog::new(objects.clone(), Runner::this());
        for hour in 0..300 {
            log.append(failed(hour)).unwrap();
        }
        let checkpoints = objects.list(CHECKPOINTS, None).unwrap();
        assert_eq!(checkpoints.len(), 2, "{checkpoints:?}");
        let other = CommitLog::new(objects.clone(), Runner::this());
        assert_eq!(other.refresh().unwrap(), log.refresh().unwrap());
        assert!(other.lock().since.len() <= MIN_ENTRIES as usize, "the entries before it are not read");
    }

    #[test]
    fn a_damaged_entry_is_named_and_nothing_is_guessed() {
        let runtime = runtime();
        let objects = Objects::over(Arc::new(InMemory::new()), runtime.handle().clone());
        CommitLog::new(objects.clone(), Runner::this()).append(failed(0)).unwrap();
        for damaged in [&b"{"[..], br#"{"version":7}"#] {
            objects.put(&entry_path(2), damaged).unwrap();
            let log = CommitLog::new(objects.clone(), Runner::this());
            let error = log.append(failed(1)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("00000000000000000002.json"), "{error}");
        }
    }
}
