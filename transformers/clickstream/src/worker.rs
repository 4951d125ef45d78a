//! One worker: request lines in, rows of the four tables out.

mod third_party;

use self::third_party::ThirdParty;
use crate::event::{Defect, ParsedEvent};
use crate::event_row::{Event, EventRows, Request, RunFacts};
use crate::fields::{A, E};
use crate::items::ItemRows;
use crate::page::{PageTexts, Pages};
use crate::payload::PayloadDecoder;
use crate::record::{RequestLine, number_parameter};
use crate::rows::Rows;
use crate::sessions::Sessions;
use crate::source::Source;
use crate::steps::{Counters, FILTER, ITEMS, PARSE, PAYLOAD, VALIDATE, reject_element, reject_record};
use crate::tables::{EVENT, ITEM, SESSION, USER};
use crate::time::{Clocks, shift, write_instant};
use crate::traffic::TrafficResolver;
use crate::traffic_source::Refusal;
use crate::users::{Observed, Users};
use crate::{Clickstream, Compat, values};
use etl_sdk::json::{Fault, Kind, Reader, Token, unescape};
use etl_sdk::{CacheStats, Output, RawRecord, Result, Run, TransformerWorker};
use hashbrown::HashSet;
use std::borrow::Cow;
use std::sync::Arc;

/// Rows of a batch: enough to amortise work per batch, few enough for a batch of 106 columns to stay near the caches.
const BATCH_ROWS: usize = 4_096;

/// Most elements of a payload. All are read, and held as tokens, before any becomes a row.
const MOST_EVENTS: usize = 50_000;

/// Buffers for events that are kept from one payload to the next.
const EVENTS_HELD: usize = 1_024;

/// Bits of an event's or item's sequence below those of its object's place in the run.
const SEQUENCE_BITS: u32 = 39;

/// Years 0 to 9999 in epoch milliseconds: what a partition path can say.
const TIMES: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// Names of events that are kept however old they are, and in the future.
const ALWAYS_FRESH: [&str; 3] = ["_first_open", "_first_visit", "_profile_set"];

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

/// Why a record or event is left out that the reference loses without a trace; only with [`Compat::Reference`].
const VANISHES: &str = "vanishes_in_reference";

/// Everything behind the parsed event.
struct Tables {
    transformer: Arc<Clickstream>,
    run: RunFacts,
    apps: HashSet<String>,
    compat: Compat,
    events: EventRows,
    items: ItemRows,
    users: Users,
    sessions: Sessions,
    pages: Pages,
    traffic: TrafficResolver,
    third_party: ThirdParty,
    counters: Counters,
    object: u32,
    /// Numbers given to the object's events and items so far.
    numbers_of_object: i64,
}

