//! Bad input on purpose, through the whole binary: it ends well, every record is accounted for, the good records beside
//! the bad ones are all there.

mod size;

use crate::report::dead_letter_lines;
use crate::support::events::{START, event, event_with, good, line, line_of, request};
use crate::support::{Run, Scene};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

/// One batch with a good line before, between and after all the bad ones. Returns the run; asserts that it is done and
/// that the good events are there, once each.
#[track_caller]
fn among_good_lines(bad: &[impl AsRef<[u8]>]) -> (Scene, Run) {
    let mut batch = Vec::new();
    let mut ids = Vec::new();
    for (place, bad) in bad.iter().enumerate() {
        ids.push(format!("good-{place:04}"));
        batch.extend(good(&ids[place]).as_bytes());
        batch.push(b'\n');
        batch.extend(bad.as_ref());
        batch.push(b'\n');
    }
    ids.push("good-last".to_owned());
    batch.extend(good("good-last").as_bytes());
    let scene = Scene::new();
    scene.raw("batch.log", batch);
    let run = scene.run(&[]).done();
    assert_eq!(good_ids(&scene), ids, "{}", run.dead_letters());
    (scene, run)
}

/// The same with events, in one payload.
#[track_caller]
fn among_good_events(bad: &[String]) -> (Scene, Run) {
    let mut payload = String::from("[");
    let mut ids = Vec::new();
    for (place, bad) in bad.iter().enumerate() {
        ids.push(format!("good-{place:04}"));
        write!(payload, "{},{bad},", event(&ids[place], 0)).unwrap();
    }
    ids.push("good-last".to_owned());
    write!(payload, "{}]", event("good-last", 0)).unwrap();
    let scene = Scene::new();
    scene.raw("batch.log", line_of(&payload));
    let run = scene.run(&[]).done();
    assert_eq!(good_ids(&scene), ids, "{}", run.dead_letters());
    (scene, run)
}

fn good_ids(scene: &Scene) -> Vec<String> {
    scene.event_ids().into_iter().filter(|id| id.starts_with("good-")).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Values of every type, some of them odd.
fn odd_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1.5),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("text"),
        json!("-9223372036854775809"),
        json!([]),
        json!([null, [1]]),
        json!({}),
        json!({"value": null, "set_timestamp": "x"}),
        json!({"a": {"b": [1]}}),
    ]
}

#[test]
fn lines_that_are_no_requests() {
    let bad = [
        "spoiled",
        "{",
        "}",
        "[",
        "]",
        "{\"appId\":",
        "\"",
        "\"open",
        "nul",
        "null",
        "true",
        "0",
        "-",
        "1e",
        "1e999999",
        "[]",
        "[{}]",
        "{}",
        "{\"appId\":\"shop\"}",
        "{\"appId\":\"shop\",\"data\":\"[]\"}",
        "{'appId':'shop'}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\":1}{\"a\":1}",
        "// comment",
        "NaN",
        "\u{feff}{}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "\u{0}",
        "\u{c}",
        "<html>",
        "appId,data",
    ];
    let (_, run) = among_good_lines(&bad);
    let total = run.report["dead_letters"]["total"].as_u64().unwrap();
    assert!(total as usize >= bad.len() - 2, "{}", run.dead_letters());
}

#[test]
fn every_key_of_a_request_with_every_type() {
    let whole = request(json!("[]"));
    let mut bad = Vec::new();
    for key in whole.as_object().unwrap().keys() {
        for odd in odd_values() {
            let mut request = request(json!(format!("[{}]", event("odd", 0))));
            request[key] = odd;
            bad.push(request.to_string());
        }
        let mut without = request(json!(format!("[{}]", event("odd", 0))));
        without.as_object_mut().unwrap().remove(key);
        bad.push(without.to_string());
    }
    let nulls: serde_json::Map<String, Value> =
        whole.as_object().unwrap().keys().map(|key| (key.clone(), Value::Null)).collect();
    bad.push(Value::from(nulls).to_string());
    among_good_lines(&bad);
}

