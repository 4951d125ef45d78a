//! What the tables need to know of one event, and the event's own row.

use crate::compat::Compat;
use crate::custom::CustomWriter;
use crate::event::{FIRST_NUMBER, ParsedEvent};
use crate::fields::{A, E};
use crate::page::{Page, decode};
use crate::rows::Rows;
use crate::time::{Shift, write_instant};
use crate::traffic_source::{TrafficSource, columns};
use crate::values;
use std::borrow::Cow;
use std::sync::Arc;

/// What all rows of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct RunFacts {
    pub job_id: String,
    pub project_id: String,
    pub now_msec: i64,
    /// Start of the window, epoch milliseconds.
    pub window_start_msec: i64,
    /// The run's instant, printed.
    pub now: String,
}

/// What all events of a request have in common.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub rid: Option<Cow<'a, str>>,
    pub ua: Option<Cow<'a, str>>,
    pub ip: Option<Cow<'a, str>>,
    pub ingest_time: i64,
    /// The ingest time, printed.
    pub ingested: &'a str,
    pub input_file: &'a str,
    pub bundle_sequence_id: Option<i64>,
    pub upload: Option<i64>,
    pub upload_in_uri: Option<i64>,
    /// Whether the line names its app.
    pub has_app: bool,
}

/// One event on its way into the tables.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub request: &'a Request<'a>,
    pub parsed: &'a ParsedEvent,
    /// The text the tokens point into.
    pub source: &'a str,
    /// Epoch milliseconds as sent.
    pub sent_time: i64,
    pub shift: Shift,
    pub id: Cow<'a, str>,
    pub name: Cow<'a, str>,
    pub app_id: Cow<'a, str>,
    pub platform: Cow<'a, str>,
    pub user_id: Option<Cow<'a, str>>,
    pub user_pseudo_id: Option<Cow<'a, str>>,
    pub session_id: Option<Cow<'a, str>>,
    pub page_referrer: Option<Cow<'a, str>>,
    pub page: Option<Arc<Page>>,
    pub hostname: Option<Cow<'a, str>>,
    pub latest_referrer: Option<Cow<'a, str>>,
    pub latest_referrer_host: Option<Cow<'a, str>>,
    pub traffic: Arc<TrafficSource>,
    /// Order of the event among all of the run: later ones are larger.
    pub sequence: i64,
}

impl<'a> Event<'a> {
    /// Epoch milliseconds, shift included.
    pub fn time(&self) -> i64 {
        self.sent_time.saturating_add(self.shift.delta)
    }

    pub fn text(&self, key: E) -> Option<Cow<'a, str>> {
        values::text(self.parsed.event(key), self.source)
    }

    pub fn attribute(&self, key: A) -> Option<Cow<'a, str>> {
        values::text(self.parsed.attribute(key), self.source)
    }

    /// The value of `_user_first_touch_timestamp`, shifted.
    pub fn first_touch(&self) -> Option<i64> {
        let property = self.parsed.known_user[FIRST_NUMBER + 1].as_ref()?;
        self.shifted(values::safe_long(property.value, self.source))
    }

    pub fn session_start(&self) -> Option<i64> {
        self.shifted(values::safe_long(self.parsed.attribute(A::SessionStart), self.source))
    }

    pub fn session_number(&self) -> Option<i64> {
        values::safe_long(self.parsed.attribute(A::SessionNumber), self.source)
    }

    /// What `process_info` says of where the event comes from.
    pub fn origin(&self, scratch: &mut String, entry: &mut dyn FnMut(&'static str, Option<&str>)) {
        entry("rid", self.request.rid.as_deref());
        entry("ingest_time", Some(self.request.ingested));
        entry("input_file_name", Some(self.request.input_file));
        entry("source_ip", self.request.ip.as_deref());
        let mut printed = |write: &dyn Fn(&mut String), key: &'static str| {
            scratch.clear();
            write(scratch);
            entry(key, Some(scratch));
        };
        if let Some(upload) = self.shift.upload {
            printed(&|out| write_instant(upload, out), "upload_time");
        }
        if let Some(reason) = &self.shift.reason {
            printed(&|out| out.push_str("true"), "event_timestamp_adjusted");
            printed(&|out| out.push_str(&self.sent_time.to_string()), "event_timestamp_adjusted_from");
            printed(&|out| out.push_str(&self.time().to_string()), "event_timestamp_adjusted_to");
            printed(&|out| out.push_str(reason), "event_timestamp_adjusted_reason");
        }
    }

    fn shifted(&self, msec: Option<i64>) -> Option<i64> {
        msec.map(|msec| msec.saturating_add(self.shift.delta))
    }

    fn decoded(&self, key: A) -> Option<Cow<'a, str>> {
        decode(self.attribute(key))
    }

    /// An attribute that only counts for events of one name.
    fn long_if(&self, name: &str, key: A) -> Option<i64> {
        if self.name != name {
            return None;
        }
        values::long(self.parsed.attribute(key), self.source).ok().flatten()
    }
}

