//! A log that is not whole: what is damaged or gone, what of it can be made again, and what is lost.
//!
//! A checkpoint says what the entries up to its version say, so either can be damaged. An entry behind the last checkpoint
//! that is gone is lost, unless it was a commit of which everything else is there: its detail names the window and all
//! files, and either a later entry names its number or its files are in the output. Then the entry is written again from
//! the detail. In the place of any other lost entry an entry is written that decides nothing, so that the log can be read;
//! what is damaged is kept under `damaged/`.

use super::carried::CARRIED;
use super::detail::CommitDetail;
use super::entry::{Commit, Counts, Entry, Event, Runner, token};
use super::history::JobState;
use super::inputs;
use super::numbered::{
    checkpoint_path, checkpoints, entries_after, entry_path, read_checkpoint, read_entry, version_of,
};
use super::objects::{Objects, to_json};
use super::state_object::{ContentHash, StateObject};
use crate::output::staging::WrittenFile;
use crate::source::STEP;
use crate::text::one_line;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Missing entries that are looked into at most: more than that, and a name is wrong.
const MAX_LOST: u64 = 100_000;

/// Where damaged objects are kept, below the job's state.
const DAMAGED: &str = "damaged";

/// What is wrong with a log, and what can be made of it.
pub struct Inspection {
    /// Version of the last entry, or of the last checkpoint if that is later.
    pub last: u64,
    /// Entries that are there and whole.
    pub entries: u64,
    /// Version of the newest checkpoint that can be read.
    pub checkpoint: Option<u64>,
    /// Checkpoints that cannot be read.
    pub checkpoints: Vec<Damaged>,
    /// Entries that are gone or cannot be read, in order.
    pub lost: Vec<Lost>,
    /// Commits that nothing in the log refers to and whose files may be in the output, by window.
    pub unknown: Vec<UnknownCommit>,
    state: JobState,
    mended: BTreeMap<u64, Entry>,
}

/// An object that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// The number in its name.
    pub version: u64,
    /// Where it is.
    pub uri: String,
    /// What is wrong with it.
    pub why: String,
}

/// An entry that is gone or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Its number, where it should be, and what is wrong.
    #[serde(flatten)]
    pub object: Damaged,
    /// What becomes of it.
    pub outcome: LostOutcome,
    /// The window whose commit it was, as far as known.
    pub window: Option<Window>,
}

/// What becomes of a lost entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LostOutcome {
    /// A checkpoint has what it said.
    InCheckpoint,
    /// It was a commit, and is written again from the commit's detail.
    Restored,
    /// Nobody knows what it said.
    Lost,
}

/// A detail that no entry refers to although its files are visible, or a commit that is named and has no detail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownCommit {
    /// Its window.
    pub window: Window,
    /// Stem of its files' names; `None` when that is not known either.
    pub name: Option<String>,
}

/// Where to look, and how to see whether a file of the tables is in the output.
pub struct Repair<'a> {
    /// The job's objects.
    pub objects: &'a Objects,
    /// Whether a file is visible.
    pub is_visible: &'a dyn Fn(&WrittenFile) -> Result<bool>,
}

/// Details that the log does not know.
struct Details(Vec<(String, ContentHash, CommitDetail)>);

impl Inspection {
    /// Whether there is nothing to repair.
    pub fn is_whole(&self) -> bool {
        self.checkpoints.is_empty() && self.open().next().is_none()
    }

    /// Lost entries that stand in the way of reading the log.
    pub fn open(&self) -> impl Iterator<Item = &Lost> {
        self.lost.iter().filter(|lost| lost.outcome != LostOutcome::InCheckpoint)
    }
}

