//! Rows of a table's files, written again into fewer.

use super::closing::ClosingFiles;
use super::config::SinkConfig;
use super::file::FileFormat;
use super::partition::{FileTarget, PartitionWriter};
use super::spec::TableSinkSpec;
use crate::output::staging::{PendingStore, WrittenFile};
use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{Field, SchemaRef};
use etl_sdk::{Error, Result};
use std::sync::Arc;

/// Writes rows of files of a table again, partition by partition, with the settings of a run.
pub struct Rewriter {
    target: FileTarget,
    row_group_bytes: usize,
    schema: SchemaRef,
}

/// Writes the rows of one partition. Dropped without [`PartitionRewriter::finish`], it leaves nothing behind.
pub struct PartitionRewriter<'a> {
    rewriter: &'a Rewriter,
    writer: PartitionWriter,
    files: ClosingFiles,
}

impl Rewriter {
    /// Files are named `<table>/<partition>/<file_stem>-<n>.<ending>`, `n` counting those of a partition from 0.
    ///
    /// Fails with kind `Config` when the files are not Parquet.
    pub fn new(
        spec: &TableSinkSpec,
        config: &SinkConfig,
        store: Arc<dyn PendingStore>,
        file_stem: String,
    ) -> Result<Self> {
        let format = FileFormat::new(Arc::clone(spec.output()), config)?;
        let schema = format.schema_of_files()?.ok_or_else(|| {
            Error::config("write files again")
                .with("table", spec.table())
                .with("setting", "sink.format")
                .hint("only Parquet is written again: JSON lines are for looking at")
        })?;
        // What was read is written as it is: its schema is that of the files already.
        let format = FileFormat::new(Arc::clone(&schema), config)?;
        let target = FileTarget {
            store,
            format,
            table: spec.table().to_owned(),
            file_stem,
            target_file_size: config.target_file_size.0,
        };
        let row_group_bytes = usize::try_from(config.row_group_bytes.0).unwrap_or(usize::MAX);
        Ok(Self { target, row_group_bytes, schema })
    }

    /// What keeps a file of these columns from being written again without a loss; `None` when nothing does.
    pub fn obstacle(&self, file: &SchemaRef) -> Option<String> {
        for field in file.fields() {
            match self.schema.field_with_name(field.name()) {
                Err(_) => return Some(format!("its column {} is not in the job any more", field.name())),
                Ok(now) if now.data_type() != field.data_type() => {
                    return Some(format!(
                        "its column {} is {}, and {} now",
                        field.name(),
                        field.data_type(),
                        now.data_type()
                    ));
                }
                Ok(now) if field.is_nullable() && !now.is_nullable() => {
                    return Some(format!("its column {} may be null, and may not now", field.name()));
                }
                Ok(_) => {}
            }
        }
        let is_new = |field: &&Arc<Field>| file.field_with_name(field.name()).is_err();
        let needed = self.schema.fields().iter().filter(is_new).find(|field| !field.is_nullable())?;
        Some(format!("it has no column {}, which may not be null", needed.name()))
    }

    /// A writer for the partition of a path under the table's folder: `app=shop/year=2026`, or nothing.
    pub fn partition(&self, path: &str) -> PartitionRewriter<'_> {
        let files = ClosingFiles::new(&self.target.table, &self.target.store);
        PartitionRewriter { rewriter: self, writer: PartitionWriter::new(path), files }
    }
}

impl PartitionRewriter<'_> {
    /// Adds rows of a file without an [`Rewriter::obstacle`]. A column that it does not have is null.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let Rewriter { target, row_group_bytes, schema } = self.rewriter;
        let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
            Some(column) => Arc::clone(column),
            None => new_null_array(field.data_type(), batch.num_rows()),
        };
        let rows = RecordBatch::try_new(Arc::clone(schema), schema.fields().iter().map(column).collect())?;
        self.writer.append(rows, target, *row_group_bytes, &mut self.files)
    }

    /// Ends the files, which are pending then, and gives them.
    pub fn finish(mut self) -> Result<Vec<WrittenFile>> {
        self.writer.end(&self.rewriter.target, &mut self.files)?;
        self.files.finish()
    }
}
