//! Clickstream events and requests as an ingestion server writes them.

use serde_json::{Value, json};

/// 2026-11-20T05:00:00Z, in milliseconds.
pub const START: i64 = 1_795_150_800_000;

/// A page view of the app `shop`, `at` milliseconds after [`START`]. The id tells user and session apart.
pub fn event(id: &str, at: i64) -> Value {
    json!({
        "event_type": "_page_view",
        "event_id": id,
        "app_id": "shop",
        "timestamp": START + at,
        "device_id": "device-1",
        "unique_id": format!("visitor-{id}"),
        "platform": "Web",
        "user": {"_user_first_touch_timestamp": {"value": START, "set_timestamp": START}},
        "attributes": {
            "_session_id": format!("session-{id}"),
            "_session_start_timestamp": START,
            "_session_number": 1,
            "_page_url": "https://www.shop.example/",
        },
    })
}

/// `event` with some of its keys set.
pub fn event_with(id: &str, changes: &[(&str, Value)]) -> Value {
    let mut event = event(id, 0);
    for (key, value) in changes {
        event[*key] = value.clone();
    }
    event
}

/// One line with the events, without a line feed.
pub fn line(events: &[Value]) -> String {
    line_of(&Value::from(events.to_vec()).to_string())
}

/// One line with a payload as it is, without a line feed.
pub fn line_of(payload: &str) -> String {
    request(json!(payload)).to_string()
}

/// A request with a payload.
pub fn request(payload: Value) -> Value {
    json!({
        "appId": "shop",
        "data": payload,
        "ingest_time": START + 60_000,
        "ip": "192.0.2.10",
        "ua": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "platform": "Web",
        "rid": "00000000000000000000000000000001",
        "path": "/collect",
        "uri": "/collect?platform=Web&appId=shop",
    })
}

/// One line with one good event.
pub fn good(id: &str) -> String {
    line(&[event(id, 0)])
}