/// Writes rows of `event_v2`.
pub(crate) struct EventRows {
    pub rows: Rows,
    custom: CustomWriter,
    scratch: String,
}

impl EventRows {
    pub fn new(mut rows: Rows, compat: Compat) -> Self {
        if !compat.is_reference() {
            // They are read by enrichments: a text cut short is another browser, or an address of somewhere else.
            rows.never_cut("ua");
            rows.never_cut("ip");
        }
        Self { rows, custom: CustomWriter::new(compat), scratch: String::new() }
    }

    /// One row, a line per column or group of columns, in the order of `schemas/clickstream/event_v2.json`.
    pub fn push(&mut self, event: &Event<'_>, run: &RunFacts) {
        self.identity(event);
        self.device(event);
        self.rows.nulls(6); // geo_ columns but the locale: filled by an enrichment
        self.event_text(event, E::Locale);
        write_traffic(&event.traffic, &mut self.rows);
        self.rows.long(event.first_touch());
        self.application(event, run);
        self.screen_view(event);
        self.page_view(event);
        self.outcomes(event);
        self.custom.event(event.parsed, event.source, &mut self.rows);
        self.process_info(event, run);
        self.rows.text(event.request.ua.as_deref());
        self.rows.text(event.request.ip.as_deref());
        self.rows.timestamp(run.now_msec);
        self.rows.long(Some(event.sequence));
        self.rows.end_row();
    }

    fn event_text(&mut self, event: &Event<'_>, key: E) {
        self.rows.text(event.text(key).as_deref());
    }

    fn attribute(&mut self, event: &Event<'_>, key: A) {
        self.rows.text(event.attribute(key).as_deref());
    }

    fn decoded(&mut self, event: &Event<'_>, key: A) {
        self.rows.text(event.decoded(key).as_deref());
    }

    fn boolean(&mut self, event: &Event<'_>, key: A) {
        self.rows.boolean(values::safe_boolean(event.parsed.attribute(key), event.source));
    }

    fn int(&mut self, event: &Event<'_>, key: E) {
        let value = values::safe_long(event.parsed.event(key), event.source);
        self.rows.int(value.and_then(|value| i32::try_from(value).ok()));
    }

    fn identity(&mut self, event: &Event<'_>) {
        let value = values::double(event.parsed.event(E::EventValue), event.source).ok().flatten();
        let currency = event.text(E::Currency);
        self.rows.timestamp(event.time());
        self.rows.text(Some(&event.id));
        self.rows.long(Some(event.time()));
        self.rows.text(Some(&event.name));
        self.rows.double(value);
        self.rows.text(value.map(|_| currency.as_deref().unwrap_or("USD")));
        self.rows.long(event.request.bundle_sequence_id);
        self.rows.long(Some(event.request.ingest_time));
    }

    fn device(&mut self, event: &Event<'_>) {
        for key in [E::Brand, E::Model, E::Make, E::Carrier, E::NetworkType] {
            self.event_text(event, key);
        }
        let known = ["android", "ios", "wechatmp"].iter().any(|name| event.platform.eq_ignore_ascii_case(name));
        self.rows.text(known.then_some(event.platform.as_ref()));
        for key in [E::OsVersion, E::DeviceId, E::DeviceUniqueId, E::SystemLanguage] {
            self.event_text(event, key);
        }
        let offset = values::safe_long(event.parsed.event(E::ZoneOffset), event.source);
        let seconds = offset.map(|msec| msec / 1_000);
        // The reference takes the lower 32 bits.
        let is_cut = event.parsed.compat.is_reference();
        self.rows
            .int(seconds.and_then(|seconds| if is_cut { Some(seconds as i32) } else { i32::try_from(seconds).ok() }));
        self.rows.nulls(6); // device_ua_ columns: filled by an enrichment
        if let Some(map) = self.rows.map() {
            map.entry("string", Some(event.request.ua.as_deref().unwrap_or("null")));
            map.end(true);
        }
        for key in [E::ScreenWidth, E::ScreenHeight, E::ViewportWidth, E::ViewportHeight] {
            self.int(event, key);
        }
    }

