//! Gathered: all that the windows of a period have, from the details of their commits.

use crate::commit::inputs::{self, Input};
use crate::commit::{DroppedLetters, JobState, Late, LateState, Replayed, ReplayedObject};
use crate::output::staging::{DeadLetterFile, WrittenFile};
use crate::run::context::JobContext;
use crate::run::replay::{CommitLetters, LetterHistory};
use crate::window::Window;
use etl_sdk::{EpochMillis, Error, ErrorKind, Ledger, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// A number of files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileCount {
    /// Files of all tables.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The files of a partition: of a table, below a folder of it.
pub type PartitionFiles = BTreeMap<(String, String), Vec<WrittenFile>>;

/// All that the windows of a period have.
pub struct Gathered {
    /// The commits of the windows, in order, each behind those before it.
    windows: Vec<LetterHistory>,
    /// The files of each partition, in the order of their windows.
    pub partitions: PartitionFiles,
}

impl FileCount {
    /// Adds others.
    pub fn add(&mut self, others: Self) {
        self.files += others.files;
        self.bytes += others.bytes;
    }

    /// Counts files.
    pub fn of<'a>(files: impl IntoIterator<Item = &'a WrittenFile>) -> Self {
        let count =
            |sum: Self, file: &WrittenFile| Self { files: sum.files + 1, bytes: sum.bytes + file.pending.bytes };
        files.into_iter().fold(Self::default(), count)
    }
}

impl Gathered {
    /// Reads the details of the windows' commits.
    pub fn read(context: &JobContext<'_>, state: &JobState, windows: &[Window]) -> Result<Self> {
        let letters = windows.iter().map(|window| LetterHistory::read(context.objects(), &state.window(window)));
        let windows: Vec<LetterHistory> = letters.collect::<Result<_>>()?;
        let mut partitions = PartitionFiles::new();
        for file in windows.iter().flat_map(|letters| &letters.commits).flat_map(|commit| &commit.detail.files) {
            let folder = folder_of(file)?;
            partitions.entry((file.table.clone(), folder.to_owned())).or_default().push(file.clone());
        }
        Ok(Self { windows, partitions })
    }

    /// Whether some partition has files that would become fewer.
    pub fn is_worth_it(&self, target_file_size: u64) -> bool {
        let fewer = |files: &Vec<WrittenFile>| expected(files, target_file_size) < files.len() as u64;
        self.partitions.values().any(fewer)
    }

    /// How many files there would be, about.
    pub fn expected(&self, target_file_size: u64) -> u64 {
        self.partitions.values().map(|files| expected(files, target_file_size)).sum()
    }

    /// The files that there are.
    pub fn count(&self) -> FileCount {
        FileCount::of(self.partitions.values().flatten())
    }

    fn commits(&self) -> impl Iterator<Item = &CommitLetters> {
        self.windows.iter().flat_map(|letters| &letters.commits)
    }

    /// The runs, without the replays that added to them.
    fn runs(&self) -> impl Iterator<Item = &CommitLetters> {
        self.commits().filter(|commit| commit.state.amendment == 0)
    }

    /// The names under which merged tables have what the commits contributed.
    pub fn names(&self) -> Vec<String> {
        self.commits().flat_map(|commit| commit.state.names().cloned()).collect()
    }

    /// The latest instant of the commits.
    pub fn now(&self) -> EpochMillis {
        self.commits().map(|commit| commit.detail.now_msec).max().unwrap_or_default()
    }

    /// All input objects, sorted as a listing of the period would be.
    pub fn inputs(&self, context: &JobContext<'_>) -> Result<Vec<Input>> {
        let mut all = Vec::new();
        for run in self.runs() {
            let read = inputs::read(context.objects(), &run.detail.inputs)?;
            all.extend(read.ok_or_else(|| {
                Error::new(ErrorKind::Damaged, "read the list of input objects")
                    .with("uri", context.objects().uri_of(&run.detail.inputs))
                    .hint("it is gone: what comes late could not be told any more. Run the window again first")
            })?);
        }
        all.sort_by(|left, right| left.uri.cmp(&right.uri));
        Ok(all)
    }

    /// Input objects, their bytes and raw records, as the log counts them.
    pub fn input_counts(&self) -> (u64, u64, u64) {
        let counts = self.runs().map(|run| &run.state.counts);
        counts.fold((0, 0, 0), |(objects, bytes, records), of| {
            (objects + of.objects, bytes + of.input_bytes, records + of.records)
        })
    }

    /// Rows of all steps.
    pub fn ledger(&self) -> Ledger {
        let mut all = Ledger::default();
        self.commits().for_each(|commit| all.merge(&commit.detail.ledger));
        all
    }

    /// The files of dead letters, which stay where they are.
    pub fn dead_letters(&self) -> Vec<DeadLetterFile> {
        self.commits().flat_map(|commit| commit.detail.dead_letters.clone()).collect()
    }

    /// What was replayed of them.
    pub fn replayed(&self) -> Vec<Replayed> {
        self.commits().flat_map(|commit| commit.detail.replayed.clone()).collect()
    }

    /// Objects with error records that were replayed.
    pub fn replayed_objects(&self) -> Vec<ReplayedObject> {
        self.commits().flat_map(|commit| commit.detail.replayed_objects.clone()).collect()
    }

    /// What was dropped of the dead letters.
    pub fn dropped(&self) -> Vec<DroppedLetters> {
        let of_window = |letters: &LetterHistory| -> Vec<DroppedLetters> {
            letters.commits.iter().flat_map(|commit| letters.dropped_of(commit)).collect()
        };
        self.windows.iter().flat_map(of_window).collect()
    }
}

/// What the windows of a period took of the hours of others, by hour.
pub fn late(state: &JobState, period: &Window) -> Vec<Late> {
    let others = state.windows.iter().filter(|(window, _)| !period.covers(window));
    let mut hours: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for LateState { late, .. } in others.flat_map(|(_, known)| &known.late).filter(|of| period.covers(&of.taken_by)) {
        let (objects, bytes) = hours.entry(late.hour).or_default();
        *objects += late.objects;
        *bytes += late.bytes;
    }
    hours.into_iter().map(|(hour, (objects, bytes))| Late { hour, objects, bytes }).collect()
}

/// The folder of a file below that of its table.
fn folder_of(file: &WrittenFile) -> Result<&str> {
    let path = file.pending.path.as_str();
    let below = path.strip_prefix(&file.table).and_then(|below| below.strip_prefix('/'));
    let below = below.ok_or_else(|| Error::internal("find the partition of a file").with("path", path))?;
    Ok(below.rsplit_once('/').map_or("", |(folder, _)| folder))
}

fn expected(files: &[WrittenFile], target_file_size: u64) -> u64 {
    FileCount::of(files).bytes.div_ceil(target_file_size.max(1)).max(1)
}
