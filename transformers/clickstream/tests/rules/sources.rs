//! Which app's requests are read as whose.

use crate::{NOW, assert_columns, event, request, run_lines};
use etl_sdk::BuildContext;
use serde_json::{Value, json};
use transformer_clickstream::component;

fn build(options: Value) -> Result<(), String> {
    let context = BuildContext::new(".");
    component()
        .build(options, &context)
        .map(|_| ())
        .map_err(|error| format!("{error}, {:?}", std::error::Error::source(&error)))
}

/// A request of each program, for the given app.
fn requests(app: &str) -> Vec<Vec<u8>> {
    let sdk = json!([event(json!({"app_id": "shop"}))]).to_string();
    let gtm = json!({"event_name": "page_view", "client_id": "c"}).to_string();
    let sensors = json!({"event": "view", "distinct_id": "d", "properties": {}}).to_string();
    [sdk, gtm, sensors].iter().map(|data| request(&json!({"appId": app, "data": data}))).collect()
}

#[test]
fn the_app_of_the_request_decides() {
    let options = json!({"source": {"default": "sdk", "apps": {"web-shop": "gtm", "old-app": "sensors"}}});
    for (app, id, dead, without_name) in
        [("shop", "e", 2, 0), ("web-shop", "r-0-null-x", 0, 2), ("old-app", "r-0-d", 0, 2)]
    {
        let lines = requests(app);
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let outcome = run_lines(options.clone(), &lines);
        assert_columns(&crate::only(&outcome, "event_v2"), &json!({"event_id": id, "app_id": app}));
        // To the SDKs the others' payloads are no arrays; to each of the others an event that is not its own has no name.
        assert_eq!(outcome.rejects.len(), dead, "{app}: {:?}", outcome.rejects);
        assert_eq!(
            outcome.ledger.get("parse").unwrap().filtered.get("no_event_name").copied().unwrap_or(0),
            without_name
        );
    }
}

#[test]
fn all_sources_meet_in_one_run() {
    let options = json!({"source": {"apps": {"web-shop": "gtm", "old-app": "sensors"}}});
    let lines: Vec<Vec<u8>> = ["shop", "web-shop", "old-app"]
        .iter()
        .enumerate()
        .map(|(place, app)| requests(app).swap_remove(place))
        .collect();
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let outcome = run_lines(options, &lines);
    assert_eq!(outcome.rejects, []);
    assert_eq!(outcome.tables["event_v2"].len(), 3);
    let names: Vec<_> = outcome.tables["user_v2"]
        .iter()
        .map(|user| (user["user_pseudo_id"].as_str().unwrap(), user["process_info"].get("first_event_name").is_some()))
        .collect();
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|(_, named)| !named), "a click is nobody's first event, and third parties have no names");
    for step in ["validate", "filter", "parse"] {
        assert_eq!((outcome.ledger.get(step).unwrap().read, outcome.ledger.get(step).unwrap().kept), (3, 3), "{step}");
    }
}

#[test]
fn neither_age_nor_app_leaves_out_what_a_third_party_sent() {
    for (source, data) in [
        ("gtm", json!({"event_name": "e", "client_id": "c"})),
        ("sensors", json!({"event": "e", "distinct_id": "d", "properties": {}})),
    ] {
        let line = |time: i64| request(&json!({"appId": "not-listed", "ingest_time": time, "data": data.to_string()}));
        for time in [0, NOW + 1_000_000_000] {
            let outcome = run_lines(json!({"source": source}), &[&line(time)]);
            assert_eq!(outcome.tables["event_v2"][0]["event_time_msec"], time, "{source}");
        }
        let outcome = run_lines(json!({"source": source}), &[&line(i64::MAX)]);
        assert_eq!(crate::reasons::dead(&outcome), ("parse", "timestamp_out_of_range"), "{source}");
    }
}

#[test]
fn options_that_are_no_source_are_named() {
    let options = |source: Value| json!({"project_id": "p", "app_ids": ["a"], "source": source});
    for (source, key, part) in [
        (json!("ga4"), "key=source", "unknown variant `ga4`, expected one of `sdk`, `gtm`, `sensors`"),
        (json!({"apps": {"web": "ga4"}}), "key=source.apps.web", "unknown variant `ga4`"),
        (json!({"default": 5}), "key=source.default", "ga4"),
        (json!({"web": "gtm"}), "key=source.web", "unknown field `web`, expected `default` or `apps`"),
        (json!(["gtm"]), "key=source", "a map with `default` and `apps`"),
    ] {
        let error = build(options(source.clone())).unwrap_err();
        assert!(error.contains(key), "{source}: {error}");
        assert!(error.contains(part) || part == "ga4", "{source}: {error}");
    }
    assert!(build(options(json!({"default": "gtm", "apps": {"a": "sdk"}}))).is_ok());
    // Without an app of the SDKs there is nothing to list.
    let none = |source: &str| json!({"project_id": "p", "app_ids": [], "source": source});
    assert!(build(none("gtm")).is_ok());
    assert!(build(none("sdk")).unwrap_err().contains("key=app_ids"));
}

/// The raw batches of `fixtures/clickstream/raw-sources`, file by file: rows, dead letters and what is left out.
#[test]
fn the_fixtures_of_all_sources() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/clickstream/raw-sources/year=2026/month=11/day=20");
    let options = json!({"app_ids": ["shop"], "source": {"apps": {"web-shop": "gtm", "old-app": "sensors"}}});
    for (file, [events, items, users, sessions], reasons) in [
        ("hour=05/01-gtm.log", [7, 1, 1, 1], vec![]),
        ("hour=05/02-sensors.log.gz", [4, 1, 2, 0], vec![]),
        ("hour=05/03-mixed.log", [10, 3, 3, 2], vec![]),
        (
            "hour=06/01-bad-gtm.log",
            [4, 0, 1, 1],
            vec![
                "missing_ingest_time",
                "not_an_object",
                "not_an_object",
                "not_an_object",
                "not_an_object",
                "payload_not_json",
                "wrong_type",
                "wrong_type",
                "wrong_type",
            ],
        ),
        (
            "hour=06/02-bad-sensors.log",
            [2, 0, 1, 0],
            vec![
                "missing_field",
                "not_an_object",
                "payload_no_form",
                "payload_not_base64",
                "payload_not_gzip",
                "payload_not_gzip",
                "payload_not_json",
                "wrong_type",
                "wrong_type",
            ],
        ),
    ] {
        let mut bytes = std::fs::read(folder.join(file)).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut text = Vec::new();
            std::io::copy(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut text).unwrap();
            bytes = text;
        }
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let outcome = crate::run_lines_at(1_795_200_000_000, options.clone(), &lines);
        let counts = ["event_v2", "item_v2", "user_v2", "session"].map(|table| outcome.tables[table].len());
        let mut found: Vec<_> = outcome.rejects.iter().map(|reject| reject.reason.as_str()).collect();
        found.sort_unstable();
        assert_eq!((counts, found), ([events, items, users, sessions], reasons), "{file}");
    }
}
