//! Which row goes to which partition.

use super::hive;
use super::hive::{DAY_MICROS, HOUR_MICROS, Refusal};
use super::spec::{Part, Source, SourceKind, TableSinkSpec};
use crate::storage::MAX_PART_BYTES;
use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, TimestampMicrosecondType};
use etl_sdk::Result;
use hashbrown::HashMap;
use std::sync::Arc;

/// Longest path of a partition with its table and file name, in bytes. An object key has at most 1,024.
const MAX_PATH_BYTES: usize = 900;

/// Partitions and texts remembered from batch to batch; beyond that they are looked up anew.
const REMEMBERED: usize = 1 << 16;

const NULL_TEXT: u64 = u64::MAX;
const LONG_TEXT: u64 = u64::MAX - 1;
/// Neither a number of hours nor of days that microseconds or 32-bit days can express.
const NULL_TIME: u64 = i64::MIN as u64;

/// Finds the partition of every row of a batch.
pub(super) struct Router {
    sources: Vec<(Source, Texts)>,
    parts: Vec<Part>,
    /// Bytes of the path that are not the partition's.
    path_overhead: usize,
    max_open: usize,
    /// Paths of the partitions that have a writer, by index of the writer.
    open: HashMap<Arc<str>, usize>,
    /// One value per source and row, row by row.
    keys: Vec<u64>,
    known: HashMap<Box<[u64]>, u32>,
    targets: Vec<Target>,
}

/// Where the rows of one partition go.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// To the writer at this index.
    Open(usize),
    /// To the spill, with the partition's path.
    Spill(Arc<str>),
    /// To the dead letters.
    Refused(Refusal),
}

/// The rows of one batch by where they go; each list in the order of the batch.
#[derive(Debug, Default)]
pub(super) struct Routed {
    /// Rows per writer, by index of the writer.
    pub(super) open: Vec<Vec<u32>>,
    /// Rows for the spill.
    pub(super) spill: Vec<u32>,
    /// The partition's path per row of `spill`.
    pub(super) spill_paths: Vec<Arc<str>>,
    /// Rows without a partition.
    pub(super) refused: Vec<(u32, Refusal)>,
    /// Paths of partitions that need a writer from now on, in the order of their indices.
    pub(super) opened: Vec<Arc<str>>,
    /// Paths of partitions that were met for the first time, or again after they were forgotten.
    pub(super) met: Vec<Arc<str>>,
}

impl Routed {
    fn clear(&mut self) {
        self.open.iter_mut().for_each(Vec::clear);
        self.spill.clear();
        self.spill_paths.clear();
        self.refused.clear();
        self.opened.clear();
        self.met.clear();
    }
}

/// Distinct texts by number.
#[derive(Default)]
struct Texts {
    numbers: HashMap<Box<str>, u64>,
    texts: Vec<Box<str>>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u64 {
        // Its folder's name would be longer still: there is no need to remember it.
        if text.len() > MAX_PART_BYTES {
            return LONG_TEXT;
        }
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u64;
        self.texts.push(text.into());
        self.numbers.insert(text.into(), number);
        number
    }
}

impl Router {
    pub(super) fn new(spec: &TableSinkSpec, path_overhead: usize, max_open: usize) -> Self {
        Self {
            sources: spec.sources.iter().map(|source| (*source, Texts::default())).collect(),
            parts: spec.parts.clone(),
            path_overhead,
            max_open: max_open.max(1),
            open: HashMap::new(),
            keys: Vec::new(),
            known: HashMap::new(),
            targets: Vec::new(),
        }
    }

    /// Sorts the rows of `batch` into `routed`. The first partitions met get a writer, the others are spilled.
    pub(super) fn route(&mut self, batch: &RecordBatch, routed: &mut Routed) -> Result<()> {
        routed.clear();
        self.forget_when_full();
        let width = self.sources.len();
        let rows = batch.num_rows();
        self.keys.clear();
        self.keys.resize(rows * width, 0);
        for index in 0..width {
            self.fill_keys(index, batch)?;
        }
        let keys = std::mem::take(&mut self.keys);
        let (mut last_key, mut last_target) = (None, Target::Refused(Refusal::TooLong));
        for row in 0..rows {
            let key = &keys[row * width..][..width];
            if last_key != Some(key) {
                last_target = self.target(key, routed);
                last_key = Some(key);
            }
            match &last_target {
                Target::Open(index) => routed.open[*index].push(row as u32),
                Target::Spill(path) => {
                    routed.spill.push(row as u32);
                    routed.spill_paths.push(Arc::clone(path));
                }
                Target::Refused(refusal) => routed.refused.push((row as u32, *refusal)),
            }
        }
        self.keys = keys;
        Ok(())
    }

