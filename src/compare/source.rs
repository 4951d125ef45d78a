//! One side: its files, its columns, and its rows in the columns that are compared.

use super::align::{Physical, Plan};
use super::column::{JsonKinds, Kind, SideColumn};
use super::files::{DataFile, Form};
use super::lines::Lines;
use super::{Side, convert, files, parquet};
use crate::process::stop::Stop;
use crate::report::Progress;
use crate::rows::sort::{RowCollector, Sorter, engine_error};
use crate::storage::Storage;
use arrow::array::{ArrayRef, RecordBatch, UInt64Array, new_null_array};
use arrow::datatypes::DataType;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use etl_sdk::{Error, ErrorKind, Result};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Footers that are fetched at once.
const FOOTERS: usize = 8;

/// Most columns of a side.
const MOST_COLUMNS: usize = 8_192;

/// What the hash of a row begins with: the same on both sides.
const SEED: u64 = 0x65_74_6c;

/// One side of a comparison.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) side: Side,
    pub(super) url: String,
    pub(super) columns: BTreeMap<String, SideColumn>,
    pub(super) files: Vec<DataFile>,
    /// Rows that the footers and the first pass over JSON lines count.
    pub(super) rows: u64,
    storage: Storage,
}

impl Source {
    /// Lists the files of a side and finds their columns: from the footers of Parquet, by a first pass over JSON lines.
    pub(super) fn open(
        side: Side,
        storage: Storage,
        runtime: &Handle,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<Self> {
        let found = runtime.block_on(stop.unless(files::list(&storage, side)))?;
        let mut source =
            Self { side, url: storage.url().to_owned(), columns: BTreeMap::new(), files: found, rows: 0, storage };
        let (mut known, mut rows) = (BTreeMap::new(), 0);
        source.footers(runtime, stop, &mut known, &mut rows)?;
        let lines = Lines { storage: &source.storage, runtime, stop };
        let mut json: BTreeMap<String, JsonKinds> = BTreeMap::new();
        for file in source.files.iter().filter(|file| file.form == Form::Lines) {
            let read = lines.columns(file, &mut json)?;
            progress.add_records(read);
            rows += read;
        }
        for (name, kinds) in json {
            let column =
                SideColumn { name, kind: kinds.kind(), type_name: kinds.name(), data_type: None, json: Some(kinds) };
            add(&mut known, column)?;
        }
        let own: BTreeSet<String> = known.keys().cloned().collect();
        let folders = source.files.iter().flat_map(|file| &file.partition);
        let folders: BTreeSet<&String> = folders.map(|(name, _)| name).filter(|name| !own.contains(*name)).collect();
        for name in folders {
            let column = SideColumn {
                name: name.clone(),
                kind: Kind::Text,
                type_name: "folder".to_owned(),
                data_type: None,
                json: None,
            };
            add(&mut known, column)?;
        }
        (source.columns, source.rows) = (known, rows);
        Ok(source)
    }

    fn footers(
        &self,
        runtime: &Handle,
        stop: &Stop,
        known: &mut BTreeMap<String, SideColumn>,
        rows: &mut u64,
    ) -> Result<()> {
        let files = self.files.iter().filter(|file| file.form == Form::Parquet);
        let mut footers =
            stream::iter(files).map(|file| parquet::columns(&self.storage, file)).buffered(FOOTERS).boxed();
        runtime.block_on(stop.unless(async {
            while let Some((columns, count)) = footers.try_next().await? {
                *rows += count;
                for column in columns {
                    add(known, column)?;
                }
            }
            Ok(())
        }))
    }

    /// A column; of JSON lines, which leave out what is null, any column.
    pub(super) fn column(&self, name: &str) -> Option<SideColumn> {
        if let Some(column) = self.columns.get(name) {
            return Some(column.clone());
        }
        let all_lines = self.files.iter().all(|file| file.form == Form::Lines);
        all_lines.then(|| SideColumn {
            name: name.to_owned(),
            kind: Kind::Null,
            type_name: JsonKinds::default().name(),
            data_type: None,
            json: Some(JsonKinds::default()),
        })
    }

    /// Whether there is not one line, and therefore no column.
    pub(super) fn has_no_rows_of_json(&self) -> bool {
        self.rows == 0 && self.files.iter().all(|file| file.form == Form::Lines)
    }

    /// `parquet`, `json`, or both.
    pub(super) fn forms(&self) -> String {
        let forms: BTreeSet<Form> = self.files.iter().map(|file| file.form).collect();
        forms.into_iter().map(Form::name).collect::<Vec<_>>().join(" and ")
    }

    /// Stored bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.meta.size).sum()
    }

