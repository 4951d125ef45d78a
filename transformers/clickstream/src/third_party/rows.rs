//! The row of `event_v2` of a third party's event.

use super::occurrence::Visit;
use super::parameters::Parameters;
use crate::event_row::{RunFacts, write_traffic};
use crate::rows::Rows;

/// One row, a line per column or group of columns, in the order of `schemas/clickstream/event_v2.json`.
pub(crate) fn write_event(
    visit: &Visit<'_>,
    parameters: &mut Parameters,
    source: &str,
    run: &RunFacts,
    rows: &mut Rows,
) {
    let event = visit.occurrence;
    rows.timestamp(visit.time());
    rows.text(Some(visit.id));
    rows.long(Some(visit.time()));
    rows.text(Some(visit.name));
    rows.double(event.value);
    rows.text(event.currency.as_deref());
    rows.nulls(1); // event_bundle_sequence_id
    rows.long(Some(visit.request.ingest_time));
    write_device(visit, rows);
    rows.nulls(2); // continents: filled by an enrichment, as metro and city
    rows.text(event.country.as_deref());
    rows.text(event.region.as_deref());
    rows.nulls(3);
    write_traffic(&event.traffic, rows);
    rows.nulls(2); // user_first_touch_time_msec, app_package_id
    rows.text(event.app_version.as_deref());
    rows.text(event.app_title.as_deref());
    rows.nulls(1); // app_install_source
    rows.text(Some(&event.platform));
    rows.text(Some(&run.project_id));
    rows.text(Some(visit.app_id));
    rows.nulls(9); // screen_view_
    write_page(visit, rows);
    rows.nulls(10); // app starts, upgrades, searches, outbound links
    rows.long(event.engagement_msec);
    rows.text(event.user_id.as_deref());
    rows.text(event.user_pseudo_id.as_deref());
    rows.text(event.session_id.as_deref());
    rows.long(event.session_start);
    rows.nulls(1); // session_duration
    rows.long(event.session_number);
    rows.nulls(3); // scroll_engagement_time_msec, sdk_error_
    rows.text(event.sdk_version.as_deref());
    rows.text(event.sdk_name.as_deref());
    rows.nulls(2); // app_exception_
    parameters.write(source, visit.is_copy, rows);
    write_process_info(visit, run, rows);
    rows.text(event.ua.as_deref());
    rows.text(event.ip.as_deref());
    rows.timestamp(run.now_msec);
    rows.long(Some(visit.sequence));
    rows.end_row();
}

fn write_device(visit: &Visit<'_>, rows: &mut Rows) {
    let event = visit.occurrence;
    for text in [
        &event.brand,
        &event.model,
        &event.manufacturer,
        &event.carrier,
        &event.network_type,
        &event.operating_system,
        &event.operating_system_version,
        &event.vendor_id,
    ] {
        rows.text(text.as_deref());
    }
    rows.nulls(1); // device_advertising_id
    rows.text(event.language.as_deref());
    rows.int(event.zone_offset);
    for text in [&event.ua_browser, &event.ua_browser_version, &event.ua_os, &event.ua_os_version] {
        rows.text(text.as_deref());
    }
    rows.nulls(2); // device_ua_device and its category: filled by an enrichment
    if let Some(map) = rows.map() {
        if let Some(agent) = &event.device_ua {
            map.entry("string", Some(agent));
        }
        map.end(event.device_ua.is_some());
    }
    let screen = event.screen.filter(|_| !visit.is_copy);
    rows.int(screen.map(|(width, _)| width));
    rows.int(screen.map(|(_, height)| height));
    rows.nulls(2); // device_viewport_
}

fn write_page(visit: &Visit<'_>, rows: &mut Rows) {
    let event = visit.occurrence;
    rows.text(event.page_referrer.as_deref());
    rows.text(event.page_referrer_title.as_deref());
    rows.nulls(2); // page_view_previous_time_msec, page_view_engagement_time_msec
    rows.text(event.page_title.as_deref());
    rows.text(event.page_url.as_deref());
    let page = event.page.as_deref();
    rows.text(page.and_then(|page| page.path.as_deref()));
    if let Some(map) = rows.map() {
        let query = page.and_then(|page| page.query.as_ref());
        for (key, value) in query.into_iter().flatten() {
            map.entry(key, Some(value));
        }
        map.end(query.is_some());
    }
    rows.text(page.and_then(|page| page.host.as_deref()));
    rows.nulls(3); // page_view_latest_referrer and its host, page_view_entrances
}

fn write_process_info(visit: &Visit<'_>, run: &RunFacts, rows: &mut Rows) {
    let Some(map) = rows.map() else { return };
    map.entry("rid", visit.request.rid.as_deref());
    map.entry("ingest_time", Some(visit.request.ingested));
    map.entry("input_file_name", Some(visit.request.input_file));
    map.entry("process_job_id", Some(&run.job_id));
    map.entry("process_time", Some(&run.now));
    map.end(true);
}
