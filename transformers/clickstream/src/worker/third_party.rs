//! Requests of third parties: their elements one by one to events, items, users and sessions.

use crate::event::Defect;
use crate::event_row::Request;
use crate::held::Observed;
use crate::record::RequestLine;
use crate::steps::{ITEMS, PARSE, PAYLOAD, VALIDATE, reject_element, reject_record};
use crate::tables::EVENT;
use crate::third_party::{
    Element, Elements, Format, ItemWriter, Next, Object, Occurrence, Visit, count_elements, write_event,
};
use crate::traffic::Resolved;
use crate::writer::{TIMES, Tables};
use crate::{gtm, nested, sensors};
use etl_sdk::json::{Fault, Kind};
use etl_sdk::{Output, RawRecord, Result};

/// Reason and message of a request's dead letter.
type Unreadable = (&'static str, String);

/// What all elements of a request have in common.
#[derive(Clone, Copy)]
struct Batch<'a> {
    format: &'static Format,
    request: &'a Request<'a>,
    app_id: &'a str,
    payload: &'a str,
    depth: u32,
}

/// What the rows of a third party's request take from its line.
pub(super) fn request<'a>(
    found: &RequestLine,
    line: &'a str,
    ingest_time: i64,
    ingested: &'a str,
    record: &'a RawRecord<'_>,
) -> Request<'a> {
    Request {
        rid: nested::line_text(found.rid, line),
        ua: nested::line_text(found.ua, line),
        ip: nested::line_text(found.ip, line),
        ingest_time,
        ingested,
        input_file: &record.object.uri,
        bundle_sequence_id: None,
        upload: None,
        upload_in_uri: None,
        has_app: true,
    }
}

impl Tables {
    /// Takes a request of Google Tag Manager: plain JSON.
    pub(super) fn take_gtm(
        &mut self,
        record: &RawRecord<'_>,
        request: &Request<'_>,
        app_id: &str,
        data: &str,
        out: &mut Output,
    ) -> Result<Result<()>, Unreadable> {
        let payload = data.trim_matches(|character: char| character <= ' ');
        let depth = self.settings.config.depth;
        self.take_payload(record, &Batch { format: &gtm::FORMAT, request, app_id, payload, depth }, out)
    }

    /// Takes a request of Sensors Analytics: JSON or a form. The reference leaves out what it cannot read without a
    /// trace.
    pub(super) fn take_sensors(
        &mut self,
        record: &RawRecord<'_>,
        request: &Request<'_>,
        app_id: &str,
        payload: Result<&str, Unreadable>,
        out: &mut Output,
    ) -> Result<Result<()>, Unreadable> {
        let depth = self.settings.config.depth;
        let taken = payload.and_then(|payload| {
            self.take_payload(record, &Batch { format: &sensors::FORMAT, request, app_id, payload, depth }, out)
        });
        match taken {
            Err((reason, _)) if self.compat.is_reference() => {
                out.filter(PAYLOAD, reason, 1);
                Ok(Ok(()))
            }
            taken => taken,
        }
    }

    fn take_payload(
        &mut self,
        record: &RawRecord<'_>,
        batch: &Batch<'_>,
        out: &mut Output,
    ) -> Result<Result<()>, Unreadable> {
        let broken = |fault: Fault| ("payload_not_json", format!("the payload is not JSON: {fault}"));
        let count = if batch.payload.is_empty() {
            0
        } else {
            count_elements(batch.payload, batch.depth, self.compat).map_err(broken)?
        };
        if count == 0 {
            out.filter(PAYLOAD, "empty_payload", 1);
            return Ok(Ok(()));
        }
        let wanted = (0..count).filter(|index| record.wants(*index)).count() as u64;
        if wanted == 0 {
            out.filter(PAYLOAD, "no_such_element", 1);
            return Ok(Ok(()));
        }
        // Taken out, so that the tables can be written while it is read.
        let mut element = std::mem::take(&mut self.third_party.element);
        let taken = self.take_batch(record, batch, wanted, &mut element, out);
        self.third_party.element = element;
        taken.map_err(broken)
    }