/// An event with all that the SDK may send.
fn full_event() -> Value {
    let mut event = event("odd", 0);
    for key in [
        "make",
        "model",
        "os_version",
        "carrier",
        "network_type",
        "locale",
        "system_language",
        "app_version",
        "app_title",
        "app_package_name",
        "sdk_name",
        "sdk_version",
        "host_name",
        "event_value_currency",
        "unique_id",
    ] {
        event[key] = "x".into();
    }
    for key in ["zone_offset", "screen_width", "screen_height", "viewport_width", "viewport_height", "event_value"] {
        event[key] = 1.into();
    }
    event["items"] = json!([{"id": "i", "name": "n", "price": 1.5, "quantity": 2, "index": 0, "custom": "c"}]);
    event["user"]["_user_id"] = json!({"value": "u", "set_timestamp": START});
    event["user"]["_user_age"] = json!({"value": 30, "set_timestamp": START});
    event["user"]["level"] = json!({"value": "gold", "set_timestamp": START});
    for key in [
        "_entrances",
        "_page_title",
        "_page_referrer",
        "_latest_referrer",
        "_engagement_time_msec",
        "_error_name",
        "_previous_timestamp",
        "_session_duration",
        "_scroll_depth",
        "_traffic_source_source",
        "custom",
    ] {
        event["attributes"][key] = "1".into();
    }
    event
}