    fn forget_when_full(&mut self) {
        let full =
            self.targets.len() > REMEMBERED || self.sources.iter().any(|(_, texts)| texts.texts.len() > REMEMBERED);
        if full {
            self.known.clear();
            self.targets.clear();
            for (_, texts) in &mut self.sources {
                *texts = Texts::default();
            }
        }
    }

    fn fill_keys(&mut self, index: usize, batch: &RecordBatch) -> Result<()> {
        let width = self.sources.len();
        let (source, texts) = &mut self.sources[index];
        let column = batch.column(source.column);
        let keys = self.keys[index..].iter_mut().step_by(width);
        match source.kind {
            SourceKind::Text => {
                let cast_column;
                let column: &StringArray = if let Some(column) = column.as_string_opt::<i32>() {
                    column
                } else {
                    cast_column = cast(column, &DataType::Utf8)?;
                    cast_column.as_string::<i32>()
                };
                let mut last = ("", texts.number(""));
                for (key, text) in keys.zip(column) {
                    *key = match text {
                        None => NULL_TEXT,
                        Some(text) => {
                            if text != last.0 {
                                last = (text, texts.number(text));
                            }
                            last.1
                        }
                    };
                }
            }
            SourceKind::Hours | SourceKind::Days => {
                let unit = if source.kind == SourceKind::Hours { HOUR_MICROS } else { DAY_MICROS };
                let column = column.as_primitive::<TimestampMicrosecondType>();
                for (row, key) in keys.enumerate() {
                    let valid = column.is_valid(row);
                    *key = if valid { column.value(row).div_euclid(unit) as u64 } else { NULL_TIME };
                }
            }
            SourceKind::Dates => {
                for (key, day) in keys.zip(column.as_primitive::<Date32Type>()) {
                    *key = day.map_or(NULL_TIME, |day| i64::from(day) as u64);
                }
            }
        }
        Ok(())
    }

    fn target(&mut self, key: &[u64], routed: &mut Routed) -> Target {
        if let Some(number) = self.known.get(key) {
            return self.targets[*number as usize].clone();
        }
        let target = match self.path(key) {
            Err(refusal) => Target::Refused(refusal),
            Ok(path) => match self.open.get(path.as_str()) {
                Some(index) => Target::Open(*index),
                None if self.open.len() < self.max_open => {
                    let (path, index) = (Arc::<str>::from(path), self.open.len());
                    self.open.insert(Arc::clone(&path), index);
                    routed.met.push(Arc::clone(&path));
                    routed.opened.push(path);
                    routed.open.push(Vec::new());
                    Target::Open(index)
                }
                None => {
                    let path = Arc::<str>::from(path);
                    routed.met.push(Arc::clone(&path));
                    Target::Spill(path)
                }
            },
        };
        self.known.insert(key.into(), self.targets.len() as u32);
        self.targets.push(target.clone());
        target
    }

    /// The partition's path under the table's folder.
    fn path(&self, key: &[u64]) -> Result<String, Refusal> {
        let mut path = String::new();
        for part in &self.parts {
            let (source, texts) = &self.sources[part.source];
            let value = key[part.source];
            let time;
            let text = match source.kind {
                SourceKind::Text => match value {
                    NULL_TEXT => None,
                    LONG_TEXT => return Err(Refusal::TooLong),
                    number => texts.texts.get(number as usize).map(AsRef::as_ref),
                },
                _ if value == NULL_TIME => None,
                kind => {
                    let hours = if kind == SourceKind::Hours { value as i64 } else { (value as i64) * 24 };
                    time = hive::time_part(part.takes, hours)?;
                    Some(time.as_str())
                }
            };
            hive::push_part(&mut path, &part.name, text)?;
        }
        if path.len() + self.path_overhead > MAX_PATH_BYTES { Err(Refusal::TooLong) } else { Ok(path) }
    }
}
