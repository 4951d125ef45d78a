//! Pieces of carried rows and the list of them.

use crate::commit::objects::{Objects, to_json};
use crate::commit::state_object::{ContentHash, StateObject};
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where the pieces are, below the job's state.
pub const CARRIED: &str = "carried";

/// Version of the list's form.
const FORMAT: u32 = 1;

/// Pieces of one level that become one of the next.
pub const FAN: usize = 16;

/// Ranges of a piece are told apart by so many bits of the hash at most.
pub(super) const MAX_BITS: u32 = 12;

/// Pieces that are made of pieces that are made of … at most: a list that was tampered with must not go on for ever.
const MAX_LEVELS: u32 = 32;

/// The pieces of all tables after one commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedState {
    /// Version of this form.
    pub format: u32,
    /// By table, in the order in which they were added.
    pub tables: BTreeMap<String, Vec<Piece>>,
}

/// Rows of one run or of several, one per key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The name of the run's files; `None` when it is made of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// 0 for one run, else one more than that of the pieces it is made of.
    pub level: u32,
    /// From the start of the first of its windows to the end of the last.
    pub window: Window,
    /// The greatest stamp of its runs, epoch microseconds: the rows of a later run are stamped past it.
    pub stamp: i64,
    /// Rows in all parts.
    pub rows: u64,
    /// Its rows by hash of the key; none for a piece without rows.
    pub parts: Vec<Part>,
    /// The list of the pieces it is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_of: Option<StateObject>,
}

/// A Parquet file with some of a piece's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The file.
    #[serde(flatten)]
    pub kept: StateObject,
    /// The piece is cut into two to the power of this many ranges of hashes.
    pub bits: u32,
    /// The range, from 0: what the highest `bits` bits of its keys' hashes say.
    pub range: u64,
    /// Rows in it.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
}

impl Default for CarriedState {
    fn default() -> Self {
        Self { format: FORMAT, tables: BTreeMap::new() }
    }
}

impl CarriedState {
    /// Reads the list that a commit made.
    ///
    /// Fails when it is gone or its bytes are not those that were committed.
    pub fn read(objects: &Objects, kept: &StateObject) -> Result<Self> {
        let state: Self = read(objects, kept)?;
        state.tables.values().try_for_each(|pieces| check(objects, kept, pieces))?;
        if state.format == FORMAT {
            return Ok(state);
        }
        Err(damaged(objects, kept)
            .with("format", state.format)
            .hint("a newer version of the program wrote it: use that one"))
    }

    /// Writes the list. `stem` is a path that no other run's begins with.
    pub fn keep(&self, objects: &Objects, stem: &str) -> Result<StateObject> {
        write(objects, format!("{stem}.json"), self)
    }
}

impl Piece {
    /// The piece that others were merged into.
    pub fn of_several(objects: &Objects, stem: &str, pieces: &[Self], (rows, parts): (u64, Vec<Part>)) -> Result<Self> {
        let first = pieces.iter().map(|piece| piece.window.start).min();
        let last = pieces.iter().map(|piece| piece.window.end).max();
        let (Some(start), Some(end)) = (first, last) else {
            return Err(Error::internal("merge carried rows").with("pieces", pieces.len()));
        };
        let level = pieces.iter().map(|piece| piece.level).max().unwrap_or_default() + 1;
        let stamp = pieces.iter().map(|piece| piece.stamp).max().unwrap_or_default();
        let made_of = write(objects, format!("{stem}-pieces.json"), &pieces)?;
        Ok(Self { run: None, level, window: Window { start, end }, stamp, rows, parts, made_of: Some(made_of) })
    }

    /// The pieces it is made of.
    fn pieces(&self, objects: &Objects) -> Result<Vec<Self>> {
        let Some(kept) = &self.made_of else { return Ok(Vec::new()) };
        let pieces: Vec<Self> = read(objects, kept)?;
        check(objects, kept, &pieces)?;
        if pieces.iter().any(|piece| piece.level >= self.level) {
            return Err(damaged(objects, kept).with("level", self.level).hint(REBUILD));
        }
        Ok(pieces)
    }
}

/// What helps when the state is damaged.
pub(super) const REBUILD: &str = "`etl-runner state rebuild JOB --from DATE` makes it anew from the raw input";

/// Refuses pieces that no run of this program can have made.
fn check(objects: &Objects, kept: &StateObject, pieces: &[Piece]) -> Result<()> {
    let fits = |part: &Part| part.bits <= MAX_BITS && part.range < 1 << part.bits;
    let wrong = pieces.iter().find(|piece| piece.level > MAX_LEVELS || !piece.parts.iter().all(fits));
    match wrong {
        Some(piece) => Err(damaged(objects, kept).with("level", piece.level).hint(REBUILD)),
        None => Ok(()),
    }
}

/// Takes out the pieces of `runs`, whose windows overlap `window`. Gives what stays, and the pieces that were taken out.
pub fn take_out(
    objects: &Objects,
    pieces: Vec<Piece>,
    window: &Window,
    runs: &BTreeSet<String>,
) -> Result<(Vec<Piece>, Vec<Piece>)> {
    let (mut stay, mut out) = (Vec::with_capacity(pieces.len()), Vec::new());
    for piece in pieces {
        match &piece.run {
            Some(run) if runs.contains(run) => out.push(piece),
            None if piece.window.overlaps(window) => {
                let (below, gone) = take_out(objects, piece.pieces(objects)?, window, runs)?;
                if gone.is_empty() {
                    stay.push(piece);
                } else {
                    stay.extend(below);
                    out.extend(gone);
                }
            }
            _ => stay.push(piece),
        }
    }
    Ok((stay, out))
}

/// The paths of everything that a list refers to, down to the pieces of single runs.
pub fn paths(objects: &Objects, state: &CarriedState) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open: Vec<Piece> = state.tables.values().flatten().cloned().collect();
    while let Some(piece) = open.pop() {
        open.extend(piece.pieces(objects)?);
        found.extend(piece.parts.into_iter().map(|part| part.kept.path));
        found.extend(piece.made_of.map(|kept| kept.path));
    }
    Ok(found)
}

fn write(objects: &Objects, path: String, value: &impl Serialize) -> Result<StateObject> {
    let bytes = to_json(value)?;
    let hash = ContentHash::of(&bytes);
    objects.put(&path, bytes)?;
    Ok(StateObject { path, hash })
}

fn read<T: DeserializeOwned>(objects: &Objects, kept: &StateObject) -> Result<T> {
    let bytes = fetch(objects, kept)?;
    serde_json::from_slice(&bytes).map_err(|error| damaged(objects, kept).source(error).hint(REBUILD))
}

pub(super) fn fetch(objects: &Objects, kept: &StateObject) -> Result<bytes::Bytes> {
    let bytes =
        objects.get(&kept.path)?.ok_or_else(|| damaged(objects, kept).hint(format!("it is gone; {REBUILD}")))?;
    if ContentHash::of(&bytes) == kept.hash {
        return Ok(bytes);
    }
    Err(damaged(objects, kept).hint(format!("its bytes are not those that were committed; {REBUILD}")))
}

pub(super) fn damaged(objects: &Objects, kept: &StateObject) -> Error {
    Error::new(ErrorKind::Damaged, "read the rows carried from earlier runs").with("uri", objects.uri_of(&kept.path))
}
