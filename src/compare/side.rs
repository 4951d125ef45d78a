//! One side: its files, its columns, and its rows in the columns that are compared.

use super::column::{ColumnKind, Folders, JsonKinds, SideColumn};
use super::files::{DataFile, FileForm};
use super::lines::LineReader;
use super::plan::{AlignedColumn, ComparePlan};
use super::request::Side;
use super::resources::CompareResources;
use super::{convert, files, parquet};
use crate::output::staging::PartitionValue;
use crate::output::stored::{self, Reading};
use crate::rows::sort::{RowCollector, Sorter, engine_error};
use crate::storage::Storage;
use arrow::array::{ArrayRef, RecordBatch, UInt64Array, new_null_array};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use etl_sdk::{Error, ErrorKind, Result};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Footers that are fetched at once.
const FOOTERS: usize = 8;

/// Columns that a side may have.
const MAX_COLUMNS: usize = 8_192;

/// What the hash of a row begins with: the same on both sides.
const SEED: u64 = 0x65_74_6c;

/// One side of a comparison.
#[derive(Debug)]
pub(super) struct SideReader {
    pub(super) side: Side,
    pub(super) url: String,
    pub(super) columns: BTreeMap<String, SideColumn>,
    pub(super) files: Vec<DataFile>,
    /// Rows that the footers and the first pass over JSON lines count.
    pub(super) rows: u64,
    storage: Storage,
}

impl SideReader {
    /// Lists the files of a side and finds their columns: from the footers of Parquet, by a first pass over JSON lines.
    pub(super) fn open(side: Side, storage: Storage, resources: &CompareResources<'_>) -> Result<Self> {
        let files = resources.runtime.block_on(resources.stop.unless(files::list(&storage, side)))?;
        let url = storage.url().to_owned();
        let mut reader = Self { side, url, columns: BTreeMap::new(), files, rows: 0, storage };
        reader.read_footers(resources)?;
        reader.scan_lines(resources)?;
        reader.add_folders()?;
        Ok(reader)
    }

    fn read_footers(&mut self, resources: &CompareResources<'_>) -> Result<()> {
        let files = self.files.iter().filter(|file| file.form == FileForm::Parquet);
        let mut footers =
            stream::iter(files).map(|file| parquet::columns(&self.storage, file)).buffered(FOOTERS).boxed();
        let (columns, rows) = (&mut self.columns, &mut self.rows);
        resources.runtime.block_on(resources.stop.unless(async {
            while let Some((found, count)) = footers.try_next().await? {
                *rows += count;
                for column in found {
                    add(columns, column)?;
                }
            }
            Ok(())
        }))
    }

    fn scan_lines(&mut self, resources: &CompareResources<'_>) -> Result<()> {
        let lines = self.lines(resources);
        let (mut found, mut rows): (BTreeMap<String, JsonKinds>, u64) = (BTreeMap::new(), 0);
        for file in self.files.iter().filter(|file| file.form == FileForm::Lines) {
            let read = lines.columns(file, &mut found)?;
            resources.progress.add_records(read);
            rows += read;
        }
        self.rows += rows;
        for (name, kinds) in found {
            let (kind, type_name) = (kinds.kind(), kinds.name());
            let column = SideColumn { name, kind, type_name, data_type: None, json: Some(kinds), folders: None };
            add(&mut self.columns, column)?;
        }
        Ok(())
    }

    /// Adds the columns that only the names of folders have.
    fn add_folders(&mut self) -> Result<()> {
        let folders = self.files.iter().flat_map(|file| &file.partition).map(|part| &part.name);
        let folders: BTreeSet<&String> = folders.filter(|name| !self.columns.contains_key(*name)).collect();
        for name in folders {
            let parts = self.files.iter().flat_map(|file| &file.partition).filter(|part| part.name == *name);
            let column = SideColumn {
                name: name.clone(),
                kind: ColumnKind::Text,
                type_name: "folder".to_owned(),
                data_type: None,
                json: None,
                folders: Some(Folders::of(parts.filter_map(|part| part.value.as_deref()))),
            };
            add(&mut self.columns, column)?;
        }
        Ok(())
    }

