//! JSON lines: a first pass finds the columns, a second one reads their values.

use super::align::Aligned;
use super::column::JsonKinds;
use super::convert::Values;
use super::files::{DataFile, uri};
use super::json::DEPTH;
use crate::limits::LimitsConfig;
use crate::process::stop::Stop;
use crate::source::{Frame, Framing, InputObject, Layout, Opened, Select, SourceConfig, open, read_object};
use crate::storage::{S3Config, Storage};
use crate::text::{ByteSize, Span};
use arrow::array::ArrayRef;
use etl_sdk::json::{Fault, Reader, Token};
use etl_sdk::{Error, ErrorKind, ObjectRef, RawRecord, Result};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Most columns that JSON lines may have.
const MOST_COLUMNS: usize = 4_096;

/// Rows of a batch.
const BATCH_ROWS: usize = 1_024;

/// Bytes of lines of a batch.
const BATCH_BYTES: usize = 1 << 20;

/// What JSON lines are read with.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    pub(super) storage: &'a Storage,
    pub(super) runtime: &'a Handle,
    pub(super) stop: &'a Stop,
}

impl Lines<'_> {
    /// Adds the columns of a file to `columns` and gives the number of its rows.
    ///
    /// Fails with kind `Config`, naming the place, for a line that is no JSON object.
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
                    } else if columns.len() < MOST_COLUMNS {
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
                .with("most", MOST_COLUMNS))
        })?;
        Ok(rows)
    }

    /// Reads the values of `columns`, batch by batch.
    pub(super) fn read(
        self,
        file: &DataFile,
        columns: &[Aligned],
        mut take: impl FnMut(Vec<ArrayRef>, usize) -> Result<()>,
    ) -> Result<()> {
        let places: HashMap<&str, usize> =
            columns.iter().enumerate().map(|(place, column)| (column.name.as_str(), place)).collect();
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
                    let place = places.get(key.decode(line, &mut scratch)).copied();
                    let value = reader.value()?;
                    // Of a name that is there twice the last one counts.
                    if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
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

    /// Shows each line to `visit`. What is damaged or too long is an error.
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
        let limits = LimitsConfig { object_bytes: ByteSize(u64::MAX), depth: DEPTH, ..LimitsConfig::default() };
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
        let mut reader = Reader::new(line, DEPTH);
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
        suffixes: Vec::new(),
        framing: Framing::Lines,
        base64: false,
    }
}
