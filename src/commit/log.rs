//! The commit log: entries created only if absent, each with the next number. Their order is the order of decisions.

use super::entry::{Entry, Event, Runner, token};
use super::history::JobState;
use super::numbered::{
    CHECKPOINTS, LOG, checkpoint_path, checkpoints, entries_after, entry_path, missing, read_checkpoint, read_entry,
    refuse_to_forget, version_of,
};
use super::objects::{Objects, to_json};
use crate::text::one_line;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Looks for a missing entry before it counts as lost, and the time between them.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Entries between two checkpoints at least.
const MIN_ENTRIES: u64 = 64;

/// Entries behind the next one that are looked for with it: an entry there without the one before it is a gap.
const LOOKED_FOR: u64 = 1;

/// As many when there turn out to be more and more.
const MOST_LOOKED_FOR: u64 = 64;

/// Times an append tries again because others were faster. Each time somebody else's entry is in the log: progress.
const MAX_TRIES: u32 = 1_000;

/// The log of one job, as this process knows it. Shared by all threads; calls block.
pub struct CommitLog {
    objects: Objects,
    runner: Runner,
    known: Mutex<Known>,
    tell: Box<dyn Fn(&str) + Send + Sync>,
}

/// What an event rests on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Condition {
    /// The window it decides over, and the version of the log from which on nobody else may have.
    pub window: Option<(Window, u64)>,
    /// The version that made what merged tables carry; 0 for none.
    pub carried: Option<u64>,
    /// Whether it rests on what became of the dead letters of the window as well.
    pub letters: bool,
}

#[derive(Default)]
struct Known {
    state: Arc<JobState>,
    /// What was read or written since the process opened the log: what conflicts are looked for in.
    since: Vec<Entry>,
    checkpoint: u64,
    read: bool,
    /// Entries that are looked for at once, beside the next one.
    ahead: u64,
    /// The last entry when all of them were listed.
    listed: u64,
}

impl CommitLog {
    /// The log below a job's state. Nothing is read yet.
    pub fn new(objects: Objects, runner: Runner) -> Self {
        Self { objects, runner, known: Mutex::default(), tell: Box::new(|_| {}) }
    }

