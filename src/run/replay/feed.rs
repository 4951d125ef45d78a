//! Feeds a worker with the records behind dead letters, from the objects that hold them or from the copies that were
//! kept.

use super::left::Left;
use super::pass::{Pass, Verdict, Wanted, What};
use crate::commit::inputs::Input;
use crate::commit::{Replayed, ReplayedObject};
use crate::engine::context::RunContext;
use crate::engine::downstream::TaskOutcome;
use crate::engine::worker::Worker;
use crate::output::dead_letter::Letter;
use crate::source::{
    ErrorPart, Frame, Framing, InputObject, ObjectStats, Opened, STEP as SOURCE_STEP, SourceConfig, find, locate, open,
    read_errors, read_object, reason,
};
use crate::storage::Storage;
use crate::window::Window;
use etl_sdk::{Error, ObjectRef, RawRecord, Result, Transformer, Unit};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::sync::Arc;

/// Letters of an object that are looked for in one pass; one with more is read once more for each as many.
const MAX_WANTED: usize = 100_000;

/// Reasons behind which the rest of an object was not read.
const REST: [&str; 8] = [
    reason::TRUNCATED_OBJECT,
    reason::CORRUPT_OBJECT,
    reason::EXPANSION_RATIO,
    reason::OBJECT_TOO_LARGE,
    reason::UNSUPPORTED_FORMAT,
    reason::WINDOW_TOO_LARGE,
    reason::TOO_MANY_LAYERS,
    reason::BAD_BASE64,
];

/// Reasons that move the bytes behind them once they are no more: what an entry would give has no place yet.
const MOVING: [&str; 2] = [reason::ZIP_ENCRYPTED, reason::ZIP_UNSUPPORTED];

/// What became of the letters.
#[derive(Default)]
pub struct Tally {
    /// Letters or error records that are done with.
    pub taken: u64,
    /// Letters that stay open.
    pub left: BTreeMap<Left, u64>,
    /// The lines that are done with.
    pub replayed: Vec<Replayed>,
    /// Objects with error records that are done with.
    pub replayed_objects: Vec<ReplayedObject>,
}

/// The object at which the feed is.
struct At {
    uri: String,
    etag: Option<String>,
    /// The object, or why it cannot be read.
    object: Result<(Storage, InputObject), Left>,
    wanted: Vec<Wanted>,
}

/// Feeds one worker.
pub struct Feed<'f, 's> {
    run: &'s RunContext<'s>,
    /// The run's input, sorted by key.
    inputs: &'f [Input],
    /// Objects of Firehose's error records.
    error_objects: BTreeSet<&'f str>,
    worker: &'f mut Worker<'s>,
    outcome: &'f mut TaskOutcome,
    at: Option<At>,
    /// Lines of the current file that are done with, and their reasons.
    lines: Vec<u64>,
    reasons: BTreeMap<String, u64>,
    tally: Tally,
}

