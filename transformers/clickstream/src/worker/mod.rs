//! One worker: request lines in, rows of the four tables out.

mod sdk;
mod third_party;

use crate::compat::Compat;
use crate::event::ParsedEvent;
use crate::event_row::Request;
use crate::nested;
use crate::payload::PayloadDecoder;
use crate::record::{RequestLine, number_parameter};
use crate::settings::Settings;
use crate::source::Source;
use crate::steps::{PAYLOAD, VANISHES, reject_record};
use crate::time::write_instant;
use crate::writer::Tables;
use etl_sdk::json::{Fault, Kind, Reader, Token, unescape};
use etl_sdk::{CacheStats, Output, RawRecord, Result, Run, TransformerWorker};
use std::borrow::Cow;
use std::sync::Arc;

/// Most elements of a payload. All are read, and held as tokens, before any becomes a row.
const MAX_EVENTS: usize = 50_000;

/// Buffers for events that are kept from one payload to the next.
const EVENTS_HELD: usize = 1_024;

pub(crate) struct ClickstreamWorker {
    payloads: PayloadDecoder,
    /// `data` of the current request, unescaped.
    data: String,
    /// The events of the current request; the front of the list is in use, the rest keeps its buffers.
    events: Vec<ParsedEvent>,
    ingested: String,
    depth: u32,
    tables: Tables,
}

impl ClickstreamWorker {
    pub fn new(settings: &Arc<Settings>, run: &Run) -> Result<Self> {
        let config = &settings.config;
        Ok(Self {
            payloads: PayloadDecoder::new(config.payload_bytes),
            data: String::new(),
            events: Vec::new(),
            ingested: String::new(),
            depth: config.depth,
            tables: Tables::new(settings, run)?,
        })
    }

    /// Reads a request line up to its events. An error is the reason and message of its dead letter.
    fn take(
        &mut self,
        record: &RawRecord<'_>,
        line: &str,
        out: &mut Output,
    ) -> Result<Result<()>, (&'static str, String)> {
        let compat = self.tables.compat;
        let request = RequestLine::parse(line, self.depth, compat)
            .map_err(|fault| ("not_json", format!("the line is not JSON: {fault}")))?
            .ok_or_else(|| ("not_an_object", "the line is JSON but no object".to_owned()))?;
        if !request.data.is_present() {
            return Err(("missing_data", "the line has no `data`".to_owned()));
        }
        let app_id = nested::line_text(request.app_id, line).filter(|app| !app.is_empty());
        let has_app = app_id.is_some();
        if !has_app && !compat.is_reference() {
            return Err(("missing_app_id", "the line has no `appId`".to_owned()));
        }
        let Some(ingest_time) = request.ingest_time else {
            return Err(("missing_ingest_time", "the line has no `ingest_time` in whole milliseconds".to_owned()));
        };
        self.ingested.clear();
        write_instant(ingest_time, &mut self.ingested);
        let app_id = app_id.unwrap_or_default();
        let source = self.tables.settings.config.source.of(&app_id);
        if source != Source::Sdk && !has_app {
            return Err(("missing_app_id", "the line has no `appId`".to_owned()));
        }
        let data = unescaped(request.data, line, &mut self.data);
        match source {
            Source::Sdk => {}
            Source::Gtm => {
                let request = third_party::request(&request, line, ingest_time, &self.ingested, record);
                return self.tables.take_gtm(record, &request, &app_id, data, out);
            }
            Source::Sensors => {
                let request = third_party::request(&request, line, ingest_time, &self.ingested, record);
                let payload = self.payloads.decode_form(data, compat).map_err(|bad| (bad.reason, bad.message));
                return self.tables.take_sensors(record, &request, &app_id, payload, out);
            }
        }
        let payload = self.payloads.decode(data).map_err(|bad| {
            let reason = if compat.is_reference() && vanishes(bad.reason, data) { VANISHES } else { bad.reason };
            (reason, bad.message)
        })?;
        let events = parse_events(payload, self.depth, compat, &mut self.events)?;
        let uri = nested::line_text(request.uri, line);
        let in_uri = |name| uri.as_deref().and_then(|uri| number_parameter(uri, name, compat));
        let request = Request {
            rid: nested::line_text(request.rid, line),
            ua: nested::line_text(request.ua, line),
            ip: nested::line_text(request.ip, line),
            ingest_time,
            ingested: &self.ingested,
            input_file: &record.object.uri,
            bundle_sequence_id: in_uri("event_bundle_sequence_id"),
            upload: request.upload_time,
            upload_in_uri: in_uri("upload_timestamp"),
            has_app,
        };
        Ok(self.tables.take_all(record, &request, payload, &self.events[..events], out))
    }
}

