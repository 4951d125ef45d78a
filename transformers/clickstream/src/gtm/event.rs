//! From an event of Google Tag Manager to our columns.

use super::declared::{
    BRAND, CLIENT_HINTS, EVENT, ITEM, LOCATION, SERVER_PROPERTIES, SYSTEM_PROPERTIES, USER, USER_PROPERTIES,
};
use super::user;
use crate::event::Defect;
use crate::page::decode;
use crate::third_party::{
    Declared, Element, Format, ItemIndexes, Occurrence, Parameters, Value, column_name, each_of_list, write_object,
};
use crate::values;
use etl_sdk::json::Kind;
use std::borrow::Cow;
use std::fmt::Write;

/// How these payloads are read.
pub(crate) static FORMAT: Format = Format {
    declared: &EVENT,
    name: EVENT.index_of("event_name"),
    takes_urls_apart: true,
    convert,
    parameters,
    properties: user::properties,
    items: ItemIndexes {
        declared: &ITEM,
        list: EVENT.index_of("items"),
        id: ITEM.index_of("item_id"),
        name: ITEM.index_of("item_name"),
        price: ITEM.index_of("price"),
    },
};

const CLIENT_HINTS_INDEX: usize = EVENT.index_of("client_hints");
const EVENT_LOCATION: usize = EVENT.index_of("event_location");
const SERVER: usize = EVENT.index_of("x-sst-system_properties");
const SYSTEM: usize = EVENT.index_of("x-ga-system_properties");
const LOCATION_OF_PAGE: usize = EVENT.index_of("page_location");
const REFERRER: usize = EVENT.index_of("page_referrer");
const REGION_OF_ADDRESS: usize = EVENT.index_of("x-ga-ur");

fn convert<'a>(element: &Element<'a>) -> Result<Occurrence<'a>, Defect> {
    let Element { object, source, request, .. } = *element;
    let text = |key: usize| object.text(key, source);
    user::check(element)?;
    let session_id = text(const { EVENT.index_of("ga_session_id") });
    let session_number = object.safe_long(const { EVENT.index_of("ga_session_number") }, source);
    let url = |key: usize| values::url(object.value(key), source, object.compat);
    let user_agent = text(const { EVENT.index_of("user_agent") });
    let server_start = object
        .object(SERVER)
        .and_then(|server| server.long(const { SERVER_PROPERTIES.index_of("request_start_time_ms") }, source));
    let mut event = Occurrence {
        id: event_id(element, session_id.as_deref(), session_number),
        name: column_name(text(FORMAT.name).unwrap_or_default()),
        value: Some(object.double(const { EVENT.index_of("value") }, source)),
        currency: text(const { EVENT.index_of("currency") }),
        language: text(const { EVENT.index_of("language") }),
        device_ua: user_agent.clone(),
        screen: screen(element)?,
        platform: Cow::Borrowed("Web"),
        page_referrer: decode(text(REFERRER)),
        page_title: decode(text(const { EVENT.index_of("page_title") })),
        page_url: decode(text(LOCATION_OF_PAGE)),
        location: url(LOCATION_OF_PAGE),
        referrer: url(REFERRER),
        engagement_msec: object.long(const { EVENT.index_of("engagement_time_msec") }, source),
        user_id: text(const { EVENT.index_of("user_id") }),
        user_pseudo_id: text(const { EVENT.index_of("client_id") }),
        session_id,
        session_start: server_start,
        session_number,
        ua: user_agent,
        ip: text(const { EVENT.index_of("ip_override") }),
        first_touch: server_start.filter(|start| *start > 0).unwrap_or(request.ingest_time),
        ..Occurrence::default()
    };
    device(element, &mut event)?;
    place(element, &mut event);
    if let Some(system) = object.object(SYSTEM) {
        let text = |key: usize| system.text(key, source);
        let first_visit = text(const { SYSTEM_PROPERTIES.index_of("fv") });
        event.is_first_open = first_visit.is_some_and(|fv| fv != "0" && !fv.eq_ignore_ascii_case("false"));
        event.is_session_start = text(const { SYSTEM_PROPERTIES.index_of("ss") }).is_some_and(|ss| ss == "1");
    }
    Ok(event)
}

/// `<rid>-<index>-<session id>-<session number or x>`; what is null is the word.
fn event_id(element: &Element<'_>, session_id: Option<&str>, session_number: Option<i64>) -> String {
    let rid = element.request.rid.as_deref().unwrap_or("null");
    let mut id = format!("{rid}-{}-{}-", element.index, session_id.unwrap_or("null"));
    // Writing to a String cannot fail.
    let _ = match session_number {
        Some(number) => write!(id, "{number}"),
        None => write!(id, "x"),
    };
    id
}