    fn lines<'a>(&'a self, resources: &'a CompareResources<'_>) -> LineReader<'a> {
        LineReader { storage: &self.storage, runtime: resources.runtime, stop: resources.stop }
    }

    /// A column; of JSON lines, which leave out what is null, any column.
    pub(super) fn column(&self, name: &str) -> Option<SideColumn> {
        if let Some(column) = self.columns.get(name) {
            return Some(column.clone());
        }
        let all_lines = self.files.iter().all(|file| file.form == FileForm::Lines);
        all_lines.then(|| SideColumn {
            name: name.to_owned(),
            kind: ColumnKind::Null,
            type_name: JsonKinds::default().name(),
            data_type: None,
            json: Some(JsonKinds::default()),
            folders: None,
        })
    }

    /// Whether there is not one line, and therefore no column.
    pub(super) fn has_no_rows_of_json(&self) -> bool {
        self.rows == 0 && self.files.iter().all(|file| file.form == FileForm::Lines)
    }

    /// `parquet`, `json`, or both.
    pub(super) fn forms(&self) -> String {
        let forms: BTreeSet<FileForm> = self.files.iter().map(|file| file.form).collect();
        forms.into_iter().map(FileForm::name).collect::<Vec<_>>().join(" and ")
    }

    /// Stored bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.meta.size).sum()
    }

    /// Reads all rows into a collector of `sorter`.
    pub(super) fn collect(
        &self,
        plan: &ComparePlan,
        sorter: &Sorter,
        resources: &CompareResources<'_>,
    ) -> Result<RowCollector> {
        let mut collector = sorter.collector(&plan.schema());
        for file in &self.files {
            resources.stop.check()?;
            match file.form {
                FileForm::Parquet => self.collect_parquet(plan, file, resources, &mut collector)?,
                FileForm::Lines => self.collect_lines(plan, file, resources, &mut collector)?,
            }
            resources.progress.add_objects(1);
            resources.progress.add_bytes(file.meta.size);
        }
        Ok(collector)
    }

    fn collect_parquet(
        &self,
        plan: &ComparePlan,
        file: &DataFile,
        resources: &CompareResources<'_>,
        collector: &mut RowCollector,
    ) -> Result<()> {
        let wanted = |name: &str| plan.columns.iter().any(|column| column.name == name);
        let CompareResources { runtime, stop, page_bytes, .. } = *resources;
        stored::read(&self.storage, &file.meta, &wanted, Reading { runtime, stop, page_bytes }, |batch| {
            resources.progress.add_rows(batch.num_rows() as u64);
            collector.push(self.aligned(plan, file, &batch)?)
        })
    }

    fn collect_lines(
        &self,
        plan: &ComparePlan,
        file: &DataFile,
        resources: &CompareResources<'_>,
        collector: &mut RowCollector,
    ) -> Result<()> {
        self.lines(resources).read(file, &plan.columns, |mut arrays, rows| {
            for (array, column) in arrays.iter_mut().zip(&plan.columns) {
                if let Some(part) = self.folder(file, &column.name) {
                    *array = convert::constant(column, part.value.as_deref(), rows)?;
                }
            }
            resources.progress.add_rows(rows as u64);
            collector.push(hashed(plan, arrays)?)
        })
    }

    /// The value that a folder on the way to a file gives a column; a column of the files' own goes before it.
    fn folder<'a>(&self, file: &'a DataFile, name: &str) -> Option<&'a PartitionValue> {
        if self.columns.get(name).is_some_and(|column| column.type_name != "folder") {
            return None;
        }
        file.partition.iter().rev().find(|part| part.name == name)
    }

    /// The plan's columns of a batch of a Parquet file.
    fn aligned(&self, plan: &ComparePlan, file: &DataFile, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let column = |column: &AlignedColumn| {
            if let Some(array) = batch.column_by_name(&column.name) {
                return convert::array(column, array)
                    .map_err(|error| error.with("uri", files::uri(&self.storage, &file.meta.location)));
            }
            if let Some(part) = self.folder(file, &column.name) {
                return convert::constant(column, part.value.as_deref(), rows);
            }
            Ok(new_null_array(&column.physical.data_type(), rows))
        };
        hashed(plan, plan.columns.iter().map(column).collect::<Result<_>>()?)
    }
}

/// Adds a column of a file to those of the side.
fn add(known: &mut BTreeMap<String, SideColumn>, column: SideColumn) -> Result<()> {
    let Some(first) = known.get_mut(&column.name) else {
        if known.len() >= MAX_COLUMNS {
            return Err(Error::new(ErrorKind::Limit, "find the columns").with("max", MAX_COLUMNS));
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
fn hashed(plan: &ComparePlan, mut arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
    let mut hashes = vec![0; arrays.first().map_or(0, |first| first.len())];
    create_hashes(&arrays, &RandomState::with_seed(SEED), &mut hashes)
        .map_err(|error| engine_error("hash the rows", error))?;
    arrays.push(Arc::new(UInt64Array::from(hashes)));
    Ok(RecordBatch::try_new(plan.schema(), arrays)?)
}
