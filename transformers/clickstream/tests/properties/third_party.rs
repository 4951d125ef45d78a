//! Requests of Google Tag Manager and Sensors Analytics, whole and damaged.

use crate::{NOW, Random, damage, swap_a_value, zipped};
use base64_simd::STANDARD;
use serde_json::{Value, json};

fn tag(random: &mut Random) -> Value {
    let name = random.of(&["page_view", "login", "user_engagement", "select_item", ""]);
    json!({
        "event_name": name, "client_id": format!("c{}", random.below(6)), "ga_session_id": format!("s{}", random.below(3)),
        "ga_session_number": random.below(9), "value": random.of(&[json!(1.10), json!("2.5"), Value::Null]),
        "page_location": format!("https://tags.example/p?x={}&gclid=g", random.below(4)),
        "page_referrer": random.of(&["https://www.google.com/?q=shoes", "https://tags.example/", "no url"]),
        "screen_resolution": random.of(&["3x4", "3xx4", ""]), "user_agent": "agent", "ip_override": "192.0.2.1",
        "client_hints": {"brands": [{"brand": "B", "version": "1"}], "platform": "\"macOS\"", "mobile": true, "odd": [1.50],
            "full_version_list": [{"brand": "B"}]},
        "event_location": {"country": "US"}, "x-ga-ur": "US-TX",
        "x-ga-system_properties": {"ss": random.of(&["1", "0"]), "fv": random.of(&["1", "0"])},
        "x-sst-system_properties": {"tft": "5", "request_start_time_ms": NOW - 5, "consent": {"consentGrantedState": {}}},
        "x-ga-mp2-user_properties": {"age": 5, "username": format!("n{}", random.below(3)), "plan": {"deep": [true]}},
        "items": [{"item_id": format!("i{}", random.below(3)), "price": 1.5, "size": "L"}, {"item_id": ""}, null],
        "extra": "中文😀\u{1}\"\\",
    })
}

fn sense(random: &mut Random) -> Value {
    json!({
        "event": random.of(&["view", "login", "", "click"]), "distinct_id": format!("d{}", random.below(6)), "time": NOW - 5,
        "anonymous_id": "a", "identities": {"$identity_login_id": format!("l{}", random.below(3))},
        "lib": {"$lib": "js", "$lib_version": "1", "more": [1]},
        "properties": {"$os": random.of(&["iOS", "Android"]), "$screen_width": 5, "$is_first_time": random.below(2) == 0,
            "$url": "https://senses.example/", "$title": "C%20D", "user_level": random.below(3), "colour": "red"},
        "items": [{"$item_id": format!("i{}", random.below(3)), "$price": 1.5}, {"size": 1}],
    })
}

/// One event of an app's program.
fn event(app: &str, random: &mut Random) -> Value {
    if app == "tags" { tag(random) } else { sense(random) }
}

/// A payload as an app's program sends it.
fn data(app: &str, events: Value, random: &mut Random) -> Value {
    let text = events.to_string();
    let escaped = |base64: String| base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    match random.below(3) {
        0 => events,
        1 if app == "senses" => json!(format!("crc=1&data_list={}", escaped(zipped(&text)))),
        2 if app == "senses" => json!(format!("data={}&ext=1", escaped(STANDARD.encode_to_string(&text)))),
        _ => json!(text),
    }
}

fn line(app: &str, request: usize, data: &Value) -> Value {
    json!({"appId": app, "ingest_time": NOW + request as i64 % 7 * 1_000, "rid": format!("r{request}"), "ua": "agent",
        "ip": "1.2.3.4", "data": data})
}

/// Requests of both programs in every encoding.
pub fn payloads(random: &mut Random, count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|request| {
            let app = *random.of(&["tags", "senses"]);
            let count = random.below(4);
            let events = if count == 1 {
                event(app, random)
            } else {
                Value::Array((0..count).map(|_| event(app, random)).collect())
            };
            let data = data(app, events, random);
            line(app, request, &data).to_string().into_bytes()
        })
        .collect()
}

/// Bytes are changed, cut or replaced in the line, or values in its events behind every encoding.
pub fn damaged(record: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = record.to_vec();
    let kind = random.below(6);
    if kind <= 2 {
        damage(&mut bytes, kind, random);
    } else {
        let app = *random.of(&["tags", "senses"]);
        let mut events = json!([event(app, random), event(app, random), event(app, random)]);
        for _ in 0..=random.below(3) {
            swap_a_value(&mut events, random);
        }
        let data = data(app, events, random);
        let mut line = line(app, random.below(40), &data);
        if random.below(4) == 0 {
            swap_a_value(&mut line, random);
        }
        bytes = line.to_string().into_bytes();
    }
    bytes
}
