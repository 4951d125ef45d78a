//! The log folded: what is known of each window, and up to where everything is done.

use super::entry::{Commit, Counts, EmptyWindows, Entry, Event, FailureStatus, Late};
use super::shared::Shared;
use super::state_object::{ContentHash, StateObject};
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the checkpoints' form. In form 1, no announcement is owed.
const FORMAT: u32 = 2;

/// All that the log says, up to one of its versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobState {
    /// Version of this form.
    pub format: u32,
    /// The last entry in it; 0 when there is none.
    pub version: u64,
    /// Everything before it is done; `None` until a schedule or a person sets it.
    pub watermark: Option<DateTime<Utc>>,
    /// Commits that are not known to be published, by version.
    pub unpublished: BTreeMap<u64, Unpublished>,
    /// What is known of each window.
    #[serde(with = "as_list")]
    pub windows: BTreeMap<Window, Shared<WindowState>>,
    /// What merged tables carry, and the version of the entry that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<(u64, StateObject)>,
}

/// A commit whose files may not all be visible yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpublished {
    /// Its window.
    pub window: Window,
    /// See [`Commit::detail`].
    pub detail: String,
    /// See [`Commit::detail_hash`].
    pub detail_hash: ContentHash,
    /// Names of the targets to which it is announced already.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub announced: BTreeSet<String>,
}

/// What is known of one window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowState {
    /// The commits whose files are its output: a run, then the replays that added to it. Empty when none ever committed.
    pub commits: Vec<CommitState>,
    /// Commits of earlier revisions.
    pub replaced: u32,
    /// Runs that ended without a commit since the last commit.
    pub failures: u32,
    /// The last of them.
    pub last_failure: Option<FailureState>,
    /// Objects of its hours that arrived later and are in the output of other windows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<LateState>,
    /// Revisions that were forgotten: the next one has this number at least, so that no two commits share names of files.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgotten: u32,
}

/// A commit as the state keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommitState {
    /// Its place in the log.
    pub version: u64,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// See [`Commit::revision`].
    pub revision: u32,
    /// See [`Commit::amendment`].
    pub amendment: u32,
    /// See [`Commit::name`].
    pub name: String,
    /// See [`Commit::detail`].
    pub detail: String,
    /// See [`Commit::detail_hash`].
    pub detail_hash: ContentHash,
    /// See [`Commit::counts`].
    pub counts: Counts,
    /// Dead letters of it that were dropped, by reason; the empty reason stands for all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
    /// Names of the targets to which it is still to be announced. Filled in when it is published: until then the
    /// announcements are part of what is left to do.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub owed: BTreeSet<String>,
    /// See [`Commit::provisional`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
    /// See [`Commit::forgets`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgets: bool,
    /// See [`Commit::compacts`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compacts: Vec<String>,
}

/// A run that ended without a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureState {
    /// When.
    pub at: DateTime<Utc>,
    /// How it ended.
    pub status: FailureStatus,
    /// Kind of the error.
    pub kind: String,
    /// The error in one line.
    pub message: String,
}

/// Objects that arrived late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateState {
    /// The window that took them.
    pub taken_by: Window,
    /// How many, and when they should have been there.
    #[serde(flatten)]
    pub late: Late,
}

impl Default for JobState {
    fn default() -> Self {
        Self {
            format: FORMAT,
            version: 0,
            watermark: None,
            unpublished: BTreeMap::new(),
            windows: BTreeMap::new(),
            carried: None,
        }
    }
}