    fn take_batch(
        &mut self,
        record: &RawRecord<'_>,
        batch: &Batch<'_>,
        wanted: u64,
        object: &mut Object,
        out: &mut Output,
    ) -> Result<Result<()>, Fault> {
        if self.compat.is_reference()
            && let Some((index, defect)) = self.first_defect(batch, object)?
        {
            // In the reference one element that cannot be read takes its whole request with it.
            reject_record(record, "bad_element", format!("element {index}: {defect}"), out);
            return Ok(Ok(()));
        }
        self.counters.payload.added += wanted - 1;
        self.counters.payload.kept += wanted;
        let mut elements = Elements::new(batch.payload, batch.depth)?;
        for index in 0.. {
            self.numbers_of_object += 1;
            if !record.wants(index) {
                if elements.skip()? {
                    continue;
                }
                break;
            }
            let next = elements.next(batch.format.declared, object)?;
            if next == Next::End {
                break;
            }
            let too_deep = next == Next::TooDeep;
            if let Err(error) = self.take_element(record, batch, object, index, too_deep, out) {
                return Ok(Err(error));
            }
        }
        // The end is no element.
        self.numbers_of_object -= 1;
        Ok(Ok(()))
    }

    fn take_element(
        &mut self,
        record: &RawRecord<'_>,
        batch: &Batch<'_>,
        object: &Object,
        index: u32,
        too_deep: bool,
        out: &mut Output,
    ) -> Result<()> {
        let element = Element {
            object,
            source: batch.payload,
            request: batch.request,
            index,
            reference: self.compat.is_reference(),
        };
        let mut reject = |step, defect: &Defect| {
            let raw = object.token.raw(batch.payload);
            reject_element(record.address(Some(index)), step, defect.reason, described(defect), raw, out);
        };
        self.counters.validate.read += 1;
        if let Some(defect) = shape_defect(&element, batch, too_deep) {
            reject(VALIDATE, &defect);
            return Ok(());
        }
        self.counters.validate.kept += 1;
        // Neither age nor app leaves out an event of a third party.
        self.counters.filter.read += 1;
        self.counters.filter.kept += 1;
        self.counters.parse.read += 1;
        if object.text(batch.format.name, batch.payload).is_none_or(|name| name.is_empty()) {
            out.filter(PARSE, "no_event_name", 1);
            return Ok(());
        }
        if !TIMES.contains(&batch.request.ingest_time) {
            let message = "outside of the years 0 to 9999";
            reject(PARSE, &Defect { reason: "timestamp_out_of_range", key: "ingest_time".to_owned(), message });
            return Ok(());
        }
        match (batch.format.convert)(&element) {
            Err(defect) => {
                reject(PARSE, &defect);
                Ok(())
            }
            Ok(mut event) => {
                if batch.format.takes_urls_apart {
                    event.page = event.location.as_deref().map(|url| self.pages.get(url));
                }
                match self.traffic_of(batch, &event) {
                    Ok(traffic) => event.traffic = traffic,
                    Err(refusal) => {
                        let raw = object.token.raw(batch.payload);
                        let (reason, message) = (refusal.reason(), refusal.to_string());
                        reject_element(record.address(Some(index)), PARSE, reason, message, raw, out);
                        return Ok(());
                    }
                }
                self.write_visits(&element, batch, &event, out)
            }
        }
    }

