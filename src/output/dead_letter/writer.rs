//! One gzip file of JSON lines per task.

use crate::output::staging::{PendingFile, PendingStore, PendingWriter};
use crate::storage::disk::disk_error;
use crate::text::instant_millis;
use chrono::{DateTime, Utc};
use etl_sdk::{EpochMillis, Error, ErrorKind, Reject, Result, Run};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use serde::Serialize;
use std::io::Write;
use std::sync::Arc;

/// What is being done when it fails.
const OPERATION: &str = "write dead letters";

/// What all dead letters of a task have in common.
#[derive(Clone, Debug)]
pub struct DeadLetterSpec {
    /// Name of the job.
    pub job: String,
    /// The run: its name, its instant and the start of its window.
    pub run: Run,
    /// Name of the run with its revision and amendment; part of the path.
    pub name: String,
    /// The task's number in the run.
    pub task: u32,
    /// Most bytes of a raw record that are kept; 0 keeps none.
    pub raw_bytes: u64,
}

/// Writes the dead letters of one task to `job=<job>/dt=<day of the window's start>/run=<run>/part-<task>.json.gz`, where
/// `<run>` is the run's name.
///
/// The file is begun with the first dead letter: a task without any leaves none. Dropped without
/// [`DeadLetterWriter::finish`], it leaves nothing behind. The same dead letters give the same bytes.
pub struct DeadLetterWriter {
    store: Arc<dyn PendingStore>,
    path: String,
    spec: DeadLetterSpec,
    first_seen: String,
    encoder: Option<GzEncoder<Box<dyn PendingWriter>>>,
    line: Vec<u8>,
    written: u64,
}

/// One line of the file.
#[derive(Serialize)]
struct Line<'a> {
    reason_code: &'a str,
    reason: &'a str,
    step: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    byte_offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<&'a [u32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_encoding: Option<&'a str>,
    truncated: bool,
    job: &'a str,
    run: &'a str,
    first_seen: &'a str,
}

impl DeadLetterWriter {
    /// `store` makes files under `dead_letter.url`.
    ///
    /// Fails when the run's instants are outside the calendar.
    pub fn new(store: Arc<dyn PendingStore>, spec: DeadLetterSpec) -> Result<Self> {
        let first_seen = instant_millis(instant(spec.run.now)?);
        let day = instant(spec.run.window_start)?.format("%Y-%m-%d");
        let path = format!("job={}/dt={day}/run={}/part-{:05}.json.gz", spec.job, spec.name, spec.task);
        Ok(Self { store, path, spec, first_seen, encoder: None, line: Vec::new(), written: 0 })
    }

    /// Appends one dead letter.
    pub fn write(&mut self, reject: &Reject) -> Result<()> {
        self.write_elements(reject, None)
    }

    /// Appends the dead letter of a record of which only some elements were asked for: the others are in the output.
    pub fn write_elements(&mut self, reject: &Reject, only: Option<&[u32]>) -> Result<()> {
        self.format(reject, only)?;
        let encoder = if let Some(encoder) = &mut self.encoder {
            encoder
        } else {
            // The header has no time and no name in it, so that the same rejects give the same bytes.
            let pending = self.store.create(&self.path)?;
            self.encoder.insert(GzBuilder::new().mtime(0).write(pending, Compression::new(6)))
        };
        encoder.write_all(&self.line).map_err(|error| disk_error(OPERATION, &self.path, error))?;
        self.written += 1;
        Ok(())
    }

    /// Dead letters written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Ends the file; `None` when there was nothing to write.
    pub fn finish(self) -> Result<Option<PendingFile>> {
        let Some(encoder) = self.encoder else { return Ok(None) };
        let pending = encoder.finish().map_err(|error| disk_error(OPERATION, &self.path, error))?;
        pending.finish().map(Some)
    }

    fn format(&mut self, reject: &Reject, only: Option<&[u32]>) -> Result<()> {
        let most = usize::try_from(self.spec.raw_bytes).unwrap_or(usize::MAX);
        let raw = Raw::of(reject, most);
        let (text, encoding) = match &raw.text {
            RawText::None => (None, None),
            RawText::Utf8(text) => (Some(*text), None),
            RawText::Base64(text) => (Some(text.as_str()), Some("base64")),
        };
        let address = reject.address.as_ref();
        let line = Line {
            reason_code: &reject.reason,
            reason: &reject.message,
            step: &reject.step,
            source_uri: address.map(|address| address.object.uri.as_str()),
            etag: address.and_then(|address| address.object.etag.as_deref()),
            byte_offset: address.map(|address| address.offset),
            length: address.map(|address| address.length),
            record_index: address.and_then(|address| address.index),
            only,
            raw: text,
            raw_encoding: encoding,
            truncated: raw.truncated,
            job: &self.spec.job,
            run: &self.spec.name,
            first_seen: &self.first_seen,
        };
        self.line.clear();
        serde_json::to_writer(&mut self.line, &line)
            .map_err(|error| Error::internal("format a dead letter").source(error))?;
        self.line.push(b'\n');
        Ok(())
    }
}

/// As much of a record's bytes as is kept.
struct Raw<'a> {
    text: RawText<'a>,
    truncated: bool,
}

enum RawText<'a> {
    None,
    Utf8(&'a str),
    Base64(String),
}

impl<'a> Raw<'a> {
    fn of(reject: &'a Reject, most: usize) -> Self {
        let bytes = &reject.raw[..reject.raw.len().min(most)];
        let truncated = reject.truncated || bytes.len() < reject.raw.len();
        let text = match std::str::from_utf8(bytes) {
            _ if bytes.is_empty() => RawText::None,
            Ok(text) => RawText::Utf8(text),
            // A character that the cut went through does not make the text binary.
            Err(error) if truncated && error.error_len().is_none() => {
                match std::str::from_utf8(&bytes[..error.valid_up_to()]) {
                    Ok(text) => RawText::Utf8(text),
                    Err(_) => RawText::Base64(base64(bytes)),
                }
            }
            Err(_) => RawText::Base64(base64(bytes)),
        };
        Self { text, truncated }
    }
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn instant(msec: EpochMillis) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(msec.0)
        .ok_or_else(|| Error::new(ErrorKind::Usage, "read an instant").with("milliseconds", msec))
}
