//! What a commit decided, in full: from it alone any process can publish.

use super::form_1::FormOne;
use super::objects::{Objects, to_json};
use super::record::TargetRecord;
use super::state_object::ContentHash;
use crate::output::staging::{DeadLetterFile, PartitionValue, WrittenFile};
use crate::window::Window;
use etl_sdk::{EpochMillis, Error, ErrorKind, Ledger, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the details' form; [`FormOne`] is the one before.
const FORMAT: u32 = 2;

/// The form of a detail that compacts others: a program that does not know of it would take back half of what they left.
const COMPACTING: u32 = 3;

/// Everything that a commit decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitDetail {
    /// Version of this form.
    pub format: u32,
    /// Stem of the files' names: run, revision, amendment.
    pub name: String,
    /// The window.
    pub window: Window,
    /// The run's instant.
    pub now_msec: EpochMillis,
    /// Version of the program.
    pub program: String,
    /// Path of the list of input objects, below the job's state.
    pub inputs: String,
    /// Where the tables go; nobody publishes to another place.
    pub sink: String,
    /// Where the dead letters go.
    pub dead_letter_url: String,
    /// The tables' files.
    pub files: Vec<WrittenFile>,
    /// The dead letters' files.
    pub dead_letters: Vec<DeadLetterFile>,
    /// What it replaces.
    pub replaces: Replaced,
    /// What each of its targets keeps of it, by the target's name. With it, any process announces the same, whatever
    /// the job file says by then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, TargetRecord>,
    /// Dead letters of the window that a replay took out of their files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replayed: Vec<Replayed>,
    /// Objects with error records that a replay took: they are not taken again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replayed_objects: Vec<ReplayedObject>,
    /// Whether it replaces what it names by nothing, and is announced to nobody: the window is forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgets: bool,
    /// Names of the commits that it compacts, when it has their rows as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compacts: Vec<String>,
    /// Dead letters of those commits that were dropped before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<DroppedLetters>,
    /// Rows per step.
    pub ledger: Ledger,
}

/// Files of earlier commits that a commit replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// Files of tables.
    pub files: Vec<ReplacedFile>,
    /// Paths of dead letters' files under their url.
    pub dead_letters: Vec<String>,
}

/// A file that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedFile {
    /// Name of its table.
    pub table: String,
    /// Its partition columns, outermost first.
    pub partition: Vec<PartitionValue>,
    /// Path under the sink's url.
    pub path: String,
}

/// Dead letters that a replay took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Path of their file under the dead letters' url.
    pub file: String,
    /// Their lines, counted from 0, as ranges `[first, last]`.
    pub lines: Vec<(u64, u64)>,
    /// How many, by reason code.
    #[serde(default)]
    pub reasons: BTreeMap<String, u64>,
}

/// Dead letters of one commit that were said to be done with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedLetters {
    /// Paths of the commit's files under the dead letters' url: all letters in them that have one of the reasons and were
    /// not replayed.
    pub files: Vec<String>,
    /// How many, by reason code.
    pub reasons: BTreeMap<String, u64>,
}

/// An object with error records that a replay took. In JSON it is a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, Option<String>)", into = "(String, Option<String>)")]
pub struct ReplayedObject {
    /// Its uri.
    pub uri: String,
    /// Its `ETag`, where the store has one.
    pub etag: Option<String>,
}

impl From<(String, Option<String>)> for ReplayedObject {
    fn from((uri, etag): (String, Option<String>)) -> Self {
        Self { uri, etag }
    }
}

impl From<ReplayedObject> for (String, Option<String>) {
    fn from(object: ReplayedObject) -> Self {
        (object.uri, object.etag)
    }
}

impl CommitDetail {
    /// The form that this program writes of all but what compacts.
    pub const FORMAT: u32 = FORMAT;

    /// Writes the detail to a path of its own. Gives the path below the job's state, and the hash of its bytes.
    pub fn keep(&self, objects: &Objects, token: &str) -> Result<(String, ContentHash)> {
        let bytes = to_json(self)?;
        let hash = ContentHash::of(&bytes);
        let path = format!("commits/{}-{token}.json", self.name);
        objects.put(&path, bytes)?;
        Ok((path, hash))
    }

    /// A detail that replaces and replays nothing.
    pub fn new(name: &str, window: Window, now_msec: EpochMillis) -> Self {
        Self {
            format: FORMAT,
            name: name.to_owned(),
            window,
            now_msec,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            inputs: String::new(),
            sink: String::new(),
            dead_letter_url: String::new(),
            files: Vec::new(),
            dead_letters: Vec::new(),
            replaces: Replaced::default(),
            targets: BTreeMap::new(),
            replayed: Vec::new(),
            replayed_objects: Vec::new(),
            forgets: false,
            compacts: Vec::new(),
            dropped: Vec::new(),
            ledger: Ledger::default(),
        }
    }

    /// The detail of one that has the rows of these commits.
    #[must_use]
    pub fn compacting(self, compacts: Vec<String>) -> Self {
        Self { format: COMPACTING, compacts, ..self }
    }

    /// Reads the detail of a commit.
    ///
    /// Fails when it is missing or its bytes are not those that were committed.
    pub fn read(objects: &Objects, path: &str, expected: &ContentHash) -> Result<Self> {
        let wrong = || damaged().with("uri", objects.uri_of(path));
        let bytes =
            objects.get(path)?.ok_or_else(|| wrong().hint("it is gone; the commit cannot be published without it"))?;
        if ContentHash::of(&bytes) != *expected {
            return Err(wrong().hint("its bytes are not those that were committed; restore the object"));
        }
        Self::parse(&bytes).map_err(|error| error.with("uri", objects.uri_of(path)))
    }

    /// Reads the bytes of a detail of this form or the one before.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let detail: Self = serde_json::from_slice(bytes).map_err(|error| damaged().source(error))?;
        match detail.format {
            FORMAT | COMPACTING => Ok(detail),
            1 => {
                let old: FormOne = serde_json::from_slice(bytes).map_err(|error| damaged().source(error))?;
                Ok(Self { format: FORMAT, targets: old.targets()?, ..detail })
            }
            other => Err(Error::config("read the detail of a commit")
                .with("format", other)
                .hint("a newer version of the program wrote it: use that one")),
        }
    }
}

fn damaged() -> Error {
    Error::new(ErrorKind::Damaged, "read the detail of a commit")
}