    /// Reads all rows into a collector of `sorter`.
    pub(super) fn collect(
        &self,
        plan: &Plan,
        sorter: &Sorter,
        runtime: &Handle,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<RowCollector> {
        let mut collector = sorter.collector(&plan.schema());
        for file in &self.files {
            stop.check()?;
            match file.form {
                Form::Parquet => {
                    let wanted = |name: &str| plan.columns.iter().any(|column| column.name == name);
                    runtime.block_on(parquet::read(&self.storage, file, &wanted, stop, |batch| {
                        progress.add_rows(batch.num_rows() as u64);
                        collector.push(self.of_parquet(plan, file, &batch)?)
                    }))?;
                }
                Form::Lines => {
                    let lines = Lines { storage: &self.storage, runtime, stop };
                    lines.read(file, &plan.columns, |mut arrays, rows| {
                        for (array, column) in arrays.iter_mut().zip(&plan.columns) {
                            if let Some((_, value)) = self.folder(file, &column.name) {
                                *array = convert::constant(column, value.as_deref(), rows)?;
                            }
                        }
                        progress.add_rows(rows as u64);
                        collector.push(hashed(plan, arrays)?)
                    })?;
                }
            }
            progress.add_objects(1);
            progress.add_bytes(file.meta.size);
        }
        Ok(collector)
    }

    /// The value that a folder on the way to a file gives a column; a column of the files' own goes before it.
    fn folder<'a>(&self, file: &'a DataFile, name: &str) -> Option<&'a (String, Option<String>)> {
        if self.columns.get(name).is_some_and(|column| column.type_name != "folder") {
            return None;
        }
        file.partition.iter().rev().find(|(folder, _)| folder == name)
    }

    fn of_parquet(&self, plan: &Plan, file: &DataFile, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let column = |column| {
            let column: &super::align::Aligned = column;
            if let Some(array) = batch.column_by_name(&column.name) {
                return convert::array(column, array)
                    .map_err(|error| error.with("uri", files::uri(&self.storage, &file.meta.location)));
            }
            if let Some((_, value)) = self.folder(file, &column.name) {
                return convert::constant(column, value.as_deref(), rows);
            }
            Ok(match column.physical {
                Physical::Int => new_null_array(&DataType::Int64, rows),
                Physical::Double => new_null_array(&DataType::Float64, rows),
                Physical::Text => new_null_array(&DataType::Utf8, rows),
            })
        };
        hashed(plan, plan.columns.iter().map(column).collect::<Result<_>>()?)
    }
}

/// Adds a column of a file to those of the side.
fn add(known: &mut BTreeMap<String, SideColumn>, column: SideColumn) -> Result<()> {
    let Some(first) = known.get_mut(&column.name) else {
        if known.len() >= MOST_COLUMNS {
            return Err(Error::new(ErrorKind::Limit, "find the columns").with("most", MOST_COLUMNS));
        }
        known.insert(column.name.clone(), column);
        return Ok(());
    };
    if first.type_name != column.type_name && !first.type_name.split(" and ").any(|name| name == column.type_name) {
        first.type_name = format!("{} and {}", first.type_name, column.type_name);
    }
    first.kind = first.kind.with(column.kind);
    first.json = match (first.json, column.json) {
        (Some(one), Some(other)) => Some(one.with(other)),
        _ => None,
    };
    first.data_type = first.data_type.take().or(column.data_type);
    Ok(())
}

/// Puts the hash of each row behind its values.
fn hashed(plan: &Plan, mut arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
    let mut hashes = vec![0; arrays.first().map_or(0, |first| first.len())];
    create_hashes(&arrays, &RandomState::with_seed(SEED), &mut hashes)
        .map_err(|error| engine_error("hash the rows", error))?;
    arrays.push(Arc::new(UInt64Array::from(hashes)));
    Ok(RecordBatch::try_new(plan.schema(), arrays)?)
}