/// `1920x1080`; a text of more or fewer parts says nothing, and of two they must be numbers.
fn screen(element: &Element<'_>) -> Result<Option<(i32, i32)>, Defect> {
    const RESOLUTION: usize = EVENT.index_of("screen_resolution");
    let Some(text) = element.object.text(RESOLUTION, element.source) else { return Ok(None) };
    // Java drops empty parts at the end when it splits.
    let Some((width, height)) = text.trim_end_matches('x').split_once('x') else { return Ok(None) };
    if height.contains('x') {
        return Ok(None);
    }
    match (width.parse(), height.parse()) {
        (Ok(width), Ok(height)) => Ok(Some((width, height))),
        _ => Err(Defect { reason: "wrong_type", key: "screen_resolution".to_owned(), message: "no width and height" }),
    }
}

fn device<'a>(element: &Element<'a>, event: &mut Occurrence<'a>) -> Result<(), Defect> {
    let source = element.source;
    let Some(hints) = element.object.object(CLIENT_HINTS_INDEX) else { return Ok(()) };
    let text = |key: usize| hints.text(key, source);
    let platform = text(const { CLIENT_HINTS.index_of("platform") });
    let platform_version = text(const { CLIENT_HINTS.index_of("platform_version") });
    let of_list = |key: usize, first: bool| {
        let mut found = None;
        // The array has been read before, under the payload's depth.
        let _ = each_of_list(hints.value(key), &BRAND, source, u32::MAX, hints.compat, |brand, text| {
            if !first || found.is_none() {
                let texts = [const { BRAND.index_of("brand") }, const { BRAND.index_of("version") }]
                    .map(|key| brand.text(key, text).map(|text| Cow::Owned(text.into_owned())));
                found = Some((brand.token.kind == Kind::Object, texts));
            }
        });
        match found {
            Some((false, _)) if element.reference => {
                Err(Defect { reason: "wrong_type", key: "client_hints".to_owned(), message: "a brand that is null" })
            }
            found => Ok(found.map(|(_, texts)| texts)),
        }
    };
    if let Some([brand, _]) = of_list(const { CLIENT_HINTS.index_of("brands") }, true)? {
        event.brand = brand;
        event.model = text(const { CLIENT_HINTS.index_of("model") });
    }
    if let Some([browser, version]) = of_list(const { CLIENT_HINTS.index_of("full_version_list") }, false)? {
        event.ua_browser = browser;
        event.ua_browser_version = version;
        event.ua_os.clone_from(&platform);
        event.ua_os_version.clone_from(&platform_version);
    }
    if let Some(name) = &platform {
        let bare: String = name.chars().filter(|char| char.is_ascii_alphanumeric() || *char == '_').collect();
        event.platform = Cow::Owned(bare);
    } else if hints.boolean(const { CLIENT_HINTS.index_of("mobile") }, source) {
        event.platform = Cow::Borrowed("Mobile");
    }
    event.operating_system = platform;
    event.operating_system_version = platform_version;
    Ok(())
}

/// Country and region.
fn place<'a>(element: &Element<'a>, event: &mut Occurrence<'a>) {
    let Element { object, source, .. } = *element;
    if let Some(location) = object.object(EVENT_LOCATION) {
        event.country = location.text(const { LOCATION.index_of("country") }, source);
        event.region = location.text(const { LOCATION.index_of("region") }, source);
    } else if let Some(server) = object.object(SERVER) {
        event.country = server.text(const { SERVER_PROPERTIES.index_of("uc") }, source);
    }
    if event.region.is_none() {
        event.region = object.text(REGION_OF_ADDRESS, source);
    }
}

fn parameters(element: &Element<'_>, parameters: &mut Parameters) {
    let Element { object, source, .. } = *element;
    parameters.begin_with(&object.unknown, source);
    for (name, key) in [
        ("client_id", const { EVENT.index_of("client_id") }),
        ("ip_override", const { EVENT.index_of("ip_override") }),
        ("screen_resolution", const { EVENT.index_of("screen_resolution") }),
        ("user_agent", const { EVENT.index_of("user_agent") }),
    ] {
        parameters.put(name, Value::Text(object.value(key)));
    }
    let region = object.value(REGION_OF_ADDRESS);
    if region.is_present() {
        parameters.put("x-ga-ur", Value::Text(region));
    }
    let typed: [(&'static str, usize, &'static Declared); 5] = [
        ("client_hints", CLIENT_HINTS_INDEX, &CLIENT_HINTS),
        ("event_location", EVENT_LOCATION, &LOCATION),
        ("x-ga-system_properties", SYSTEM, &SYSTEM_PROPERTIES),
        ("x-sst-system_properties", SERVER, &SERVER_PROPERTIES),
        ("x-ga-mp2-user_properties", USER, &USER_PROPERTIES),
    ];
    for (name, key, declared) in typed {
        if let Some(found) = object.object(key) {
            parameters.put_json(name, |order, out| write_object(found, declared, source, order, out));
        }
    }
}