    /// The log, telling a person what was found damaged and does not stop it.
    #[must_use]
    pub fn telling(self, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { tell: Box::new(tell), ..self }
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
        self.catch_up(&mut known)?;
        let first = known.state.version;
        for tries in 0..MAX_TRIES {
            if tries > 0 {
                self.catch_up(&mut known)?;
            }
            if known.since_version(first).any(|written| written.token == entry.token) {
                // Ours after all: the answer to an earlier try was lost.
                return Ok(Some(entry.version));
            }
            if let Some((window, base)) = &condition.window
                && let Some(winner) = known.since_version(*base).find(|entry| {
                    entry.event.conflicts_with(window) || (condition.letters && entry.event.marks(window))
                })
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

    /// Takes what others have written, in order. A number that has no entry although a later one is there is not the end:
    /// an entry is only created when the one before it is there.
    fn catch_up(&self, known: &mut Known) -> Result<()> {
        if known.read && known.state.version < known.listed + MIN_ENTRIES {
            self.follow(known)
        } else {
            self.look(known)
        }
    }

    /// Reads what was written since, by name: a listing costs what the log is long, in a folder at least. When an entry is
    /// not there and the one behind it is, the listing says what that means.
    fn follow(&self, known: &mut Known) -> Result<()> {
        loop {
            let next = known.state.version + 1;
            let paths: Vec<String> = (next..=next + known.ahead.max(LOOKED_FOR)).map(entry_path).collect();
            let found = self.objects.get_all(&paths)?;
            let there = found.iter().take_while(|bytes| bytes.is_some()).count();
            for (path, bytes) in paths.iter().zip(found.iter().take(there).flatten()) {
                known.take(read_entry(&self.objects, path, bytes)?);
            }
            if there < found.len() {
                known.ahead = LOOKED_FOR;
                let is_gap = found.iter().skip(there).any(Option::is_some);
                return if is_gap { self.look(known) } else { Ok(()) };
            }
            known.ahead = (known.ahead.max(LOOKED_FOR) * 2).min(MOST_LOOKED_FOR);
        }
    }

    /// Reads what the listing shows behind the last entry that is known.
    fn look(&self, known: &mut Known) -> Result<()> {
        let is_first = !known.read;
        if is_first {
            self.take_checkpoint(known)?;
        }
        let mut tries = 0;
        loop {
            // With the last entry that the checkpoint has: entries are never removed, so it is there.
            let begin = if is_first { known.state.version.saturating_sub(1) } else { known.state.version };
            let mut found = entries_after(&self.objects, begin)?;
            if found.is_empty() && begin < known.state.version {
                return Err(missing(&self.objects, known.state.version, known.state.version));
            }
            found.retain(|version| *version > known.state.version);
            let Some(&last) = found.last() else { break };
            let behind = (known.state.version + 1..).zip(&found).take_while(|(next, found)| next == *found);
            let paths: Vec<String> = behind.map(|(version, _)| entry_path(version)).collect();
            for (path, bytes) in paths.iter().zip(self.objects.get_all(&paths)?) {
                let Some(bytes) = bytes else { break };
                known.take(read_entry(&self.objects, path, &bytes)?);
            }
            if known.state.version >= last {
                break;
            }
            // A folder that is read while others write to it may show a later entry without the one before.
            let next = entry_path(known.state.version + 1);
            if let Some(bytes) = self.objects.get(&next)? {
                known.take(read_entry(&self.objects, &next, &bytes)?);
                continue;
            }
            tries += 1;
            if tries == LOOKS {
                return Err(missing(&self.objects, known.state.version + 1, last));
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        if is_first && known.state.version == 0 {
            refuse_to_forget(&self.objects)?;
        }
        (known.read, known.listed) = (true, known.state.version);
        Ok(())
    }

    /// Takes the newest checkpoint that can be read. One that is damaged costs time, not the state: an older one or the
    /// entries alone say the same.
    fn take_checkpoint(&self, known: &mut Known) -> Result<()> {
        *known = Known::default();
        for object in checkpoints(&self.objects)? {
            let Some(bytes) = self.objects.get(&object.path)? else { continue };
            match read_checkpoint(&self.objects, &object.path, &bytes) {
                Ok(state) => {
                    known.checkpoint = state.version;
                    known.state = Arc::new(state);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Damaged => (self.tell)(&format!(
                    "{}: the entries of the log are read instead; `etl-runner recover JOB --log` repairs it",
                    one_line(&error.to_string())
                )),
                Err(error) => return Err(error),
            }
        }
        Ok(())
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
        if self.objects.put(&checkpoint_path(version), bytes).is_ok() {
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
    /// Entries behind a version, the first one first. What they are looked for is at the end of a long list.
    fn since_version(&self, version: u64) -> impl Iterator<Item = &Entry> {
        self.since[self.since.partition_point(|entry| entry.version <= version)..].iter()
    }

    fn take(&mut self, entry: Entry) {
        Arc::make_mut(&mut self.state).apply(&entry);
        self.since.push(entry);
    }
}

fn lost(window: &Window, winner: &Entry) -> Error {
    let what = match winner.event {
        Event::Fence { .. } | Event::Forgotten { .. } => "what this run left behind was given up by another runner",
        Event::Marked(_) => "somebody has dropped dead letters of it since this run began",
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
    use crate::commit::state_object::{ContentHash, StateObject};
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
        let on = |base| Condition { window: Some((ours, base)), ..Condition::default() };
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
        let on = |carried| Condition { carried: Some(carried), ..Condition::default() };
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
    fn what_others_write_is_read_however_much_it_is() {
        let runtime = runtime();
        let objects = Objects::over(Arc::new(InMemory::new()), runtime.handle().clone());
        let log = || CommitLog::new(objects.clone(), Runner::this());
        let (one, two) = (log(), log());
        for entries in [0, 1, 2, 3, 200, 1] {
            for hour in 0..entries {
                two.append(failed(hour)).unwrap();
            }
            assert_eq!(one.refresh().unwrap(), two.refresh().unwrap(), "{entries}");
        }
        assert_eq!(one.lock().since.len(), 207);
        assert_eq!(one.append(failed(0)).unwrap(), 208);
    }

    #[test]
    fn a_damaged_entry_is_named_and_nothing_is_guessed() {
        let runtime = runtime();
        let objects = Objects::over(Arc::new(InMemory::new()), runtime.handle().clone());
        CommitLog::new(objects.clone(), Runner::this()).append(failed(0)).unwrap();
        for damaged in [&b"{"[..], br#"{"version":7}"#, b"", br#"{"version":2}"#] {
            objects.put(&entry_path(2), damaged).unwrap();
            let log = CommitLog::new(objects.clone(), Runner::this());
            let error = log.append(failed(1)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged);
            assert!(error.to_string().contains("00000000000000000002.json"), "{error}");
        }
    }

    #[test]
    fn a_gap_is_an_error_until_the_entry_is_back() {
        let runtime = runtime();
        let objects = Objects::over(Arc::new(InMemory::new()), runtime.handle().clone());
        let log = CommitLog::new(objects.clone(), Runner::this());
        (0..5).for_each(|hour| assert!(log.append(failed(hour)).unwrap() > 0));
        for version in 1..5 {
            let bytes = objects.get(&entry_path(version)).unwrap().unwrap();
            objects.delete(&entry_path(version)).unwrap();
            let reader = CommitLog::new(objects.clone(), Runner::this());
            for _ in 0..2 {
                let error = reader.append(failed(9)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                assert!(error.facts().contains(&("entry", version.to_string())), "{error}");
            }
            objects.put(&entry_path(version), bytes).unwrap();
            assert_eq!(reader.refresh().unwrap().version, 5);
        }
    }

    #[test]
    fn a_damaged_checkpoint_is_told_and_the_entries_are_read() {
        let runtime = runtime();
        let objects = Objects::over(Arc::new(InMemory::new()), runtime.handle().clone());
        let log = CommitLog::new(objects.clone(), Runner::this());
        (0..150).for_each(|hour| assert!(log.append(failed(hour)).unwrap() > 0));
        let paths: Vec<String> = checkpoints(&objects).unwrap().into_iter().map(|object| object.path).collect();
        for path in &paths {
            objects.put(path, "{").unwrap();
            let told = Arc::new(Mutex::new(Vec::new()));
            let tell = Arc::clone(&told);
            let reader = CommitLog::new(objects.clone(), Runner::this())
                .telling(move |text| tell.lock().unwrap().push(text.to_owned()));
            assert_eq!(reader.refresh().unwrap(), log.refresh().unwrap());
            assert!(told.lock().unwrap()[0].contains(paths[0].as_str()), "{told:?}");
        }
        objects.put(&paths[0], br#"{"format":99}"#.to_vec()).unwrap();
        let error = CommitLog::new(objects.clone(), Runner::this()).refresh().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "a newer program's is not damaged: {error}");
    }
}
