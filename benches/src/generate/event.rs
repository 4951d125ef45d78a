//! The JSON of one event, as the SDKs send it.

use super::damage::EventDamage;
use super::device::{Platform, write_uuid};
use super::session::{Kind, Session};
use crate::random::Random;
use std::fmt::Write;

/// Appends formatted text; writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {{ let _ = write!($out, $($text)*); }};
}

const PRODUCTS: [(&str, &str, &str, u32); 8] = [
    ("Gooseneck kettle", "kitchen", "Kessel & Co", 5_999),
    ("Hand grinder", "kitchen", "Mahlwerk", 8_950),
    ("French press", "kitchen", "Kessel & Co", 3_299),
    ("Rail pass", "travel", "Nordbahn", 24_900),
    ("Rain jacket \u{201c}Fjord\u{201d}", "outdoor", "Regen", 12_999),
    ("Notebook, dotted", "paper", "Blatt", 1_250),
    ("Desk lamp", "home", "Lumen", 4_490),
    ("\u{8336}\u{58f6}", "kitchen", "Yixing", 7_800),
];

/// What was written, for the totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Elements of `items`.
    pub items: u32,
}

/// Appends the JSON object of an event that happens now in its session.
pub fn write_event(
    out: &mut String,
    session: &Session,
    kind: Kind,
    damage: Option<EventDamage>,
    random: &mut Random,
) -> Written {
    let user = &session.user;
    put!(out, "{{\"event_type\":\"{}\"", kind.name(user.platform));
    if damage != Some(EventDamage::MissingEventId) {
        out.push_str(",\"event_id\":\"");
        write_uuid(out, random);
        out.push('"');
    }
    match damage {
        Some(EventDamage::NullAppId) => out.push_str(",\"app_id\":null"),
        Some(EventDamage::ForeignApp) => out.push_str(",\"app_id\":\"somebody-else\""),
        _ => put!(out, ",\"app_id\":\"{}\"", user.app),
    }
    match damage {
        Some(EventDamage::TextTimestamp) => put!(out, ",\"timestamp\":\"{}\"", session.clock),
        Some(EventDamage::Stale) => put!(out, ",\"timestamp\":{}", session.clock - 30 * crate::calendar::DAY_MSEC),
        Some(EventDamage::Future) => put!(out, ",\"timestamp\":{}", session.clock + 900 * crate::calendar::DAY_MSEC),
        _ => put!(out, ",\"timestamp\":{}", session.clock),
    }
    write_device(out, session);
    let items = write_items(out, kind, random);
    match damage {
        Some(EventDamage::UserText) => out.push_str(",\"user\":\"somebody\""),
        _ => write_user(out, session, kind),
    }
    match damage {
        Some(EventDamage::AttributesArray) => out.push_str(",\"attributes\":[1,2]"),
        _ => write_attributes(out, session, kind, random),
    }
    out.push('}');
    Written { items }
}

fn write_device(out: &mut String, session: &Session) {
    let user = &session.user;
    let (locale, language, country) = user.locale;
    let (width, height) = user.screen;
    put!(
        out,
        ",\"device_id\":\"d-{0}\",\"unique_id\":\"{0}\",\"locale\":\"{locale}\",\"system_language\":\"{language}\",\
         \"country_code\":\"{country}\",\"zone_offset\":{1},\"make\":\"{2}\",\"screen_width\":{width},\
         \"screen_height\":{height},\"sdk_name\":\"aws-solution-clickstream-sdk\"",
        user.pseudo_id,
        user.zone_offset,
        user.make
    );
    match user.platform {
        Platform::Web => {
            out.push_str(",\"platform\":\"Web\",\"sdk_version\":\"0.12.3\",\"host_name\":\"");
            session.write_host(out);
            put!(out, "\",\"viewport_width\":{},\"viewport_height\":{}", width - 17, height - 141);
        }
        platform => put!(
            out,
            ",\"platform\":\"{}\",\"sdk_version\":\"0.13.{}\",\"brand\":\"{}\",\"model\":\"{}\",\"os_version\":\"{}\",\
             \"carrier\":\"Mobile {}\",\"network_type\":\"{}\",\"app_version\":\"3.{}.0\",\
             \"app_package_name\":\"example.{}\",\"app_title\":\"{}\"",
            if platform == Platform::Android { "Android" } else { "iOS" },
            user.number % 3,
            user.make,
            user.model,
            user.os_version,
            user.number % 5,
            if user.number.is_multiple_of(3) { "Mobile" } else { "WIFI" },
            user.number % 9,
            user.app,
            user.app
        ),
    }
}

fn write_items(out: &mut String, kind: Kind, random: &mut Random) -> u32 {
    let count = match kind {
        Kind::Item => 1 + random.below(2) as u32,
        Kind::Purchase => 1 + random.below(4) as u32,
        _ => return 0,
    };
    let mut total = 0;
    out.push_str(",\"items\":[");
    for place in 0..count {
        let number = random.skewed(500);
        let (name, category, brand, cents) = PRODUCTS[(number % PRODUCTS.len() as u64) as usize];
        let quantity = 1 + random.skewed(5) as u32;
        total += cents * quantity;
        put!(
            out,
            "{}{{\"id\":\"sku-{number}\",\"name\":\"{name}\",\"category\":\"{category}\",\"brand\":\"{brand}\",\
             \"price\":{}.{:02},\"quantity\":{quantity},\"currency\":\"EUR\",\"category2\":\"sale\",\
             \"creative_slot\":\"slot-{place}\",\"color\":\"{}\"}}",
            if place == 0 { "" } else { "," },
            cents / 100,
            cents % 100,
            ["red", "blue", "steel"][(number % 3) as usize]
        );
    }
    out.push(']');
    if kind == Kind::Purchase {
        put!(out, ",\"event_value\":{}.{:02},\"event_value_currency\":\"EUR\"", total / 100, total % 100);
    }
    count
}

