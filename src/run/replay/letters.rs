//! The dead letters of a window: those of its run and of the replays that added to it, and what became of each.

use crate::commit::{CommitDetail, CommitState, DroppedLetters, Objects, WindowState};
use crate::output::dead_letter::Letter;
use crate::process::stop::Stop;
use crate::source::{Opened, find, open};
use crate::storage::Storage;
use etl_sdk::{Error, ErrorKind, Result};
use flate2::read::MultiGzDecoder;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use tokio::runtime::Handle;

/// Maximum length of a line. A line holds a record, and little else.
const MAX_LINE_BYTES: u64 = 1 << 30;

/// What became of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LetterState {
    /// Nothing yet.
    Open,
    /// A replay took it. If it failed again, it is a dead letter of that replay.
    Replayed,
    /// It was said to be done with.
    Dropped,
}

/// Dead letters of one reason, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReasonCounts {
    /// Neither replayed nor dropped.
    pub open: u64,
    /// Taken by a replay.
    pub replayed: u64,
    /// Done with.
    pub dropped: u64,
}

/// The dead letters of one commit, and those that it took.
pub struct CommitLetters {
    /// As the log says.
    pub state: CommitState,
    /// In full.
    pub detail: CommitDetail,
}

/// The dead letters of a window: those of the commits whose files are its output.
pub struct LetterHistory {
    /// The run, then its replays.
    pub commits: Vec<CommitLetters>,
    /// Lines that replays took, by file: ranges in order.
    taken: BTreeMap<String, Vec<(u64, u64)>>,
    /// Reasons whose letters were dropped before their commits were compacted, by file.
    dropped: BTreeMap<String, BTreeSet<String>>,
}

impl LetterHistory {
    /// Reads the details of a window's commits.
    pub fn read(objects: &Objects, window: &WindowState) -> Result<Self> {
        let mut letters = Self { commits: Vec::new(), taken: BTreeMap::new(), dropped: BTreeMap::new() };
        for state in &window.commits {
            let detail = CommitDetail::read(objects, &state.detail, &state.detail_hash)?;
            for replayed in &detail.replayed {
                letters.taken.entry(replayed.file.clone()).or_default().extend(&replayed.lines);
            }
            for dropped in &detail.dropped {
                for file in &dropped.files {
                    letters.dropped.entry(file.clone()).or_default().extend(dropped.reasons.keys().cloned());
                }
            }
            letters.commits.push(CommitLetters { state: state.clone(), detail });
        }
        for ranges in letters.taken.values_mut() {
            ranges.sort_unstable();
        }
        Ok(letters)
    }

    /// Dead letters by reason, all from the commits' ledgers: no file is read.
    pub fn by_reason(&self) -> BTreeMap<String, ReasonCounts> {
        let mut all: BTreeMap<String, ReasonCounts> = BTreeMap::new();
        for commit in &self.commits {
            for (reason, counts) in self.of_commit(commit) {
                let sum = all.entry(reason).or_default();
                sum.open += counts.open;
                sum.replayed += counts.replayed;
                sum.dropped += counts.dropped;
            }
        }
        all
    }

    /// Dead letters of one of the commits by reason.
    pub fn of_commit(&self, commit: &CommitLetters) -> BTreeMap<String, ReasonCounts> {
        let files: Vec<&str> = commit.detail.dead_letters.iter().map(|file| file.pending.path.as_str()).collect();
        let mut taken: BTreeMap<&str, u64> = BTreeMap::new();
        let replays = self.commits.iter().flat_map(|commit| &commit.detail.replayed);
        for replayed in replays.filter(|replayed| files.contains(&replayed.file.as_str())) {
            for (reason, count) in &replayed.reasons {
                *taken.entry(reason).or_default() += count;
            }
        }
        let mut all: BTreeMap<String, ReasonCounts> = BTreeMap::new();
        for (reason, count) in commit.detail.ledger.steps().flat_map(|(_, counts)| &counts.dead) {
            all.entry(reason.to_string()).or_default().open += count;
        }
        for (reason, counts) in &mut all {
            counts.replayed = taken.get(reason.as_str()).copied().unwrap_or(0).min(counts.open);
            counts.open -= counts.replayed;
            let dropped = commit.detail.dropped.iter().filter_map(|dropped| dropped.reasons.get(reason)).sum::<u64>();
            counts.dropped = dropped.min(counts.open);
            counts.open -= counts.dropped;
            if commit.is_dropped(reason) {
                counts.dropped += std::mem::take(&mut counts.open);
            }
        }
        all
    }