impl<'f, 's> Feed<'f, 's> {
    /// A feed that has nothing yet.
    pub fn new(
        run: &'s RunContext<'s>,
        inputs: &'f [Input],
        error_objects: BTreeSet<&'f str>,
        worker: &'f mut Worker<'s>,
        outcome: &'f mut TaskOutcome,
    ) -> Self {
        Self {
            run,
            inputs,
            error_objects,
            worker,
            outcome,
            at: None,
            lines: Vec::new(),
            reasons: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// What became of all that was fed.
    pub fn into_tally(self) -> Tally {
        self.tally
    }

    /// Takes an open dead letter. Those of one object come one behind the other, so each object is read once.
    pub fn letter(&mut self, line: u64, letter: &Letter) -> Result<()> {
        let wanted = match wanted(self.run.pipeline.transformer.as_ref(), line, letter) {
            Ok(wanted) => wanted,
            Err(left) => {
                self.leave(left, 1);
                return Ok(());
            }
        };
        let uri = letter.source_uri.as_deref().unwrap_or_default();
        let is_here = |at: &At| at.uri == uri && at.etag == letter.etag && at.wanted.len() < MAX_WANTED;
        if !self.at.as_ref().is_some_and(is_here) {
            self.flush()?;
            self.at = Some(self.look(uri, letter.etag.as_deref())?);
        }
        let Some(at) = &mut self.at else { return Ok(()) };
        match at.object {
            Ok(_) => {
                at.wanted.push(wanted);
                Ok(())
            }
            Err(left) => self.copy(wanted, letter, left),
        }
    }

    /// Ends the letters of a file.
    pub fn end_file(&mut self, path: &str) -> Result<()> {
        self.flush()?;
        self.at = None;
        let mut lines = std::mem::take(&mut self.lines);
        let reasons = std::mem::take(&mut self.reasons);
        lines.sort_unstable();
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for line in lines {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == line => *last = line,
                _ => ranges.push((line, line)),
            }
        }
        if !ranges.is_empty() {
            self.tally.replayed.push(Replayed { file: path.to_owned(), lines: ranges, reasons });
        }
        Ok(())
    }

    /// Takes the error records that arrived in the window. An object whose records it has already is passed over.
    pub fn errors(&mut self, storage: &Storage, objects: &[InputObject], window: &Window) -> Result<()> {
        for (index, found) in objects.iter().enumerate() {
            let ordinal = self.ordinal_behind(index);
            let object = Arc::new(ObjectRef { ordinal, ..found.object.as_ref().clone() });
            if self.error_objects.contains(found.object.uri.as_str()) {
                continue;
            }
            let Some(reader) = self.open(storage, found)? else {
                self.leave(Left::Archived, 1);
                continue;
            };
            let config = self.run.config;
            let (mut is_ours, mut taken) = (false, 0);
            let stats = read_errors(reader, &object, &config.source, &config.limits, &mut |part| {
                match part {
                    ErrorPart::Record(arrival) => {
                        is_ours = window.contains(arrival);
                        taken += u64::from(is_ours);
                    }
                    ErrorPart::Broken => is_ours = false,
                    ErrorPart::Frame(frame) if is_ours => self.worker.take(frame)?,
                    ErrorPart::Frame(_) => {}
                }
                Ok(())
            })?;
            self.count(&stats);
            self.tally.taken += taken;
            let (uri, etag) = (object.uri.clone(), object.etag.clone());
            self.tally.replayed_objects.push(ReplayedObject { uri, etag });
        }
        Ok(())
    }

    /// Whether an object is there and the one that the letters mean.
    fn look(&self, uri: &str, etag: Option<&str>) -> Result<At> {
        let run = self.run;
        let (storage, path) = locate(uri, &run.config.source.s3)?;
        let object = match find(&storage, &path, self.ordinal(uri), &run.runtime, &run.stop)? {
            None => Err(Left::Gone),
            Some(object) if etag.is_some() && object.object.etag.as_deref() != etag => Err(Left::Changed),
            Some(object) => Ok((storage, object)),
        };
        Ok(At { uri: uri.to_owned(), etag: etag.map(str::to_owned), object, wanted: Vec::new() })
    }

    /// The object's place in the run's plan: ties are broken as in a run.
    fn ordinal(&self, uri: &str) -> u32 {
        let index = self.inputs.binary_search_by(|input| input.uri.as_str().cmp(uri));
        index.map_or_else(|_| self.ordinal_behind(0), |index| index as u32)
    }

    fn ordinal_behind(&self, index: usize) -> u32 {
        (self.inputs.len() + index) as u32
    }

    fn open(&self, storage: &Storage, object: &InputObject) -> Result<Option<Box<dyn Read + Send>>> {
        match open(storage, object, &self.run.runtime, &self.run.stop)?.wait()? {
            Opened::Archived => Ok(None),
            Opened::Reader(reader) => Ok(Some(reader)),
        }
    }

    /// Reads the object at which the feed is, as far as its letters reach.
    fn flush(&mut self) -> Result<()> {
        let Some(At { object: Ok((storage, object)), wanted, .. }) = self.at.take() else { return Ok(()) };
        if wanted.is_empty() {
            return Ok(());
        }
        let Some(reader) = self.open(&storage, &object)? else {
            self.leave(Left::Archived, wanted.len() as u64);
            return Ok(());
        };
        let mut pass = Pass::new(wanted);
        let mut is_enough = false;
        let mut visit = |frame: Frame<'_>| match (pass.look(&frame), frame) {
            (Verdict::Pass, _) => Ok(()),
            (Verdict::TakeElements(elements), Frame::Record(record)) => {
                self.worker.take(Frame::Record(RawRecord { only: Some(&elements), ..record }))
            }
            (Verdict::Take | Verdict::TakeElements(_), frame) => self.worker.take(frame),
            (Verdict::Enough, _) => {
                is_enough = true;
                Err(Error::internal("stop reading: all letters of the object are found"))
            }
        };
        let config = self.run.config;
        let read = if self.error_objects.contains(object.object.uri.as_str()) {
            read_errors(reader, &object.object, &config.source, &config.limits, &mut |part| match part {
                ErrorPart::Frame(frame) => visit(frame),
                ErrorPart::Record(_) | ErrorPart::Broken => Ok(()),
            })
        } else {
            read_object(reader, &object.object, &config.source, &config.limits, &mut visit).map(|read| read.stats)
        };
        match read {
            Ok(stats) => self.count(&stats),
            Err(_) if is_enough => self.outcome.objects += 1,
            Err(error) => return Err(error),
        }
        pass.finish();
        for wanted in std::mem::take(&mut pass.taken) {
            self.taken(wanted);
        }
        for (_, left) in pass.left {
            self.leave(left, 1);
        }
        Ok(())
    }