    fn application(&mut self, event: &Event<'_>, run: &RunFacts) {
        for key in [E::AppPackageName, E::AppVersion, E::AppTitle] {
            self.event_text(event, key);
        }
        self.attribute(event, A::AppInstallChannel);
        self.rows.text(Some(&event.platform));
        self.rows.text(Some(&run.project_id));
        self.rows.text(Some(&event.app_id));
    }

    fn screen_view(&mut self, event: &Event<'_>) {
        for key in [
            A::ScreenName,
            A::ScreenId,
            A::ScreenUniqueId,
            A::PreviousScreenName,
            A::PreviousScreenId,
            A::PreviousScreenUniqueId,
        ] {
            self.attribute(event, key);
        }
        self.rows.long(event.shifted(event.long_if("_screen_view", A::PreviousTimestamp)));
        self.rows.long(event.long_if("_screen_view", A::EngagementTime));
        self.boolean(event, A::Entrances);
    }

    fn page_view(&mut self, event: &Event<'_>) {
        self.rows.text(event.page_referrer.as_deref());
        self.decoded(event, A::PageReferrerTitle);
        self.rows.long(event.shifted(event.long_if("_page_view", A::PreviousTimestamp)));
        self.rows.long(event.long_if("_page_view", A::EngagementTime));
        self.decoded(event, A::PageTitle);
        self.decoded(event, A::PageUrl);
        let page = event.page.as_deref();
        self.rows.text(page.and_then(|page| page.path.as_deref()));
        if let Some(map) = self.rows.map() {
            let query = page.and_then(|page| page.query.as_ref());
            for (key, value) in query.into_iter().flatten() {
                map.entry(key, Some(value));
            }
            map.end(query.is_some());
        }
        self.rows.text(event.hostname.as_deref());
        self.rows.text(event.latest_referrer.as_deref());
        self.rows.text(event.latest_referrer_host.as_deref());
        self.boolean(event, A::Entrances);
    }

    fn outcomes(&mut self, event: &Event<'_>) {
        let first_start = values::safe_boolean(event.parsed.attribute(A::IsFirstTime), event.source);
        self.rows.boolean(first_start.filter(|_| event.name == "_app_start"));
        for key in [
            A::PreviousAppVersion,
            A::PreviousOsVersion,
            A::SearchKey,
            A::SearchTerm,
            A::LinkClasses,
            A::LinkDomain,
            A::LinkId,
            A::LinkUrl,
        ] {
            self.attribute(event, key);
        }
        self.boolean(event, A::Outbound);
        self.rows.long(event.long_if("_user_engagement", A::EngagementTime));
        self.rows.text(event.user_id.as_deref());
        self.rows.text(event.user_pseudo_id.as_deref());
        self.rows.text(event.session_id.as_deref());
        self.rows.long(event.session_start());
        self.rows.long(values::safe_long(event.parsed.attribute(A::SessionDuration), event.source));
        self.rows.long(event.session_number());
        self.rows.long(event.long_if("_scroll", A::EngagementTime));
        self.attribute(event, A::ErrorCode);
        self.attribute(event, A::ErrorMessage);
        self.event_text(event, E::SdkVersion);
        self.event_text(event, E::SdkName);
        self.attribute(event, A::ExceptionMessage);
        self.attribute(event, A::ExceptionStack);
    }

    fn process_info(&mut self, event: &Event<'_>, run: &RunFacts) {
        let Some(map) = self.rows.map() else { return };
        event.origin(&mut self.scratch, &mut |key, value| map.entry(key, value));
        map.entry("process_job_id", Some(&run.job_id));
        map.entry("process_time", Some(&run.now));
        map.end(true);
    }
}

/// The ten traffic source columns, in the order all tables have them.
pub(crate) fn write_traffic(traffic: &TrafficSource, rows: &mut Rows) {
    for (_, value) in columns(traffic) {
        rows.text(value);
    }
}

/// A `process_info` map of the run alone and the given entries.
pub(crate) fn write_process_info(entries: &[(&str, Option<&str>)], run: &RunFacts, rows: &mut Rows) {
    let Some(map) = rows.map() else { return };
    for (key, value) in entries {
        map.entry(key, *value);
    }
    map.entry("process_job_id", Some(&run.job_id));
    map.entry("process_time", Some(&run.now));
    map.end(true);
}