impl ClickstreamWorker {
    pub fn new(transformer: &Arc<Clickstream>, run: &Run) -> Result<Self> {
        let config = &transformer.config;
        let facts = transformer.run_facts(run);
        let rows = |table: usize, truncate| Rows::new(&transformer.tables[table].schema, truncate);
        let tables = Tables {
            run: facts,
            // A blank app id is never kept, even when it is listed.
            apps: config.app_ids.iter().filter(|app| !app.trim().is_empty()).cloned().collect(),
            compat: config.compat,
            events: EventRows::new(rows(EVENT, config.truncate)?, config.compat),
            items: ItemRows::new(rows(ITEM, config.truncate)?, config.compat),
            // Users are cut once they are merged, so that what is merged is what was sent.
            users: Users::new(rows(USER, false)?),
            sessions: Sessions::new(rows(SESSION, config.truncate)?, config.truncate),
            pages: Pages::new(config.compat),
            traffic: TrafficResolver::new(Arc::clone(&transformer.rules), config.traffic_source, config.compat),
            third_party: ThirdParty::new(config.reference()),
            counters: Counters::default(),
            object: 0,
            numbers_of_object: 0,
            transformer: Arc::clone(transformer),
        };
        Ok(Self {
            payloads: PayloadDecoder::new(config.payload_bytes),
            data: String::new(),
            events: Vec::new(),
            ingested: String::new(),
            depth: config.depth,
            tables,
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
        let app_id = values::line_text(request.app_id, line).filter(|app| !app.is_empty());
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
        match self.tables.transformer.config.source.of(&app_id) {
            Source::Sdk => {}
            _ if !has_app => return Err(("missing_app_id", "the line has no `appId`".to_owned())),
            Source::Gtm => return self.take_gtm(record, line, &request, &app_id, ingest_time, out),
            Source::Sensors => return self.take_sensors(record, line, &request, &app_id, ingest_time, out),
        }
        let data = unescaped(request.data, line, &mut self.data);
        let payload = self.payloads.decode(data).map_err(|bad| {
            let reason = if compat.is_reference() && vanishes(bad.reason, data) { VANISHES } else { bad.reason };
            (reason, bad.message)
        })?;
        let events = parse_events(payload, self.depth, compat, &mut self.events)?;
        let uri = values::line_text(request.uri, line);
        let in_uri = |name| uri.as_deref().and_then(|uri| number_parameter(uri, name, compat));
        let request = Request {
            rid: values::line_text(request.rid, line),
            ua: values::line_text(request.ua, line),
            ip: values::line_text(request.ip, line),
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
        if used == MOST_EVENTS {
            return Err(("too_many_events", format!("the payload has more than {MOST_EVENTS} elements")));
        }
        if events.len() == used {
            events.push(ParsedEvent::default());
        }
        let start = reader.clone();
        if let Err(fault) = events[used].parse(&mut reader) {
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

impl Tables {
    fn start_object(&mut self, ordinal: u32) {
        if self.object != ordinal {
            self.object = ordinal;
            self.numbers_of_object = 0;
        }
    }

    fn take_all(
        &mut self,
        record: &RawRecord<'_>,
        request: &Request<'_>,
        payload: &str,
        events: &[ParsedEvent],
        out: &mut Output,
    ) -> Result<()> {
        if events.is_empty() {
            out.filter(PAYLOAD, "empty_payload", 1);
            return Ok(());
        }
        let wanted = (0..events.len() as u32).filter(|place| record.wants(*place)).count() as u64;
        if wanted == 0 {
            out.filter(PAYLOAD, "no_such_element", 1);
            return Ok(());
        }
        self.counters.payload.added += wanted - 1;
        self.counters.payload.kept += wanted;
        for (place, parsed) in events.iter().enumerate() {
            let address = || record.address(Some(place as u32));
            self.numbers_of_object += 1;
            if !record.wants(place as u32) {
                continue;
            }
            if !parsed.element.is_text() {
                self.take_one(request, payload, parsed, &address, out)?;
                continue;
            }
            // An element that is text holds an event as JSON: some clients encode twice.
            let source = values::text(parsed.element, payload).unwrap_or_default();
            let mut inner = ParsedEvent::default();
            let mut reader = Reader::new(&source, self.transformer.config.depth);
            let parsed = match inner.parse(&mut reader).and_then(|()| reader.end()) {
                Ok(()) => &inner,
                Err(_) => parsed,
            };
            let source = if std::ptr::eq(parsed, &raw const inner) { source.as_ref() } else { payload };
            self.take_one(request, source, parsed, &address, out)?;
        }
        Ok(())
    }

    fn take_one(
        &mut self,
        request: &Request<'_>,
        source: &str,
        parsed: &ParsedEvent,
        address: &dyn Fn() -> etl_sdk::Address,
        out: &mut Output,
    ) -> Result<()> {
        let mut reject = |step, defect: &Defect| {
            let message = match defect.key.as_str() {
                "" => defect.message.to_owned(),
                key => format!("`{key}`: {}", defect.message),
            };
            reject_element(address(), step, defect.reason, message, parsed.element.raw(source), out);
        };
        self.counters.validate.read += 1;
        if let Some(defect) = &parsed.structural {
            reject(VALIDATE, defect);
            return Ok(());
        }
        self.counters.validate.kept += 1;
        self.counters.filter.read += 1;
        let text = |key| values::text(parsed.event(key), source);
        let sent_time = values::safe_long(parsed.event(E::Timestamp), source).unwrap_or_default();
        let name = text(E::EventName).unwrap_or_default();
        let app_id = text(E::AppId).unwrap_or_default();
        let event_type = values::text(parsed.event_type, source).unwrap_or_default();
        let reason = self.filter(&event_type, &app_id, sent_time, request.ingest_time);
        if let Some(reason) = reason.or((!request.has_app).then_some(VANISHES)) {
            out.filter(FILTER, reason, 1);
            return Ok(());
        }
        self.counters.filter.kept += 1;
        self.counters.parse.read += 1;
        let user_defect = parsed.user_defect.as_ref().filter(|_| self.compat.is_reference());
        if let Some(defect) = parsed.defect.as_ref().or(user_defect) {
            reject(PARSE, defect);
            return Ok(());
        }
        if name.is_empty() {
            out.filter(PARSE, "no_event_name", 1);
            return Ok(());
        }
        let clocks = Clocks {
            event: sent_time,
            ingest: request.ingest_time,
            upload: request.upload,
            upload_in_uri: request.upload_in_uri,
            now: self.run.now_msec,
        };
        let shift = shift(&clocks, self.transformer.config.time_shift);
        if !TIMES.contains(&sent_time.saturating_add(shift.delta)) {
            let message = "outside of the years 0 to 9999";
            reject(PARSE, &Defect { reason: "timestamp_out_of_range", key: "timestamp".to_owned(), message });
            return Ok(());
        }
        if let Err(defect) = self.items.read(parsed.event(E::Items), source, self.transformer.config.depth) {
            reject(PARSE, &defect);
            return Ok(());
        }
        let mut event = Event {
            request,
            parsed,
            source,
            sent_time,
            shift,
            id: text(E::EventId).unwrap_or_default(),
            name,
            app_id,
            platform: text(E::Platform).unwrap_or(Cow::Borrowed("Web")),
            user_id: parsed.known_user[0].as_ref().and_then(|id| values::text(id.value, source)),
            user_pseudo_id: text(E::UniqueId),
            session_id: values::text(parsed.attribute(A::SessionId), source),
            page_referrer: None,
            page: None,
            hostname: None,
            latest_referrer: None,
            latest_referrer_host: None,
            traffic: Arc::default(),
            sequence: i64::from(self.object) << SEQUENCE_BITS | self.numbers_of_object,
        };
        if parsed.has_attributes
            && let Err(refusal) = self.derive(&mut event)
        {
            reject_element(address(), PARSE, refusal.reason(), refusal.to_string(), parsed.element.raw(source), out);
            return Ok(());
        }
        self.write(&event, out)
    }

    /// Why an event is left out. `event_type` is that key's value: the reference does not look at the alias
    /// `event_name` here.
    fn filter(&self, event_type: &str, app_id: &str, time: i64, ingest_time: i64) -> Option<&'static str> {
        if !ALWAYS_FRESH.contains(&event_type) {
            if time > self.run.now_msec {
                return Some("in_the_future");
            }
            let hours = i64::from(self.transformer.config.freshness_hours);
            if ingest_time.saturating_sub(time) > hours * 3_600_000 {
                return Some("stale");
            }
        }
        (!self.apps.contains(app_id)).then_some("other_app")
    }

    /// What follows from the event's urls.
    fn derive(&mut self, event: &mut Event<'_>) -> Result<(), Arc<Refusal>> {
        let found = PageTexts::read(event.parsed, event.source, &mut self.pages);
        event.traffic = self.traffic.resolve(event.parsed, event.source, &event.app_id, found.facts())?;
        event.page_referrer = found.referrer;
        event.latest_referrer = found.latest_referrer;
        event.page = found.page;
        event.hostname = found.hostname;
        event.latest_referrer_host = found.latest_referrer_host;
        Ok(())
    }

    fn write(&mut self, event: &Event<'_>, out: &mut Output) -> Result<()> {
        self.counters.parse.kept += 1;
        self.events.push(event, &self.run);
        let items = self.items.push(event, &self.run);
        self.numbers_of_object += items.read as i64;
        self.counters.items.added += items.read;
        self.counters.items.kept += items.read - items.without_id;
        out.filter(ITEMS, "no_item_id", items.without_id);
        for (observed, counter, merged) in [
            (self.users.observe(event), &mut self.counters.users, &mut self.counters.users_merged),
            (self.sessions.observe(event), &mut self.counters.sessions, &mut self.counters.sessions_merged),
        ] {
            counter.added += u64::from(observed != Observed::Ignored);
            *merged += u64::from(observed == Observed::Merged);
        }
        self.hand_over(out)
    }

    /// Hands over what has grown to a batch, or to as much as is held.
    fn hand_over(&mut self, out: &mut Output) -> Result<()> {
        if self.events.rows.len() >= BATCH_ROWS {
            out.batch(EVENT, self.events.rows.finish()?);
        }
        if self.items.rows.len() >= BATCH_ROWS {
            out.batch(ITEM, self.items.rows.finish()?);
        }
        if self.users.is_full() {
            self.drain_users(out)?;
        }
        if self.sessions.is_full() {
            self.drain_sessions(out)?;
        }
        Ok(())
    }

    fn drain_users(&mut self, out: &mut Output) -> Result<()> {
        let kept = &mut self.counters.users.kept;
        self.users.drain(&self.run, BATCH_ROWS, &mut |batch| {
            *kept += batch.num_rows() as u64;
            out.batch(USER, batch);
        })
    }

    fn drain_sessions(&mut self, out: &mut Output) -> Result<()> {
        let kept = &mut self.counters.sessions.kept;
        self.sessions.drain(&self.run, BATCH_ROWS, &mut |batch| {
            *kept += batch.num_rows() as u64;
            out.batch(SESSION, batch);
        })
    }

    fn finish(&mut self, out: &mut Output) -> Result<()> {
        out.batch(EVENT, self.events.rows.finish()?);
        out.batch(ITEM, self.items.rows.finish()?);
        self.drain_users(out)?;
        self.drain_sessions(out)?;
        self.counters.flush(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