    /// Takes a letter from the copy that was kept, if that is all of its record.
    fn copy(&mut self, wanted: Wanted, letter: &Letter, left: Left) -> Result<()> {
        let bytes = if letter.truncated { Vec::new() } else { letter.bytes()? };
        let object = Arc::new(ObjectRef {
            uri: letter.source_uri.clone().unwrap_or_default(),
            etag: letter.etag.clone(),
            ordinal: self.ordinal(letter.source_uri.as_deref().unwrap_or_default()),
        });
        let framing = self.run.config.source.framing;
        match &wanted.what {
            _ if bytes.is_empty() => self.leave(left, 1),
            What::Record(_, only) => {
                let record = RawRecord {
                    object: &object,
                    offset: wanted.offset,
                    index: letter.record_index,
                    bytes: &bytes,
                    only: only.as_deref(),
                };
                self.worker.take(Frame::Record(record))?;
                self.taken(wanted);
            }
            What::Stretch(length) if *length < u64::MAX && letter.reason_code != reason::NOT_AN_ARRAY => {
                self.reframe(&object, wanted.offset, letter.record_index, bytes, framing)?;
                self.taken(wanted);
            }
            // The copy is the element's alone, and the request around it is gone; or the rest of the object is.
            What::Stretch(_) | What::Element(..) => self.leave(left, 1),
        }
        Ok(())
    }

    /// Frames a copy of a stretch of an object.
    fn reframe(
        &mut self,
        object: &Arc<ObjectRef>,
        base: u64,
        index: Option<u32>,
        bytes: Vec<u8>,
        framing: Framing,
    ) -> Result<()> {
        let config = self.run.config;
        // An element of an array stands without its array.
        let framing = if framing == Framing::Array { Framing::Document } else { framing };
        let source = SourceConfig { framing, base64: false, ..config.source.clone() };
        read_object(Box::new(Cursor::new(bytes)), object, &source, &config.limits, &mut |frame| {
            let frame = match frame {
                Frame::Record(record) => Frame::Record(RawRecord { offset: base + record.offset, index, ..record }),
                Frame::Rejected(mut reject) => {
                    if let Some(address) = &mut reject.address {
                        address.offset += base;
                        address.index = index;
                    }
                    Frame::Rejected(reject)
                }
            };
            self.worker.take(frame)
        })?;
        Ok(())
    }

    fn count(&mut self, stats: &ObjectStats) {
        self.outcome.objects += 1;
        self.outcome.compressed_bytes += stats.compressed_bytes;
        self.outcome.decompressed_bytes += stats.decompressed_bytes;
    }

    fn taken(&mut self, wanted: Wanted) {
        self.tally.taken += 1;
        self.lines.push(wanted.line);
        *self.reasons.entry(wanted.reason).or_default() += 1;
    }

    fn leave(&mut self, left: Left, letters: u64) {
        *self.tally.left.entry(left).or_default() += letters;
    }
}

/// What a letter asks for, or why it cannot be asked for.
fn wanted(transformer: &dyn Transformer, line: u64, letter: &Letter) -> Result<Wanted, Left> {
    let (Some(_), Some(offset), Some(length)) = (&letter.source_uri, letter.byte_offset, letter.length) else {
        return Err(Left::Partial);
    };
    let what = if letter.step == SOURCE_STEP {
        match letter.reason_code.as_str() {
            code if MOVING.contains(&code) => return Err(Left::Moved),
            code if REST.contains(&code) => What::Stretch(u64::MAX),
            _ => What::Stretch(length),
        }
    } else {
        match (transformer.unit_of(&letter.step), letter.record_index) {
            (Unit::Part, _) => return Err(Left::Partial),
            (Unit::Record, _) => What::Record(length, letter.only.clone()),
            (Unit::Element, Some(element)) => What::Element(length, element),
            (Unit::Element, None) => What::Record(length, None),
        }
    };
    Ok(Wanted { line, reason: letter.reason_code.clone(), offset, what })
}