impl JobState {
    /// Reads a checkpoint.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let damaged = |error: serde_json::Error| Error::new(ErrorKind::Damaged, "read a checkpoint").source(error);
        let Form { format } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format > FORMAT {
            return Err(Error::config("read a checkpoint")
                .with("format", format)
                .hint("a newer version of the program wrote it: use that one"));
        }
        let state: Self = serde_json::from_slice(bytes).map_err(damaged)?;
        Ok(Self { format: FORMAT, ..state })
    }

    /// Takes the next entry. Entries come in order and without gaps.
    pub fn apply(&mut self, entry: &Entry) {
        self.version = entry.version;
        if let Some(carried) = entry.event.carried() {
            self.carried = Some((entry.version, carried.clone()));
        }
        match &entry.event {
            Event::Commit(commit) => self.commit(entry, commit),
            Event::Empty(empty) => {
                empty.windows().for_each(|window| self.empty(entry, empty, window));
                self.advance();
            }
            Event::Published { commit, window, owed } => {
                self.published(*commit, window, owed);
                self.advance();
            }
            Event::Announced { commit, window, target } => self.announced(*commit, window, target),
            Event::Failed(failure) => {
                let window = self.windows.entry(failure.window).or_default();
                window.failures = window.failures.saturating_add(1);
                window.last_failure = Some(FailureState {
                    at: entry.at,
                    status: failure.status,
                    kind: failure.kind.clone(),
                    message: failure.message.clone(),
                });
            }
            Event::Fence { .. } | Event::Rebuilt { .. } => {}
            Event::Forgotten { window, .. } => {
                if !self.window(window).is_committed() {
                    self.forget(window);
                }
            }
            Event::Watermark { at, .. } => {
                self.watermark = *at;
                self.advance();
            }
            Event::Marked(marked) => {
                if let Some(commit) = self.live_mut(&marked.window, marked.commit) {
                    if marked.reasons.is_empty() {
                        commit.dropped.insert(String::new(), marked.count);
                    }
                    for reason in &marked.reasons {
                        commit.dropped.insert(reason.clone(), marked.count);
                    }
                }
            }
        }
    }

    fn commit(&mut self, entry: &Entry, commit: &Commit) {
        let superseded = commit.supersedes.iter().filter_map(|covered| self.windows.remove(covered));
        let mut late: Vec<LateState> = superseded.flat_map(|known| known.late.clone()).collect();
        let (detail, detail_hash) = (commit.detail.clone(), commit.detail_hash.clone());
        let announced = BTreeSet::new();
        self.unpublished.insert(entry.version, Unpublished { window: commit.window, detail, detail_hash, announced });
        let state = CommitState {
            version: entry.version,
            at: entry.at,
            revision: commit.revision,
            amendment: commit.amendment,
            name: commit.name.clone(),
            detail: commit.detail.clone(),
            detail_hash: commit.detail_hash.clone(),
            counts: commit.counts.clone(),
            dropped: BTreeMap::new(),
            owed: BTreeSet::new(),
            provisional: commit.provisional,
            forgets: commit.forgets,
            compacts: commit.compacts.clone(),
        };
        let window = self.windows.entry(commit.window).or_default();
        window.late.append(&mut late);
        if commit.amendment == 0 {
            window.replaced = window.replaced.saturating_add(window.commits.len() as u32);
            window.commits.clear();
        }
        window.commits.push(state);
        window.failures = 0;
        window.last_failure = None;
        self.take_late(commit);
    }

    /// What the commit of a run without input leaves, and its publication.
    fn empty(&mut self, entry: &Entry, empty: &EmptyWindows, window: Window) {
        let known = self.windows.entry(window).or_default();
        known.commits = vec![CommitState {
            version: entry.version,
            at: entry.at,
            revision: known.next_revision(),
            amendment: 0,
            name: empty.name_of(&window),
            detail: empty.detail.clone(),
            detail_hash: empty.detail_hash.clone(),
            counts: Counts::default(),
            dropped: BTreeMap::new(),
            owed: BTreeSet::new(),
            provisional: false,
            forgets: false,
            compacts: Vec::new(),
        }];
        known.failures = 0;
        known.last_failure = None;
    }

    /// Only the first such entry of a commit counts: of two runners that publish it, one may have announced more.
    fn published(&mut self, version: u64, window: &Window, owed: &[String]) {
        let Some(known) = self.unpublished.remove(&version) else { return };
        if let Some(commit) = self.live_mut(window, version) {
            if commit.forgets {
                return self.forget(window);
            }
            commit.owed = owed.iter().filter(|target| !known.announced.contains(*target)).cloned().collect();
        }
    }

    fn forget(&mut self, window: &Window) {
        let forgotten = self.windows.remove(window).map_or(0, |known| known.next_revision());
        if forgotten > 0 {
            self.windows.insert(*window, WindowState { forgotten, ..WindowState::default() }.into());
        }
    }

    fn announced(&mut self, version: u64, window: &Window, target: &str) {
        if let Some(unpublished) = self.unpublished.get_mut(&version) {
            unpublished.announced.insert(target.to_owned());
        }
        if let Some(commit) = self.live_mut(window, version) {
            commit.owed.remove(target);
        }
    }

    fn live_mut(&mut self, window: &Window, version: u64) -> Option<&mut CommitState> {
        self.windows.get_mut(window)?.commits.iter_mut().find(|commit| commit.version == version)
    }

    fn take_late(&mut self, commit: &Commit) {
        let taken_by = commit.window;
        if commit.amendment == 0 {
            // A re-run says anew what was late.
            for window in self.windows.values_mut().filter(|window| !window.late.is_empty()) {
                window.late.retain(|late| !taken_by.covers(&late.taken_by));
            }
        }
        for late in &commit.late {
            if let Some(window) = self.window_at(late.hour)
                && let Some(state) = self.windows.get_mut(&window)
            {
                state.late.push(LateState { taken_by, late: late.clone() });
            }
        }
    }

    /// The committed window that an instant belongs to.
    pub fn window_at(&self, instant: DateTime<Utc>) -> Option<Window> {
        let last = Window { start: instant, end: DateTime::<Utc>::MAX_UTC };
        let mut committed = self.windows.range(..=last).rev().filter(|(_, state)| state.is_committed());
        // Committed windows do not overlap: the last that starts before the instant is the only one that can have it.
        committed.next().map(|(window, _)| *window).filter(|window| window.contains(instant))
    }

    /// Moves the watermark over windows that are done. It stops at one that is provisional, and so never passes the clock.
    fn advance(&mut self) {
        let waiting: BTreeSet<Window> = self.unpublished.values().map(|commit| commit.window).collect();
        while let Some(watermark) = self.watermark {
            match self.window_at(watermark) {
                Some(window) if !waiting.contains(&window) && !self.is_provisional(&window) => {
                    self.watermark = Some(window.end);
                }
                _ => return,
            }
        }
    }

    /// Committed windows that overlap `window` without being it.
    pub fn overlapping(&self, window: &Window) -> Vec<Window> {
        let until = Window { start: window.end, end: window.end };
        let committed = self.windows.range(..until).rev().filter(|(_, state)| state.is_committed());
        // Committed windows do not overlap, so the first that ends too early has none before it that ends later.
        let near = committed.map(|(other, _)| *other).take_while(|other| other.end > window.start);
        let mut found: Vec<Window> = near.filter(|other| other != window).collect();
        found.reverse();
        found
    }

    /// What is known of a window; nothing for one that never ran.
    pub fn window(&self, window: &Window) -> WindowState {
        self.windows.get(window).map(|known| WindowState::clone(known)).unwrap_or_default()
    }

    /// Whether a commit is part of its window's output, not replaced by a later one.
    pub fn is_live(&self, window: &Window, version: u64) -> bool {
        self.windows.get(window).is_some_and(|state| state.commits.iter().any(|commit| commit.version == version))
    }

    /// Published commits with announcements that are still owed, by window. What a later commit replaced owes nothing.
    pub fn owing(&self) -> impl Iterator<Item = (&Window, &CommitState)> {
        let all =
            self.windows.iter().flat_map(|(window, known)| known.commits.iter().map(move |commit| (window, commit)));
        all.filter(|(_, commit)| !commit.owed.is_empty())
    }

    /// Whether every commit is published and announced to all of its targets.
    pub fn is_settled(&self) -> bool {
        self.unpublished.is_empty() && self.owing().next().is_none()
    }

    /// Whether all commits of a window are published, and there is one. Announcements may still be owed.
    pub fn is_done(&self, window: &Window) -> bool {
        let published =
            |state: &WindowState| state.commits.iter().all(|commit| !self.unpublished.contains_key(&commit.version));
        self.windows.get(window).is_some_and(|state| state.is_committed() && published(state))
    }

    /// Whether the window was open when its last run began: it is to be run again once it is closed.
    pub fn is_provisional(&self, window: &Window) -> bool {
        self.windows.get(window).is_some_and(|known| known.is_provisional())
    }
}