fn write_user(out: &mut String, session: &Session, kind: Kind) {
    let user = &session.user;
    let set = user.first_touch;
    put!(out, ",\"user\":{{\"_user_first_touch_timestamp\":{{\"value\":{set},\"set_timestamp\":{set}}}");
    if user.signed_in {
        put!(out, ",\"_user_id\":{{\"value\":\"u-{}\",\"set_timestamp\":{set}}}", user.number);
    }
    if user.signed_in || kind == Kind::ProfileSet {
        put!(
            out,
            ",\"_user_name\":{{\"value\":\"Name {0}\",\"set_timestamp\":{1}}},\"_user_age\":{{\"value\":{2},\
             \"set_timestamp\":{1}}},\"member_level\":{{\"value\":\"{3}\",\"set_timestamp\":{1}}},\
             \"points\":{{\"value\":{0}.5,\"set_timestamp\":{1}}}",
            user.number,
            session.start,
            18 + user.number % 60,
            ["none", "silver", "gold"][(user.number % 3) as usize]
        );
    }
    out.push('}');
}

fn write_attributes(out: &mut String, session: &Session, kind: Kind, random: &mut Random) {
    put!(
        out,
        ",\"attributes\":{{\"_session_id\":\"{}\",\"_session_start_timestamp\":{},\"_session_number\":{},\
         \"_session_duration\":{}",
        session.id,
        session.start,
        session.number,
        session.clock - session.start
    );
    match session.user.platform {
        Platform::Web => write_page(out, session, kind),
        _ => write_screen(out, session, kind),
    }
    match kind {
        Kind::Engagement | Kind::Scroll => {
            put!(out, ",\"_engagement_time_msec\":{}", 1_000 + random.below(60_000));
        }
        Kind::Click => put!(
            out,
            ",\"_link_url\":\"https://partner{0}.example.net/offer/{0}\",\"_link_domain\":\"partner{0}.example.net\",\
             \"_link_classes\":\"btn btn-primary\",\"_link_id\":\"offer-{0}\",\"_outbound\":true",
            random.skewed(30)
        ),
        Kind::Search => {
            put!(out, ",\"_search_key\":\"q\",\"_search_term\":\"kettle {}\"", random.skewed(200));
        }
        Kind::Purchase => put!(
            out,
            ",\"order_id\":\"o-{}\",\"payment\":{{\"method\":\"card\",\"installments\":{}}},\"gift\":{}",
            random.below(1 << 40),
            1 + random.below(3),
            random.chance(0.1)
        ),
        _ => {}
    }
    put!(
        out,
        ",\"experiment\":\"variant-{}\",\"load_ms\":{}.{},\"cart_size\":{}}}",
        random.below(4),
        random.below(900),
        1 + random.below(9),
        random.skewed(12)
    );
}

fn write_page(out: &mut String, session: &Session, kind: Kind) {
    let page = session.page;
    put!(out, ",\"_page_title\":\"{} | {}\",\"_page_url\":\"", page.title, session.user.app);
    session.write_url(out, page, session.is_entrance());
    out.push('"');
    match session.previous {
        Some((previous, opened)) => {
            out.push_str(",\"_page_referrer\":\"");
            session.write_url(out, previous, false);
            put!(out, "\",\"_page_referrer_title\":\"{} | {}\"", previous.title, session.user.app);
            if kind == Kind::View {
                put!(out, ",\"_previous_timestamp\":{opened},\"_engagement_time_msec\":{}", session.clock - opened);
            }
        }
        None => put!(out, ",\"_page_referrer\":\"{}\",\"_page_referrer_title\":\"\"", session.referrer),
    }
    if !session.referrer.is_empty() {
        let host = session.referrer.split('/').nth(2).unwrap_or_default();
        put!(out, ",\"_latest_referrer\":\"{}\",\"_latest_referrer_host\":\"{host}\"", session.referrer);
    }
    if kind == Kind::View {
        put!(out, ",\"_entrances\":{}", session.is_entrance());
    }
}

fn write_screen(out: &mut String, session: &Session, kind: Kind) {
    let page = session.page;
    put!(
        out,
        ",\"_screen_name\":\"{}\",\"_screen_id\":\"example.screens{}\",\"_screen_unique_id\":\"s{}\"",
        page.title,
        page.path,
        page.number
    );
    if let Some((previous, opened)) = session.previous {
        put!(
            out,
            ",\"_previous_screen_name\":\"{}\",\"_previous_screen_id\":\"example.screens{}\",\
             \"_previous_screen_unique_id\":\"s{}\"",
            previous.title,
            previous.path,
            previous.number
        );
        if kind == Kind::View {
            put!(out, ",\"_previous_timestamp\":{opened},\"_engagement_time_msec\":{}", session.clock - opened);
        }
    }
    if kind == Kind::View {
        put!(out, ",\"_entrances\":{}", session.is_entrance());
    }
    if session.user.number.is_multiple_of(5) {
        out.push_str(
            ",\"_traffic_source_source\":\"partner\",\"_traffic_source_medium\":\"referral\",\
             \"_traffic_source_campaign\":\"spring\",\"_channel\":\"store\"",
        );
    }
    if session.user.platform == Platform::Android {
        out.push_str(",\"_app_install_channel\":\"play\"");
    }
}
