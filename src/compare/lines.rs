//! JSON lines: a first pass finds the columns, a second one reads their values.

use super::column::JsonKinds;
use super::convert::Values;
use super::files::{DataFile, uri};
use crate::compare::json::MAX_DEPTH;
use crate::compare::plan::AlignedColumn;
use crate::limits::LimitsConfig;
use crate::process::stop::Stop;
use crate::source::{
    Frame, Framing, IfEmpty, InputObject, Layout, Opened, PathZone, Select, SourceConfig, open, read_object,
};
use crate::storage::{S3Config, Storage};
use crate::text::{ByteSize, Span};
use arrow::array::ArrayRef;
use etl_sdk::json::{Fault, Reader, Token};
use etl_sdk::{Error, ErrorKind, ObjectRef, RawRecord, Result};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Columns that JSON lines may have.
const MAX_COLUMNS: usize = 4_096;

/// Rows of a batch.
const BATCH_ROWS: usize = 1_024;

/// Bytes of lines of a batch.
const BATCH_BYTES: usize = 1 << 20;

/// Reads the files of a side that hold JSON lines.
#[derive(Clone, Copy)]
pub(super) struct LineReader<'a> {
    pub(super) storage: &'a Storage,
    pub(super) runtime: &'a Handle,
    pub(super) stop: &'a Stop,
}

