//! Written again: the rows of a period's files, partition by partition, in the order of the windows.

use super::gathered::PartitionFiles;
use crate::output::sink::Rewriter;
use crate::output::staging::WrittenFile;
use crate::output::stored::{self, Footer, Reading};
use crate::process::stop::Stop;
use crate::run::context::JobContext;
use crate::storage::store_error;
use etl_sdk::{Error, ErrorKind, Result};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStoreExt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Footers that are looked at at once.
const FOOTERS: usize = 8;

/// Writes the files of a period again.
pub struct Rewrite<'a> {
    context: &'a JobContext<'a>,
    stop: &'a Stop,
    partitions: &'a PartitionFiles,
    /// By table.
    rewriters: BTreeMap<&'a str, Rewriter>,
    /// The files as the store has them, by path.
    found: BTreeMap<&'a str, ObjectMeta>,
}

impl<'a> Rewrite<'a> {
    /// Looks at the footers of all files. Gives instead what keeps one from being written again as it is, if something does.
    ///
    /// Fails when a file is not the one that was committed.
    pub fn prepare(
        context: &'a JobContext<'a>,
        partitions: &'a PartitionFiles,
        name: &str,
        stop: &'a Stop,
    ) -> Result<Result<Self, String>> {
        let mut rewriters: BTreeMap<&str, Rewriter> = BTreeMap::new();
        for (table, _) in partitions.keys() {
            let Some(spec) = context.pipeline.sinks().find(|spec| spec.table() == table) else {
                return Ok(Err(format!("the job has no table {table} any more")));
            };
            if !rewriters.contains_key(table.as_str()) {
                let store = Arc::clone(&context.stores.tables);
                let rewriter = Rewriter::new(spec, &context.job.config.sink, store, format!("{name}-compact"))?;
                rewriters.insert(table, rewriter);
            }
        }
        let all: Vec<&WrittenFile> = partitions.values().flatten().collect();
        let looks = stream::iter(&all).map(|file| look(context, file)).buffered(FOOTERS).try_collect();
        let footers: Vec<(ObjectMeta, Footer)> = context.runtime.block_on(stop.unless(looks))?;
        let mut found = BTreeMap::new();
        for (file, (meta, footer)) in all.into_iter().zip(footers) {
            let rewriter = rewriters.get(file.table.as_str());
            if let Some(obstacle) = rewriter.and_then(|rewriter| rewriter.obstacle(footer.metadata.schema())) {
                return Ok(Err(format!("{}: {obstacle}", file.pending.path)));
            }
            found.insert(file.pending.path.as_str(), meta);
        }
        Ok(Ok(Self { context, stop, partitions, rewriters, found }))
    }

    /// Writes all partitions. The files are pending then. On a failure none of them stays.
    pub fn write(&self) -> Result<Vec<WrittenFile>> {
        let mut written = Vec::new();
        for ((table, folder), files) in self.partitions {
            match self.write_partition(table, folder, files) {
                Ok(new) => written.extend(new),
                Err(error) => {
                    give_up(self.context, &written);
                    return Err(error);
                }
            }
            failpoint!("compact.partition");
        }
        Ok(written)
    }

    fn write_partition(&self, table: &str, folder: &str, files: &[WrittenFile]) -> Result<Vec<WrittenFile>> {
        let wrong = |what: &'static str| Error::internal(what).with("table", table).with("partition", folder);
        let rewriter = self.rewriters.get(table).ok_or_else(|| wrong("find the table of a partition"))?;
        let Self { context, stop, .. } = *self;
        let page_bytes = usize::try_from(context.job.config.limits.memory.0).unwrap_or(usize::MAX);
        let reading = Reading { runtime: &context.runtime, stop, page_bytes };
        let mut partition = rewriter.partition(folder);
        for file in files {
            let meta = self.found.get(file.pending.path.as_str()).ok_or_else(|| wrong("find a file of a partition"))?;
            stored::read(&context.places.sink, meta, &|_| true, reading, |batch| partition.write(&batch))?;
        }
        let written = partition.finish()?;
        let rows = |files: &[WrittenFile]| files.iter().map(|file| file.rows).sum::<u64>();
        let (before, after) = (rows(files), rows(&written));
        if before != after {
            give_up(context, &written);
            return Err(wrong("write the rows of a partition again").with("rows", before).with("written", after));
        }
        Ok(written)
    }
}

/// Gives up files that are pending and that nothing counts on. What stays for lack of an answer, `gc` removes.
pub fn give_up(context: &JobContext<'_>, files: &[WrittenFile]) {
    for file in files {
        let _ = context.stores.tables.abandon(&file.pending);
    }
}

/// Finds a file and its footer, and compares both with what was committed.
async fn look(context: &JobContext<'_>, file: &WrittenFile) -> Result<(ObjectMeta, Footer)> {
    let sink = &context.places.sink;
    let key = sink.key_of(&file.pending.path)?;
    let uri = sink.uri_of(&key);
    let meta = sink.store().head(&key).await.map_err(|error| store_error("look for a file of a table", &uri, error))?;
    let other = || {
        Error::new(ErrorKind::Damaged, "the file is not the one that was committed")
            .with("uri", &uri)
            .hint("nothing was changed; run its window again, which writes it anew")
    };
    if meta.size != file.pending.bytes {
        return Err(other().with("bytes", meta.size).with("committed", file.pending.bytes));
    }
    let footer = stored::footer(sink, &meta).await?;
    let rows = footer.metadata.metadata().file_metadata().num_rows();
    if u64::try_from(rows) != Ok(file.rows) {
        return Err(other().with("rows", rows).with("committed", file.rows));
    }
    Ok((meta, footer))
}
