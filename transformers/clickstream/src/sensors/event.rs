//! From an event of Sensors Analytics to our columns.

use super::declared::{EVENT, IDENTITIES, ITEM, LIB, PROPERTIES};
use crate::custom::UserProperties;
use crate::event::Defect;
use crate::page::decode;
use crate::third_party::{Element, Format, ItemIndexes, Occurrence, Parameters, PropertiesWriter, Value, column_name};
use crate::values;
use std::borrow::Cow;

/// How these payloads are read.
pub(crate) static FORMAT: Format = Format {
    declared: &EVENT,
    name: EVENT.index_of("event"),
    takes_urls_apart: false,
    convert,
    parameters,
    properties,
    items: ItemIndexes {
        declared: &ITEM,
        list: EVENT.index_of("items"),
        id: ITEM.index_of("$item_id"),
        name: ITEM.index_of("$item_name"),
        price: ITEM.index_of("$price"),
    },
};

const DISTINCT_ID: usize = EVENT.index_of("distinct_id");
const ANONYMOUS_ID: usize = EVENT.index_of("anonymous_id");
const IDENTITIES_PLACE: usize = EVENT.index_of("identities");
const LIB_PLACE: usize = EVENT.index_of("lib");
const URL: usize = PROPERTIES.index_of("$url");
const REFERRER: usize = PROPERTIES.index_of("$referrer");
const PROPERTIES_PLACE: usize = EVENT.index_of("properties");
const ANDROID_ID: usize = IDENTITIES.index_of("$identity_android_id");
const LOGIN_ID: usize = IDENTITIES.index_of("$identity_login_id");

/// When the client says the event happened. One that is missing is 0 in the reference, and unknown by default.
fn client_time(element: &Element<'_>) -> Option<i64> {
    let time = element.object.long(const { EVENT.index_of("time") }, element.source);
    time.or_else(|| element.reference.then_some(0))
}

fn convert<'a>(element: &Element<'a>) -> Result<Occurrence<'a>, Defect> {
    let Element { object, source, request, .. } = *element;
    let Some(properties) = object.object(PROPERTIES_PLACE) else {
        return Err(Defect { reason: "missing_field", key: "properties".to_owned(), message: "must be there" });
    };
    let text = |key: usize| properties.text(key, source);
    let int = |key: usize| properties.int_or_zero(key, source);
    let os = text(const { PROPERTIES.index_of("$os") });
    let url = |key: usize| values::url(properties.value(key), source, properties.compat);
    let distinct_id = object.text(DISTINCT_ID, source);
    let login_id = object.object(IDENTITIES_PLACE).and_then(|identities| identities.text(LOGIN_ID, source));
    let lib = |key: usize| object.object(LIB_PLACE).and_then(|lib| lib.text(key, source));
    let network = text(const { PROPERTIES.index_of("$network_type") }).unwrap_or_else(|| {
        let wifi = properties.boolean(const { PROPERTIES.index_of("$wifi") }, source);
        Cow::Borrowed(if wifi { "WIFI" } else { "CELLULAR" })
    });
    let time = client_time(element);
    let agent = request.ua.as_deref().map(Cow::Borrowed);
    let (width, height) =
        (const { PROPERTIES.index_of("$screen_width") }, const { PROPERTIES.index_of("$screen_height") });
    Ok(Occurrence {
        id: format!(
            "{}-{}-{}",
            request.rid.as_deref().unwrap_or("null"),
            element.index,
            distinct_id.as_deref().unwrap_or("null")
        ),
        name: column_name(object.text(FORMAT.name, source).unwrap_or_default()),
        brand: text(const { PROPERTIES.index_of("$brand") }),
        model: text(const { PROPERTIES.index_of("$model") }),
        manufacturer: text(const { PROPERTIES.index_of("$manufacturer") }),
        carrier: text(const { PROPERTIES.index_of("$carrier") }),
        network_type: Some(network),
        platform: os.clone().unwrap_or(Cow::Borrowed("Web")),
        operating_system: os,
        operating_system_version: text(const { PROPERTIES.index_of("$os_version") }),
        vendor_id: text(const { PROPERTIES.index_of("$device_id") }),
        language: text(const { PROPERTIES.index_of("$browser_language") }),
        // Minutes in a column of seconds, and a city in the country's, as published tables have them.
        zone_offset: Some(int(const { PROPERTIES.index_of("$timezone_offset") })),
        country: text(const { PROPERTIES.index_of("$city") }),
        device_ua: Some(agent.clone().unwrap_or(Cow::Borrowed("null"))),
        screen: Some((int(width), int(height))),
        app_version: lib(const { LIB.index_of("$app_version") }),
        app_title: text(const { PROPERTIES.index_of("$app_name") }),
        page_referrer: decode(text(REFERRER)),
        page_referrer_title: decode(text(const { PROPERTIES.index_of("$referrer_title") })),
        page_title: decode(text(const { PROPERTIES.index_of("$title") })),
        page_url: decode(text(URL)),
        location: url(URL),
        referrer: url(REFERRER),
        engagement_msec: Some(
            properties.long(const { PROPERTIES.index_of("$event_duration") }, source).unwrap_or_default(),
        ),
        user_id: login_id.or_else(|| object.text(ANONYMOUS_ID, source)),
        user_pseudo_id: distinct_id,
        session_start: time,
        sdk_version: lib(const { LIB.index_of("$lib_version") }),
        sdk_name: lib(const { LIB.index_of("$lib") }),
        ua: agent,
        ip: request.ip.as_deref().map(Cow::Borrowed),
        first_touch: time.unwrap_or(request.ingest_time),
        is_first_open: properties.boolean(const { PROPERTIES.index_of("$is_first_time") }, source),
        ..Occurrence::default()
    })
}

fn parameters(element: &Element<'_>, parameters: &mut Parameters) {
    let Element { object, source, .. } = *element;
    let unknown_of = |key: usize| object.object(key).map_or(&[][..], |found| &found.unknown);
    for unknown in [&object.unknown, unknown_of(PROPERTIES_PLACE), unknown_of(LIB_PLACE)] {
        parameters.put_all(unknown, source);
    }
    if let Some(identities) = object.object(IDENTITIES_PLACE) {
        parameters.put("$identity_android_id", Value::Text(identities.value(ANDROID_ID)));
        parameters.put("$identity_login_id", Value::Text(identities.value(LOGIN_ID)));
    }
    if let Some(time) = client_time(element) {
        parameters.put("$time", Value::Number(time));
    }
    parameters.put("$distinct_id", Value::Text(object.value(DISTINCT_ID)));
    parameters.put("$anonymous_id", Value::Text(object.value(ANONYMOUS_ID)));
}

/// The keys of `properties` without a column whose names have `user` in them.
fn properties(element: &Element<'_>, writer: &mut PropertiesWriter) -> Option<UserProperties> {
    let properties = element.object.object(PROPERTIES_PLACE)?;
    writer.containing("user", &properties.unknown, element.source)
}