impl LineReader<'_> {
    /// Adds the columns of a file to `columns` and gives the number of its rows.
    ///
    /// Fails with kind `Config`, naming the place, for a line that is not a JSON object.
    pub(super) fn columns(self, file: &DataFile, columns: &mut BTreeMap<String, JsonKinds>) -> Result<u64> {
        let mut rows = 0;
        let mut scratch = String::new();
        self.each(file, &mut |record, line| {
            rows += 1;
            let members = |reader: &mut Reader<'_>| -> Result<bool, Fault> {
                reader.enter()?;
                let mut first = true;
                while let Some(key) = reader.next_key(&mut first)? {
                    let name = key.decode(line, &mut scratch);
                    let value = reader.value()?;
                    if let Some(kinds) = columns.get_mut(name) {
                        kinds.add(value.kind, value.raw(line));
                    } else if columns.len() < MAX_COLUMNS {
                        columns.entry(name.to_owned()).or_default().add(value.kind, value.raw(line));
                    } else {
                        return Ok(false);
                    }
                }
                reader.end()?;
                Ok(true)
            };
            if self.parse(file, record, line, members)? {
                return Ok(());
            }
            Err(Error::new(ErrorKind::Limit, "find the columns of JSON lines")
                .with("uri", uri(self.storage, &file.meta.location))
                .with("offset", record.offset)
                .with("max", MAX_COLUMNS))
        })?;
        Ok(rows)
    }

    /// Reads the values of `columns`, batch by batch.
    pub(super) fn read(
        self,
        file: &DataFile,
        columns: &[AlignedColumn],
        mut take: impl FnMut(Vec<ArrayRef>, usize) -> Result<()>,
    ) -> Result<()> {
        let indexes: HashMap<&str, usize> =
            columns.iter().enumerate().map(|(index, column)| (column.name.as_str(), index)).collect();
        let mut values: Vec<Values> = columns.iter().map(Values::new).collect();
        let mut found = vec![Token::default(); columns.len()];
        let (mut rows, mut bytes) = (0, 0);
        let mut scratch = String::new();
        self.each(file, &mut |record, line| {
            found.fill(Token::default());
            let members = |reader: &mut Reader<'_>| -> Result<(), Fault> {
                reader.enter()?;
                let mut first = true;
                while let Some(key) = reader.next_key(&mut first)? {
                    let index = indexes.get(key.decode(line, &mut scratch)).copied();
                    let value = reader.value()?;
                    // The last one of a repeated name counts.
                    if let Some(slot) = index.and_then(|index| found.get_mut(index)) {
                        *slot = value;
                    }
                }
                reader.end()
            };
            self.parse(file, record, line, members)?;
            for ((values, column), token) in values.iter_mut().zip(columns).zip(&found) {
                if !values.push_token(column, *token, line)? {
                    return Err(self
                        .wrong(file, record)
                        .with("column", &column.name)
                        .hint("the file changed while it was read"));
                }
            }
            rows += 1;
            bytes += line.len();
            if rows >= BATCH_ROWS || bytes >= BATCH_BYTES {
                take(values.iter_mut().map(Values::finish).collect(), rows)?;
                (rows, bytes) = (0, 0);
            }
            Ok(())
        })?;
        if rows > 0 { take(values.iter_mut().map(Values::finish).collect(), rows) } else { Ok(()) }
    }

    /// Calls `visit` with each line. What is damaged or too long is an error.
    fn each(self, file: &DataFile, visit: &mut dyn FnMut(&RawRecord<'_>, &str) -> Result<()>) -> Result<()> {
        let uri = uri(self.storage, &file.meta.location);
        let input = InputObject {
            object: Arc::new(ObjectRef { uri: uri.clone(), etag: file.meta.e_tag.clone(), ordinal: 0 }),
            path: file.meta.location.clone(),
            size: file.meta.size,
            modified: file.meta.last_modified,
        };
        let reader = match open(self.storage, &input, self.runtime, self.stop)?.wait()? {
            Opened::Reader(reader) => reader,
            Opened::Archived => {
                return Err(Error::new(ErrorKind::Permission, "read JSON lines")
                    .with("uri", uri)
                    .with("storage", "archived"));
            }
        };
        // A side may be one large file; what one line may hold is bounded all the same.
        let limits = LimitsConfig { object_bytes: ByteSize(u64::MAX), depth: MAX_DEPTH, ..LimitsConfig::default() };
        let mut frame = |frame: Frame<'_>| {
            let record = match frame {
                Frame::Record(record) => record,
                Frame::Rejected(reject) => {
                    let offset = reject.address.map_or(0, |address| address.offset);
                    return Err(Error::config("read JSON lines")
                        .with("uri", &uri)
                        .with("offset", offset)
                        .with("reason", reject.reason)
                        .with("message", reject.message));
                }
            };
            self.stop.check()?;
            let line = std::str::from_utf8(record.bytes)
                .map_err(|error| self.wrong(file, &record).with("not_utf8", "yes").source(error))?;
            visit(&record, line)
        };
        read_object(reader, &input.object, &framing(&uri), &limits, &mut frame).map(|_| ())
    }

    fn parse<T>(
        self,
        file: &DataFile,
        record: &RawRecord<'_>,
        line: &str,
        members: impl FnOnce(&mut Reader<'_>) -> Result<T, Fault>,
    ) -> Result<T> {
        let mut reader = Reader::new(line, MAX_DEPTH);
        if reader.peek() != Some(b'{') {
            return Err(self.wrong(file, record).hint("each line must be one JSON object"));
        }
        members(&mut reader)
            .map_err(|fault| self.wrong(file, record).source(fault).hint("each line must be one JSON object"))
    }

    fn wrong(self, file: &DataFile, record: &RawRecord<'_>) -> Error {
        Error::config("read JSON lines")
            .with("uri", uri(self.storage, &file.meta.location))
            .with("offset", record.offset)
            .with("line_bytes", record.bytes.len())
    }
}

fn framing(url: &str) -> SourceConfig {
    SourceConfig {
        url: url.to_owned(),
        s3: S3Config::default(),
        layout: Layout::Flat,
        select: Select::Modified,
        look_back: Span { seconds: 0 },
        look_ahead: Span { seconds: 0 },
        path_time_zone: PathZone::Utc,
        if_empty: IfEmpty::Warn,
        suffixes: Vec::new(),
        framing: Framing::Lines,
        base64: false,
    }
}