impl Repair<'_> {
    /// Reads the whole log and says what is wrong. Changes nothing.
    pub fn inspect(&self) -> Result<Inspection> {
        let (base, bad) = self.checkpoints()?;
        let (checkpoint, state) = base.map_or_else(Default::default, |state| (Some(state.version), state));
        let numbers = entries_after(self.objects, 0)?;
        let last = numbers.last().copied().unwrap_or(0);
        // A name that cannot be right would have very many missing before it.
        if last > numbers.len() as u64 + MAX_LOST {
            return Err(Error::new(ErrorKind::Damaged, "read the commit log")
                .with("uri", self.objects.uri_of(&entry_path(last)))
                .with("entries", numbers.len())
                .hint("its number cannot be right: move the object away, and look again"));
        }
        let (entries, damaged) = self.entries(&numbers)?;
        let whole = entries.len() as u64;
        // Nothing is known of what came behind a checkpoint that the log does not reach.
        let ends_early = checkpoint.filter(|checkpoint| last < *checkpoint);
        let last = last.max(checkpoint.unwrap_or(0));
        let gone = (1..=last).filter(|version| !entries.contains_key(version));
        let gone = gone.map(|version| {
            let object = damaged.get(&version).cloned().unwrap_or_else(|| self.object(version, "it is missing"));
            let is_in = checkpoint.is_some_and(|checkpoint| version <= checkpoint) && ends_early != Some(version);
            let outcome = if is_in { LostOutcome::InCheckpoint } else { LostOutcome::Lost };
            Lost { object, outcome, window: None }
        });
        let mut inspection = Inspection {
            last,
            entries: whole,
            checkpoint,
            checkpoints: bad,
            lost: gone.collect(),
            unknown: Vec::new(),
            state,
            mended: BTreeMap::new(),
        };
        if let Some(version) = ends_early {
            inspection.mended.insert(version, self.filler(version));
        }
        self.fold(&mut inspection, &entries)?;
        Ok(inspection)
    }

    /// Makes the log readable: commits are restored, other lost entries replaced by some that decide nothing, damaged
    /// objects put aside, and the state written as a checkpoint.
    pub fn apply(&self, inspection: &Inspection) -> Result<()> {
        for (version, entry) in &inspection.mended {
            let path = entry_path(*version);
            self.put_aside(&path)?;
            if !self.objects.create(&path, to_json(entry)?)? {
                return Err(Error::new(ErrorKind::Held, "write an entry of the commit log again")
                    .with("uri", self.objects.uri_of(&path))
                    .hint("somebody else has just written it: look again"));
            }
        }
        for checkpoint in &inspection.checkpoints {
            self.put_aside(&checkpoint_path(checkpoint.version))?;
        }
        self.objects.put(&checkpoint_path(inspection.state.version), to_json(&inspection.state)?)
    }

    fn put_aside(&self, path: &str) -> Result<()> {
        let Some(bytes) = self.objects.get(path)? else { return Ok(()) };
        self.objects.put(&format!("{DAMAGED}/{path}-{}", token()), bytes)?;
        self.objects.delete(path)
    }

    /// The newest checkpoint that can be read, and those that cannot.
    fn checkpoints(&self) -> Result<(Option<JobState>, Vec<Damaged>)> {
        let (mut base, mut bad) = (None, Vec::new());
        for object in checkpoints(self.objects)? {
            let Some(bytes) = self.objects.get(&object.path)? else { continue };
            match read_checkpoint(self.objects, &object.path, &bytes) {
                Ok(state) => base = base.or(Some(state)),
                Err(error) if error.kind() == ErrorKind::Damaged => bad.push(Damaged {
                    version: version_of(&object.path).unwrap_or(0),
                    uri: self.objects.uri_of(&object.path),
                    why: one_line(&error.to_string()),
                }),
                Err(error) => return Err(error),
            }
        }
        Ok((base, bad))
    }

    fn entries(&self, numbers: &[u64]) -> Result<(BTreeMap<u64, Entry>, BTreeMap<u64, Damaged>)> {
        let paths: Vec<String> = numbers.iter().map(|version| entry_path(*version)).collect();
        let (mut entries, mut damaged) = (BTreeMap::new(), BTreeMap::new());
        for ((version, path), bytes) in numbers.iter().zip(&paths).zip(self.objects.get_all(&paths)?) {
            let Some(bytes) = bytes else { continue };
            match read_entry(self.objects, path, &bytes) {
                Ok(entry) => {
                    entries.insert(*version, entry);
                }
                Err(error) if error.kind() == ErrorKind::Damaged => {
                    damaged.insert(*version, self.object(*version, &one_line(&error.to_string())));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((entries, damaged))
    }

    fn object(&self, version: u64, why: &str) -> Damaged {
        Damaged { version, uri: self.objects.uri_of(&entry_path(version)), why: why.to_owned() }
    }

    /// An entry that decides nothing.
    fn filler(&self, version: u64) -> Entry {
        let event = Event::Fence { windows: Vec::new(), reason: "in the place of a lost entry".to_owned() };
        Entry { version, at: self.objects.clock().now(), by: Runner::this(), token: token(), event }
    }

    /// Takes the entries behind the checkpoint in order, and finds something for the place of each that is lost.
    fn fold(&self, inspection: &mut Inspection, entries: &BTreeMap<u64, Entry>) -> Result<()> {
        let is_whole = inspection.open().next().is_none();
        let mut details =
            if is_whole { Details(Vec::new()) } else { self.unknown_details(&inspection.state, entries)? };
        let named = named_commits(entries);
        for version in inspection.state.version + 1..=inspection.last {
            if let Some(entry) = entries.get(&version) {
                inspection.state.apply(entry);
                continue;
            }
            let window = named.get(&version).copied();
            let commit = self.restore(&inspection.state, &mut details, window)?;
            let filler = self.filler(version);
            let entry = match commit.clone() {
                Some(commit) => Entry { event: Event::Commit(Box::new(commit)), ..filler },
                None => filler,
            };
            inspection.state.apply(&entry);
            inspection.mended.insert(version, entry);
            if let Some(lost) = inspection.lost.iter_mut().find(|lost| lost.object.version == version) {
                lost.window = commit.as_ref().map(|commit| commit.window).or(window);
                if commit.is_some() {
                    lost.outcome = LostOutcome::Restored;
                } else if let Some(window) = window {
                    inspection.unknown.push(UnknownCommit { window, name: None });
                }
            }
        }
        for (_, _, detail) in details.0 {
            if self.is_shown(&detail)? {
                inspection.unknown.push(UnknownCommit { window: detail.window, name: Some(detail.name) });
            }
        }
        inspection.unknown.sort_by(|left, right| (left.window, &left.name).cmp(&(right.window, &right.name)));
        inspection.unknown.dedup_by(|left, right| left.window == right.window && left.name.is_none());
        Ok(())
    }

    /// The commit that a lost entry was: of `named`, if a later entry names it so, else one whose files are all visible.
    fn restore(&self, state: &JobState, details: &mut Details, named: Option<Window>) -> Result<Option<Commit>> {
        let mut fits = Vec::new();
        for (index, (_, _, detail)) in details.0.iter().enumerate() {
            let is_next = fitting(state, detail).is_some();
            if is_next && named.map_or_else(|| self.is_shown(detail), |window| Ok(window == detail.window))? {
                fits.push(index);
            }
        }
        if named.is_some() && fits.len() > 1 {
            // Another attempt, which lost against it, may have left its own.
            let mut shown = Vec::new();
            for index in fits {
                if self.is_shown(&details.0[index].2)? {
                    shown.push(index);
                }
            }
            fits = shown;
        }
        let Some(&index) = fits.first() else { return Ok(None) };
        let (path, hash, detail) = details.0.remove(index);
        let Some((revision, amendment)) = fitting(state, &detail) else { return Ok(None) };
        let carried = self.carried_of(&detail.name)?;
        let supersedes = if amendment == 0 { state.overlapping(&detail.window) } else { Vec::new() };
        Ok(Some(Commit {
            window: detail.window,
            revision,
            amendment,
            name: detail.name.clone(),
            detail: path,
            detail_hash: hash,
            supersedes,
            counts: self.counts(&detail)?,
            late: Vec::new(),
            carried,
            // As far as the window alone tells; the schedule may have closed it a little later.
            provisional: detail.now_msec.0 < detail.window.end.timestamp_millis(),
            forgets: detail.forgets,
            compacts: detail.compacts.clone(),
        }))
    }

    /// The list of carried rows that a run left, if it left one alone.
    fn carried_of(&self, name: &str) -> Result<Option<StateObject>> {
        let stem = format!("{CARRIED}/{name}-");
        let is_list =
            |path: &String| path.strip_prefix(&stem).is_some_and(|rest| rest.len() == "0123456789abcdef.json".len());
        let mut lists = self.objects.list(CARRIED, None)?.into_iter().map(|object| object.path).filter(is_list);
        let (Some(path), None) = (lists.next(), lists.next()) else { return Ok(None) };
        let bytes = self.objects.get(&path)?;
        Ok(bytes.map(|bytes| StateObject { path, hash: ContentHash::of(&bytes) }))
    }

    fn counts(&self, detail: &CommitDetail) -> Result<Counts> {
        let inputs = inputs::read(self.objects, &detail.inputs)?.unwrap_or_default();
        let mut rows = BTreeMap::new();
        for file in &detail.files {
            *rows.entry(file.table.clone()).or_insert(0) += file.rows;
        }
        Ok(Counts {
            objects: inputs.len() as u64,
            input_bytes: inputs.iter().map(|input| input.size).sum(),
            records: detail.ledger.get(STEP).map_or(0, |step| step.read),
            rows,
            files: detail.files.len() as u64,
            bytes: detail.files.iter().map(|file| file.pending.bytes).sum(),
            dead_letters: detail.dead_letters.iter().map(|file| file.count).sum(),
        })
    }

    /// Whether a commit's files are in the output. One without files never is.
    fn is_shown(&self, detail: &CommitDetail) -> Result<bool> {
        for file in &detail.files {
            if !(self.is_visible)(file)? {
                return Ok(false);
            }
        }
        Ok(!detail.files.is_empty())
    }

    fn unknown_details(&self, state: &JobState, entries: &BTreeMap<u64, Entry>) -> Result<Details> {
        let of_state = state.windows.values().flat_map(|known| known.commits.iter().map(|commit| &commit.detail));
        let unpublished = state.unpublished.values().map(|commit| &commit.detail);
        let of_entries = entries.values().filter_map(|entry| match &entry.event {
            Event::Commit(commit) => Some(&commit.detail),
            Event::Empty(empty) => Some(&empty.detail),
            _ => None,
        });
        let known: BTreeSet<&String> = of_state.chain(unpublished).chain(of_entries).collect();
        let mut paths: Vec<String> =
            self.objects.list("commits", None)?.into_iter().map(|object| object.path).collect();
        paths.retain(|path| !known.contains(path));
        let found = paths.iter().zip(self.objects.get_all(&paths)?).filter_map(|(path, bytes)| {
            let bytes = bytes?;
            Some((path.clone(), ContentHash::of(&bytes), CommitDetail::parse(&bytes).ok()?))
        });
        let mut details: Vec<_> = found.collect();
        details.sort_by(|left, right| (left.2.window, &left.2.name).cmp(&(right.2.window, &right.2.name)));
        Ok(Details(details))
    }
}

/// Commits that other entries name, and their windows.
fn named_commits(entries: &BTreeMap<u64, Entry>) -> BTreeMap<u64, Window> {
    let named = entries.values().filter_map(|entry| match &entry.event {
        Event::Published { commit, window, .. } | Event::Announced { commit, window, .. } => Some((*commit, *window)),
        Event::Marked(marked) => Some((marked.commit, marked.window)),
        _ => None,
    });
    named.collect()
}

/// Revision and amendment of a detail, if it is the next of its window.
fn fitting(state: &JobState, detail: &CommitDetail) -> Option<(u32, u32)> {
    let known = state.window(&detail.window);
    let stem = detail.name.find(&detail.window.id()).map(|at| &detail.name[at + detail.window.id().len()..])?;
    let mut numbers = (0, 0);
    for part in stem.split('.').filter(|part| !part.is_empty()) {
        let (kind, number) = part.split_at_checked(1)?;
        match kind {
            "r" => numbers.0 = number.parse().ok()?,
            "a" => numbers.1 = number.parse().ok()?,
            _ => return None,
        }
    }
    let fits = match numbers {
        (revision, 0) => revision == known.next_revision(),
        (revision, amendment) => {
            known.is_committed()
                && Some(revision) == known.commits.first().map(|commit| commit.revision)
                && amendment == known.next_amendment()
        }
    };
    fits.then_some(numbers)
}