#[test]
fn every_key_of_an_event_with_every_type() {
    let full = full_event();
    let mut bad = Vec::new();
    let mut each = |pointer: &str, keys: Vec<String>| {
        for key in keys {
            for odd in odd_values() {
                let mut event = full.clone();
                event.pointer_mut(pointer).unwrap()[&key] = odd;
                bad.push(event.to_string());
            }
            let mut without = full.clone();
            without.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(&key);
            bad.push(without.to_string());
        }
    };
    for pointer in ["", "/attributes", "/user", "/items/0", "/user/_user_id", "/user/_user_age", "/user/level"] {
        let keys = full.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        each(pointer, keys);
    }
    let nulls = |value: &Value| -> Value {
        value
            .as_object()
            .unwrap()
            .keys()
            .map(|key| (key.clone(), Value::Null))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    bad.push(nulls(&full).to_string());
    let mut null_attributes = full.clone();
    null_attributes["attributes"] = nulls(&full["attributes"]);
    null_attributes["user"] = nulls(&full["user"]);
    bad.push(null_attributes.to_string());
    bad.extend(odd_values().iter().map(Value::to_string));
    let (_, run) = among_good_events(&bad);
    assert!(run.dead("wrong_type") > 10 && run.dead("missing_field") > 3, "{}", run.dead_letters());
}

#[test]
fn objects_without_records() {
    let scene = Scene::new();
    scene.raw("00-good.log", good("good-first"));
    let nothing: [(&str, &[u8]); 10] = [
        ("01-empty.log", b""),
        ("02-line-feeds.log", b"\n\r\n\n"),
        ("03-blanks.log", b"  \t \n   "),
        ("04-mark.log", b"\xef\xbb\xbf"),
        ("05-half-a-mark.log", b"\xef\xbb"),
        ("06-half-a-magic.gz", b"\x1f"),
        ("07-magic.gz", b"\x1f\x8b"),
        ("08-zip.zip", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("09-one-byte.log", b"\0"),
        ("10-zstd.zst", b"\x28\xb5\x2f\xfd"),
    ];
    for (name, bytes) in nothing {
        scene.raw(name, bytes);
    }
    scene.raw("20-empty.log.gz", gzip(b""));
    scene.raw("21-twice.log.gz", gzip(&gzip(good("good-twice-packed").as_bytes())));
    scene.raw("22-good.log", good("good-second"));
    scene.run(&[]).done();
    assert_eq!(good_ids(&scene), ["good-first", "good-second", "good-twice-packed"]);
}

#[test]
fn bytes_that_are_no_utf_8() {
    let whole = good("odd");
    let spoil = |at: &str, bytes: &[u8]| {
        let place = whole.find(at).unwrap() + 1;
        [&whole.as_bytes()[..place], bytes, &whole.as_bytes()[place..]].concat()
    };
    let mut bad =
        vec![b"\xff\xfe\xfd".to_vec(), b"\xc0\x80".to_vec(), b"\xed\xa0\x80".to_vec(), b"{\"\xff\":1}".to_vec()];
    for bytes in [b"\xff".as_slice(), b"\xe2\x82", b"\xf8\x88\x80\x80\x80", b"\xed\xa0\xbd", b"\xc3("] {
        for at in ["shop", "odd", "Mozilla", "192.0", "www.shop", "{"] {
            bad.push(spoil(at, bytes));
        }
    }
    let packed = base64_simd::STANDARD.encode_to_string(gzip(b"[{\"event_id\":\"\xff\",\"\xfe\":\"\xfd\"}]"));
    bad.push(line_of(&packed).into_bytes());
    among_good_lines(&bad);
}

#[test]
fn odd_texts_and_keys() {
    let odd = |json: &str| event("odd", 0).to_string().replacen('{', &format!("{{{json},"), 1);
    let behind = |json: &str| format!("{},{json}}}", event("odd", 0).to_string().strip_suffix('}').unwrap());
    let mut bad = Vec::new();
    for text in [
        r"\u0000",
        r"\ud800",
        r"\udc00",
        r"\ud83d\ud83d",
        r"\ude00\ud83d",
        r"\ud83d\ude00",
        r"a\u0000b",
        r"\uffff",
        r"\u2028",
        r"\ufeff",
        r"\b\f\n\r\t\/\\",
        "\u{202e}rtl",
        "é",
        "𝕏",
        "%",
        "%zz",
        "%00",
        "+",
        "\u{7f}",
    ] {
        for key in ["event_id", "app_version", "os_version", "locale", "unique_id", "x"] {
            bad.push(behind(&format!("\"{key}\":\"{text}\"")));
        }
        bad.push(odd(&format!("\"{text}\":\"{text}\"")));
        bad.push(event("odd", 0).to_string().replace("https://www.shop.example/", text));
        bad.push(event("odd", 0).to_string().replace("session-odd", text));
        bad.push(event("odd", 0).to_string().replace("_session_id", text));
    }
    // The same key twice: with the same type, another one, and in each inner object.
    for twice in [
        r#""event_id":"again""#,
        r#""event_id":1"#,
        r#""timestamp":"x""#,
        r#""attributes":{}"#,
        r#""attributes":null"#,
        r#""attributes":{"a":1,"a":2}"#,
        r#""user":{"_user_id":{"value":"a"},"_user_id":{"value":"b"}}"#,
        r#""user":[]"#,
        r#""items":[{"id":"a","id":"b"}]"#,
        r#""items":{}"#,
        r#""x":1,"x":2"#,
        r#""":"""#,
        r#""":1,"":2"#,
    ] {
        bad.push(behind(twice));
        bad.push(odd(twice));
    }
    bad.push(odd(&format!("\"{}\":1", "k".repeat(100_000))));
    bad.push(odd(&format!("\"x\":\"{}\"", "é".repeat(100_000))));
    among_good_events(&bad);
}

#[test]
fn numbers_out_of_range() {
    let mut bad = Vec::new();
    for number in [
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "1e308",
        "1e309",
        "-1e309",
        "1e-400",
        "0.1e1",
        "-0",
        "-0.0",
        "1E+2",
        "1.7976931348623157e308",
        "2147483648",
        "-2147483649",
        "0.30000000000000004",
        "1e999999999",
        &"9".repeat(5_000),
        &format!("0.{}1", "0".repeat(5_000)),
    ] {
        for key in ["event_value", "zone_offset", "screen_width", "app_id", "event_id", "x", "timestamp"] {
            let whole = event("odd", 0).to_string();
            bad.push(format!("{},\"{key}\":{number}}}", whole.strip_suffix('}').unwrap()));
        }
        for (from, to) in [
            ("\"_session_number\":1", "\"_session_number\":#"),
            ("\"_session_number\":1", "\"_engagement_time_msec\":#"),
            ("\"_session_start_timestamp\":1795150800000", "\"_session_start_timestamp\":#"),
            ("\"set_timestamp\":1795150800000", "\"set_timestamp\":#"),
            ("\"value\":1795150800000", "\"value\":#"),
            ("\"user\":{", "\"items\":[{\"id\":\"i\",\"price\":#,\"quantity\":#}],\"user\":{\"n\":{\"value\":#},"),
        ] {
            let changed = event("odd", 0).to_string().replace(from, &to.replace('#', number));
            assert!(changed.contains(number), "{from}");
            bad.push(changed);
        }
    }
    among_good_events(&bad);
}

#[test]
fn times_at_the_ends_of_the_calendar() {
    const YEAR_0: i64 = -62_167_219_200_000;
    const YEAR_10000: i64 = 253_402_300_800_000;
    let times = [
        0,
        -1,
        1,
        YEAR_0,
        YEAR_0 - 1,
        YEAR_10000 - 1,
        YEAR_10000,
        i64::MAX,
        i64::MIN,
        i64::MAX / 1_000,
        i64::MIN / 1_000,
        i64::MAX - 1,
        8_640_000_000_000_000,
        -8_640_000_000_000_001,
        -62_135_596_800_000,
        1_795_150_800,
    ];
    let mut bad = Vec::new();
    // Events of these kinds are kept however old or new they are.
    for kind in ["_first_open", "_page_view"] {
        for time in times {
            let mut event = event_with("odd", &[("event_type", kind.into()), ("timestamp", time.into())]);
            bad.push(event.to_string());
            event["attributes"]["_session_start_timestamp"] = time.into();
            event["attributes"]["_previous_timestamp"] = time.into();
            event["user"]["_user_first_touch_timestamp"] = json!({"value": time, "set_timestamp": time});
            bad.push(event.to_string());
            event["timestamp"] = START.into();
            bad.push(event.to_string());
        }
    }
    let (scene, run) = among_good_events(&bad);
    assert!(run.filtered("filter", "stale") > 0 && run.filtered("filter", "in_the_future") > 0, "{}", run.stdout);
    let years: BTreeSet<String> = scene
        .rows("event_v2")
        .iter()
        .map(|row| row["partition"].as_str().unwrap().split('/').nth(1).unwrap().to_owned())
        .collect();
    assert!(years.contains("partition_year=0000") && years.contains("partition_year=1970"), "{years:?}");

    let mut requests = Vec::new();
    for time in times {
        for key in ["ingest_time", "client_timestamp"] {
            let mut request = request(json!(format!("[{}]", event("odd", 0))));
            request[key] = time.into();
            requests.push(request.to_string());
            request[key] = time.to_string().into();
            requests.push(request.to_string());
        }
    }
    among_good_lines(&requests);
}

#[test]
fn app_ids_that_are_no_path() {
    let long = "l".repeat(300);
    let longest = "l".repeat(255 - "partition_app=".len());
    let odd = [
        "a/b",
        "..",
        ".",
        "/",
        "../../etc",
        "k=v",
        "=",
        "two\nlines",
        "\r",
        "\t",
        " ",
        " a",
        "a ",
        "%2F",
        "a%",
        "\u{0}",
        "\"",
        "'",
        "\\",
        ":",
        "*",
        "?",
        "<a>",
        "|",
        "#",
        "{}",
        "[]",
        "^",
        "~",
        "é",
        "𝕏",
        "\u{202e}",
        "_a",
        ".a",
        "-",
        "null",
        "__HIVE_DEFAULT_PARTITION__",
        &longest,
    ];
    let apps: Vec<&str> = odd.iter().copied().chain(["", long.as_str(), "shop"]).collect();
    let scene = Scene::with(|job| job["transformer"]["with"]["app_ids"] = json!(apps));
    let mut lines = vec![good("good-first")];
    for (place, app) in apps.iter().enumerate() {
        lines.push(line(&[event_with(&format!("odd-{place}"), &[("app_id", json!(app))])]));
        lines.push(good(&format!("good-{place:02}")));
    }
    scene.raw("batch.log", lines.join("\n"));
    let run = scene.run(&[]).done();
    assert_eq!(good_ids(&scene).len(), apps.len() + 1);
    let rows = scene.rows("event_v2");
    let text = |row: &'_ Value| row["app_id"].as_str().unwrap_or_default().to_owned();
    let found: BTreeSet<String> = rows.iter().map(text).collect();
    for app in odd {
        // A blank id is no app, even when the job lists it.
        assert_eq!(found.contains(app), !app.trim().is_empty(), "{app:?} {}", run.dead_letters());
    }
    // The event with the long id, and the rows that it makes in the merged tables.
    let dead = dead_letter_lines(&run.report);
    assert_eq!(dead.len() as u64, run.report["dead_letters"]["total"].as_u64().unwrap(), "each dead row has a line");
    assert!(!found.contains(&long));
    // Four folders below the table, whatever the id holds; and one folder per id.
    let mut folders = BTreeSet::new();
    for row in &rows {
        let parts: Vec<&str> = row["partition"].as_str().unwrap().split('/').collect();
        assert_eq!(parts.len(), 4, "{parts:?}");
        assert!(parts[0].starts_with("partition_app=") && parts[0].matches('=').count() == 1, "{parts:?}");
        folders.insert(parts[0].to_owned());
    }
    assert!(!found.contains(""));
    assert_eq!(folders.len(), found.len(), "{folders:?}");
}