/// The payload as the line has it.
fn unescaped<'a>(data: Token, line: &'a str, scratch: &'a mut String) -> &'a str {
    if data.kind != Kind::EscapedText {
        return data.raw(line);
    }
    scratch.clear();
    unescape(data.raw(line), scratch);
    scratch
}

/// Reads all elements before any becomes a row: a payload that breaks off in the middle is one dead letter, not half a
/// request. An element that is nested too deep is one of its own. Returns how many of `events` are in use.
/// The reference passes over what follows the array.
fn parse_events(
    payload: &str,
    depth: u32,
    compat: Compat,
    events: &mut Vec<ParsedEvent>,
) -> Result<usize, (&'static str, String)> {
    let broken = |fault: Fault| {
        let reason = if compat.is_reference() { VANISHES } else { "payload_not_json" };
        (reason, format!("the payload is not a JSON array: {fault}"))
    };
    // What a payload with many events needed is not held for ever.
    events.truncate(EVENTS_HELD);
    let mut reader = Reader::new(payload, depth);
    reader.enter().map_err(broken)?;
    let (mut first, mut used) = (true, 0);
    while reader.next_element(&mut first).map_err(broken)? {
        if used == MAX_EVENTS {
            return Err(("too_many_events", format!("the payload has more than {MAX_EVENTS} elements")));
        }
        if events.len() == used {
            events.push(ParsedEvent::default());
        }
        let start = reader.clone();
        if let Err(fault) = events[used].parse(&mut reader, compat) {
            // An element that is JSON all the same is too deep; the others need not be lost with it.
            reader = start;
            events[used].pass_too_deep(&mut reader).map_err(|_| broken(fault))?;
        }
        used += 1;
    }
    if !compat.is_reference() {
        reader.end().map_err(broken)?;
    }
    Ok(used)
}

/// Whether the reference loses a payload that it cannot decode. It puts it into a text of JSON without escaping it, and
/// drops the text when that makes it invalid.
fn vanishes(reason: &str, data: &str) -> bool {
    match reason {
        "payload_not_an_array" => true,
        "payload_not_base64" | "payload_not_gzip" => {
            data.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\'))
        }
        _ => false,
    }
}

impl TransformerWorker for ClickstreamWorker {
    fn transform(&mut self, record: &RawRecord<'_>, out: &mut Output) -> Result<()> {
        self.tables.counters.payload.read += 1;
        self.tables.start_object(record.object.ordinal);
        // Upstream reads bytes that are not UTF-8 as the replacement character; so do we, and the row is kept.
        let line = std::str::from_utf8(record.bytes)
            .map_or_else(|_| Cow::Owned(String::from_utf8_lossy(record.bytes).into_owned()), Cow::Borrowed);
        match self.take(record, &line, out) {
            Ok(done) => done,
            Err((VANISHES, _)) => {
                out.filter(PAYLOAD, VANISHES, 1);
                Ok(())
            }
            Err((reason, message)) => {
                reject_record(record, reason, message, out);
                Ok(())
            }
        }
    }

    fn finish_task(&mut self, out: &mut Output) -> Result<()> {
        self.tables.finish(out)
    }

    fn caches(&self) -> Vec<CacheStats> {
        vec![self.tables.traffic.stats(), self.tables.pages.stats()]
    }
}

#[cfg(test)]
mod tests;