impl CommitState {
    /// The names under which merged tables have what it contributed: its own, and those of the commits that it compacts.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.name).chain(&self.compacts)
    }
}

impl WindowState {
    /// Whether a run of the window is decided.
    pub fn is_committed(&self) -> bool {
        !self.commits.is_empty()
    }

    /// Whether anything counts of it: a commit, or that its last run ended without one.
    pub fn is_known(&self) -> bool {
        self.is_committed() || self.last_failure.is_some()
    }

    /// Whether it was open when its last run began.
    pub fn is_provisional(&self) -> bool {
        self.commits.first().is_some_and(|commit| commit.provisional)
    }

    /// The revision that the next run of the window gets.
    pub fn next_revision(&self) -> u32 {
        self.commits.first().map_or(self.forgotten, |commit| commit.revision.saturating_add(1))
    }

    /// The number that the next replay of the window's dead letters gets.
    pub fn next_amendment(&self) -> u32 {
        self.commits.last().map_or(0, |commit| commit.amendment.saturating_add(1))
    }

    /// Rows by table, over the run and its replays.
    pub fn rows(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (table, rows) in self.commits.iter().flat_map(|commit| &commit.counts.rows) {
            let sum: &mut u64 = all.entry(table.clone()).or_insert(0);
            *sum = sum.saturating_add(*rows);
        }
        all
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Windows as pairs: JSON's maps have text keys, and reading those of ten thousand windows back costs more.
mod as_list {
    use super::{BTreeMap, Shared, Window, WindowState};
    use serde::{Deserialize, Deserializer, Serializer};

    type Windows = BTreeMap<Window, Shared<WindowState>>;

    pub fn serialize<S: Serializer>(windows: &Windows, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(windows.iter())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Windows, D::Error> {
        Ok(Vec::<(Window, Shared<WindowState>)>::deserialize(from)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::entry::{Failure, Runner};

    #[test]
    fn numbers_of_a_damaged_state_do_not_start_again_at_zero() {
        let counts = Counts { rows: BTreeMap::from([("a".to_owned(), u64::MAX)]), ..Counts::default() };
        let commit =
            CommitState { version: 1, revision: u32::MAX, amendment: u32::MAX, counts, ..CommitState::default() };
        let state = WindowState { commits: vec![commit.clone(), commit], ..WindowState::default() };
        assert_eq!((state.next_revision(), state.next_amendment()), (u32::MAX, u32::MAX));
        assert_eq!(state.rows()["a"], u64::MAX);
    }

    #[test]
    fn windows_that_are_empty_together_are_done_one_by_one() {
        let window = |text: &str| Window::parse(text).unwrap();
        let mut state = JobState { watermark: Some(window("2026-11-20").start), ..JobState::default() };
        let apply = |state: &mut JobState, event: Event| {
            let version = state.version + 1;
            let (at, by, token) = (DateTime::UNIX_EPOCH, Runner::default(), String::new());
            state.apply(&Entry { version, at, by, token, event });
        };
        let failed = |text: &str| {
            let (status, kind, message) = (FailureStatus::Failed, String::new(), String::new());
            Event::Failed(Failure { window: window(text), status, kind, message })
        };
        apply(&mut state, failed("2026-11-20T01"));
        let empty = EmptyWindows {
            span: window("2026-11-20T00/PT3H"),
            seconds: 3_600,
            job: "shop".to_owned(),
            detail: "commits/x.json".to_owned(),
            detail_hash: ContentHash::default(),
        };
        let event = Event::Empty(Box::new(empty.clone()));
        for (text, conflicts) in [("2026-11-20T02", true), ("2026-11-20T03", false), ("2026-11-19", false)] {
            assert_eq!(event.conflicts_with(&window(text)), conflicts, "{text}");
        }
        apply(&mut state, event);
        assert_eq!((state.windows.len(), state.watermark), (3, Some(window("2026-11-20T03").start)));
        let known = state.window(&window("2026-11-20T01"));
        assert_eq!((known.failures, known.commits[0].name.as_str()), (0, "shop-20261120T010000Z-20261120T020000Z"));
        assert!(state.is_done(&window("2026-11-20T02")) && state.is_settled());
        assert_eq!(JobState::read(&serde_json::to_vec(&state).unwrap()).unwrap(), state);
        // What was tampered with ends.
        let endless = EmptyWindows { seconds: i64::MIN, span: window("2026-11-20T00/PT1M"), ..empty };
        assert_eq!(endless.windows().count(), 60);
    }

    #[test]
    fn a_longer_window_has_what_came_late_for_the_ones_it_covers() {
        let window = |text: &str| Window::parse(text).unwrap();
        let late = |taken_by: &str, hour: &str| LateState {
            taken_by: window(taken_by),
            late: Late { hour: window(hour).start, objects: 1, bytes: 10 },
        };
        let mut state = JobState::default();
        let commits = |version| vec![CommitState { version, ..CommitState::default() }];
        let mut add = |text: &str, late: Vec<LateState>| {
            let known = WindowState { commits: commits(1), late, ..WindowState::default() };
            state.windows.insert(window(text), known.into());
        };
        add("2026-11-19", vec![late("2026-11-20T06", "2026-11-19T03")]);
        add("2026-11-20T05", vec![late("2026-11-20T06", "2026-11-20T05"), late("2026-11-21", "2026-11-20T05")]);
        add("2026-11-20T06", Vec::new());
        let commit = Commit {
            window: window("2026-11-20T05/PT2H"),
            revision: 0,
            amendment: 0,
            name: "new".to_owned(),
            detail: String::new(),
            detail_hash: ContentHash::default(),
            supersedes: vec![window("2026-11-20T05"), window("2026-11-20T06")],
            counts: Counts::default(),
            late: vec![Late { hour: window("2026-11-19T03").start, objects: 1, bytes: 10 }],
            carried: None,
            provisional: false,
            forgets: false,
            compacts: vec!["old".to_owned()],
        };
        let (at, by, token) = (DateTime::UNIX_EPOCH, Runner::default(), String::new());
        state.apply(&Entry { version: 2, at, by, token, event: Event::Commit(Box::new(commit)) });
        let known = state.window(&window("2026-11-20T05/PT2H"));
        assert_eq!(known.late, [late("2026-11-21", "2026-11-20T05")], "what is in the window itself is not late");
        assert_eq!(known.commits[0].names().collect::<Vec<_>>(), ["new", "old"]);
        let before = state.window(&window("2026-11-19")).late;
        assert_eq!(before, [late("2026-11-20T05/PT2H", "2026-11-19T03")], "told once");
        assert_eq!(state.windows.len(), 2);
    }

    #[test]
    fn windows_that_overlap_are_found_among_their_neighbours() {
        let window = |text: &str| Window::parse(text).unwrap();
        let commit = CommitState { version: 1, ..CommitState::default() };
        let mut state = JobState::default();
        let done = WindowState { commits: vec![commit], ..WindowState::default() };
        for text in ["2026-11-18", "2026-11-19", "2026-11-20T00", "2026-11-20T01", "2026-11-20T05", "2026-11-21"] {
            state.windows.insert(window(text), done.clone().into());
        }
        state.windows.insert(window("2026-11-20T00/PT30M"), WindowState::default().into());
        let overlapping = |text: &str| state.overlapping(&window(text));
        assert_eq!(overlapping("2026-11-20T00"), []);
        assert_eq!(overlapping("2026-11-20T00:30/PT1H"), [window("2026-11-20T00"), window("2026-11-20T01")]);
        assert_eq!(overlapping("2026-11-19T23/PT2H"), [window("2026-11-19"), window("2026-11-20T00")]);
        assert_eq!(overlapping("2026-11-20"), ["2026-11-20T00", "2026-11-20T01", "2026-11-20T05"].map(window));
        assert_eq!(overlapping("2026-11-19"), []);
        assert_eq!(overlapping("2026-11-20T02"), []);
    }
}