    /// What was dropped of a commit, as one that takes its letters over keeps it.
    pub fn dropped_of(&self, commit: &CommitLetters) -> Vec<DroppedLetters> {
        let mut all = commit.detail.dropped.clone();
        let mut reasons = self.of_commit(commit);
        reasons.retain(|reason, _| commit.is_dropped(reason));
        let since = reasons.into_iter().map(|(reason, counts)| {
            let before: u64 = all.iter().filter_map(|dropped| dropped.reasons.get(&reason)).sum();
            (reason, counts.dropped.saturating_sub(before))
        });
        let reasons: BTreeMap<String, u64> = since.filter(|(_, count)| *count > 0).collect();
        if !reasons.is_empty() {
            let files = commit.detail.dead_letters.iter().map(|file| file.pending.path.clone()).collect();
            all.push(DroppedLetters { files, reasons });
        }
        all
    }

    /// What became of the letter in line `line` of a file of `commit`.
    pub fn state_of(&self, commit: &CommitLetters, file: &str, line: u64, reason: &str) -> LetterState {
        let taken = self.taken.get(file).is_some_and(|ranges| {
            let behind = ranges.partition_point(|(first, _)| *first <= line);
            behind > 0 && ranges[behind - 1].1 >= line
        });
        let dropped = || self.dropped.get(file).is_some_and(|reasons| reasons.contains(reason));
        match (taken, commit.is_dropped(reason) || dropped()) {
            (true, _) => LetterState::Replayed,
            (false, true) => LetterState::Dropped,
            (false, false) => LetterState::Open,
        }
    }
}

impl CommitLetters {
    fn is_dropped(&self, reason: &str) -> bool {
        self.state.dropped.contains_key("") || self.state.dropped.contains_key(reason)
    }
}

/// Reads files of dead letters, line by line.
pub struct LetterFiles<'a> {
    /// Where they are.
    pub storage: &'a Storage,
    /// A runtime with threads of its own.
    pub runtime: &'a Handle,
    /// Ends the reading.
    pub stop: &'a Stop,
}

impl LetterFiles<'_> {
    /// Shows the letters of a file, in order, with their line from 0, until `visit` has seen enough.
    ///
    /// Fails with `NotFound` when the file is gone.
    pub fn each(&self, path: &str, visit: &mut dyn FnMut(u64, Letter) -> Result<ControlFlow<()>>) -> Result<()> {
        let wrong = |kind| Error::new(kind, "read dead letters").with("uri", format!("{}/{path}", self.storage.url()));
        let key = self.storage.key_of(path)?;
        let Some(object) = find(self.storage, &key, 0, self.runtime, self.stop)? else {
            return Err(
                wrong(ErrorKind::NotFound).hint("the file is gone; run the window again to have its dead letters")
            );
        };
        let Opened::Reader(reader) = open(self.storage, &object, self.runtime, self.stop)?.wait()? else {
            return Err(wrong(ErrorKind::Permission).hint("the file is archived; restore it first"));
        };
        let mut lines = BufReader::new(MultiGzDecoder::new(reader));
        let mut line = Vec::new();
        for number in 0.. {
            line.clear();
            let read = (&mut lines).take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
            if read.map_err(|error| wrong(ErrorKind::Unavailable).source(error))? == 0 {
                break;
            }
            let letter =
                Letter::parse(&line).map_err(|error| wrong(error.kind()).with("line", number + 1).source(error))?;
            if visit(number, letter)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}