    /// The first element that the reference could not convert: elements without a name are passed over before they are.
    fn first_defect(&mut self, batch: &Batch<'_>, object: &mut Object) -> Result<Option<(u32, String)>, Fault> {
        let mut elements = Elements::new(batch.payload, batch.depth)?;
        for index in 0.. {
            let next = elements.next(batch.format.declared, object)?;
            if next == Next::End {
                break;
            }
            let element = Element { object, source: batch.payload, request: batch.request, index, reference: true };
            if let Some(defect) = shape_defect(&element, batch, next == Next::TooDeep) {
                return Ok(Some((index, described(&defect))));
            }
            if object.text(batch.format.name, batch.payload).is_none_or(|name| name.is_empty()) {
                continue;
            }
            let converted = (batch.format.convert)(&element).map_err(|defect| described(&defect));
            let resolved = converted.map(|event| self.traffic_of(batch, &event).map_err(|refusal| refusal.to_string()));
            if let Err(defect) | Ok(Err(defect)) = resolved {
                return Ok(Some((index, defect)));
            }
        }
        Ok(None)
    }

    fn traffic_of(&mut self, batch: &Batch<'_>, event: &Occurrence<'_>) -> Resolved {
        self.traffic.resolve_page(batch.app_id, event.location.as_deref(), event.referrer.as_deref())
    }

    /// Writes the main event, its extra ones, its items, and what it says of its user and session.
    fn write_visits(
        &mut self,
        element: &Element<'_>,
        batch: &Batch<'_>,
        occurrence: &Occurrence<'_>,
        out: &mut Output,
    ) -> Result<()> {
        let main = Visit {
            request: batch.request,
            app_id: batch.app_id,
            occurrence,
            id: &occurrence.id,
            name: &occurrence.name,
            is_copy: false,
            sequence: self.sequence(),
        };
        let third_party = &mut self.third_party;
        third_party.parameters.clear();
        (batch.format.parameters)(element, &mut third_party.parameters);
        self.counters.parse.kept += 1;
        write_event(&main, &mut third_party.parameters, element.source, &self.run, &mut self.events.rows);
        let mut writer = ItemWriter {
            visit: main,
            indexes: batch.format.items,
            run: &self.run,
            custom: &mut third_party.items,
            rows: &mut self.items.rows,
            out: &mut *out,
        };
        let items = writer.write(element)?;
        self.numbers_of_object += items.read as i64;
        self.counters.items.added += items.read;
        self.counters.items.kept += items.read - items.without_id;
        out.filter(ITEMS, "no_item_id", items.without_id);
        let properties = &mut third_party.properties;
        let observed = self.users.observe_visit(&main, || (batch.format.properties)(element, properties));
        self.counters.users.added += u64::from(observed != Observed::Ignored);
        self.counters.users_merged += u64::from(observed == Observed::Merged);
        self.observe_session(&main);
        for (name, id_end) in occurrence.extras() {
            self.numbers_of_object += 1;
            let id = format!("{}{id_end}", occurrence.id);
            let extra = Visit { id: &id, name, is_copy: true, sequence: self.sequence(), ..main };
            self.counters.parse.added += 1;
            self.counters.parse.kept += 1;
            let parameters = &mut self.third_party.parameters;
            write_event(&extra, parameters, element.source, &self.run, &mut self.events.rows);
            self.observe_session(&extra);
            if self.events.rows.is_full() {
                out.batch(EVENT, self.events.rows.finish()?);
            }
        }
        self.hand_over(out)
    }

    fn observe_session(&mut self, visit: &Visit<'_>) {
        let observed = self.sessions.observe_visit(visit);
        self.counters.sessions.added += u64::from(observed != Observed::Ignored);
        self.counters.sessions_merged += u64::from(observed == Observed::Merged);
    }
}

/// Why an element has not the shape of an event.
fn shape_defect(element: &Element<'_>, batch: &Batch<'_>, too_deep: bool) -> Option<Defect> {
    let whole = |reason, message| Some(Defect { reason, key: String::new(), message });
    if too_deep {
        return whole("too_deep", "the element is nested deeper than the limit");
    }
    if element.object.token.kind != Kind::Object {
        return whole("not_an_object", "the element is no object");
    }
    element.object.misfit(batch.format.declared, element.source, batch.depth)
}

fn described(defect: &Defect) -> String {
    match defect.key.as_str() {
        "" => defect.message.to_owned(),
        key => format!("`{key}`: {}", defect.message),
    }
}

#[cfg(test)]
mod tests;
