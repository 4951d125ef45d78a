//! Requests of the SDKs: their events one by one to rows of the four tables.

use crate::event::{Defect, ParsedEvent};
use crate::event_row::{Event, Request};
use crate::fields::{A, E};
use crate::held::Observed;
use crate::page::PageTexts;
use crate::steps::{FILTER, ITEMS, PARSE, PAYLOAD, VALIDATE, VANISHES, reject_element};
use crate::time::{Clocks, shift};
use crate::traffic_source::Refusal;
use crate::values;
use crate::writer::{TIMES, Tables};
use etl_sdk::json::Reader;
use etl_sdk::{Output, RawRecord, Result};
use std::borrow::Cow;
use std::sync::Arc;

/// Names of events that are kept however old they are, and in the future.
const ALWAYS_FRESH: [&str; 3] = ["_first_open", "_first_visit", "_profile_set"];

impl Tables {
    pub(super) fn take_all(
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
        let wanted = (0..events.len() as u32).filter(|index| record.wants(*index)).count() as u64;
        if wanted == 0 {
            out.filter(PAYLOAD, "no_such_element", 1);
            return Ok(());
        }
        self.counters.payload.added += wanted - 1;
        self.counters.payload.kept += wanted;
        for (index, parsed) in events.iter().enumerate() {
            let address = || record.address(Some(index as u32));
            self.numbers_of_object += 1;
            if !record.wants(index as u32) {
                continue;
            }
            if !parsed.element.is_text() {
                self.take_one(request, payload, parsed, &address, out)?;
                continue;
            }
            // An element that is text holds an event as JSON: some clients encode twice.
            let source = values::text(parsed.element, payload).unwrap_or_default();
            let mut inner = ParsedEvent::default();
            let mut reader = Reader::new(&source, self.settings.config.depth);
            let parsed = match inner.parse(&mut reader, self.compat).and_then(|()| reader.end()) {
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
        let name = text(E::EventName).unwrap_or_default();
        if name.is_empty() {
            out.filter(PARSE, "no_event_name", 1);
            return Ok(());
        }
        let mut event = match self.event(request, source, parsed, sent_time, name, app_id) {
            Ok(event) => event,
            Err(defect) => {
                reject(PARSE, &defect);
                return Ok(());
            }
        };
        if parsed.has_attributes
            && let Err(refusal) = self.derive(&mut event)
        {
            reject_element(address(), PARSE, refusal.reason(), refusal.to_string(), parsed.element.raw(source), out);
            return Ok(());
        }
        self.write(&event, out)
    }

    /// The event without what follows from its urls; its items are read.
    fn event<'a>(
        &mut self,
        request: &'a Request<'a>,
        source: &'a str,
        parsed: &'a ParsedEvent,
        sent_time: i64,
        name: Cow<'a, str>,
        app_id: Cow<'a, str>,
    ) -> Result<Event<'a>, Defect> {
        let text = |key| values::text(parsed.event(key), source);
        let clocks = Clocks {
            event: sent_time,
            ingest: request.ingest_time,
            upload: request.upload,
            upload_in_uri: request.upload_in_uri,
            now: self.run.now_msec,
        };
        let shift = shift(&clocks, self.settings.config.time_shift);
        if !TIMES.contains(&sent_time.saturating_add(shift.delta)) {
            let message = "outside of the years 0 to 9999";
            return Err(Defect { reason: "timestamp_out_of_range", key: "timestamp".to_owned(), message });
        }
        self.items.read(parsed.event(E::Items), source, self.settings.config.depth)?;
        Ok(Event {
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
            sequence: self.sequence(),
        })
    }

    /// Why an event is left out. `event_type` is that key's value: the reference does not look at the alias
    /// `event_name` here.
    fn filter(&self, event_type: &str, app_id: &str, time: i64, ingest_time: i64) -> Option<&'static str> {
        if !ALWAYS_FRESH.contains(&event_type) {
            if time > self.run.now_msec {
                return Some("in_the_future");
            }
            let hours = i64::from(self.settings.config.freshness_hours);
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
        let items = self.items.push(event, &self.run, out)?;
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
}
