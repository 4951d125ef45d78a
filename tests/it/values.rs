//! Values that were wrong in the field, by the cases they came from.

use crate::formats::{case, run_case};
use crate::support::rows;
use serde_json::{Map, Value, json};

/// The events of a case by their ids, or the rows of another table by its column.
fn table(name: &str, more: &[&str], table: &str, key: &str) -> Option<Map<String, Value>> {
    let scene = case(name)?;
    run_case(&scene, more).done();
    let rows = rows(&scene.path(format!("case/out/{table}")));
    Some(rows.into_iter().map(|row| (row[key].as_str().unwrap().to_owned(), row)).collect())
}

#[track_caller]
fn assert_rows(found: &Map<String, Value>, expected: &Value) {
    for (id, columns) in expected.as_object().unwrap() {
        for (column, value) in columns.as_object().unwrap() {
            assert_eq!(found[id].get(column).unwrap_or(&Value::Null), value, "{id}: {column}");
        }
    }
}

#[test]
fn queries_are_split_before_they_are_decoded_and_decoded_once() {
    let run = |more: &[&str]| table("09-url-query-decoded-before-split", more, "event_v2", "event_id");
    let parameters = "page_view_page_url_query_parameters";
    let Some(found) = run(&[]) else { return };
    assert_rows(
        &found,
        &json!({
            "amp": {"traffic_source_source": "H&M", "traffic_source_medium": "email",
                parameters: {"utm_source": "H&M", "utm_medium": "email"}},
            "plus": {"traffic_source_campaign": "50% off", parameters: {"utm_campaign": "50% off", "utm_source": "x"}},
            "inject": {"traffic_source_source": "Direct", parameters: {"q": "a&utm_source=evil"}},
            "twice": {"traffic_source_source": "A%26B", parameters: {"utm_source": "A%26B"}},
        }),
    );
    assert_rows(
        &run(&["--set", "transformer.with.compat=reference", "--set", "transformer.with.default_rules=true"]).unwrap(),
        &json!({
            "amp": {"traffic_source_source": "H", parameters: {"utm_source": "H", "M": "null", "utm_medium": "email"}},
            "plus": {"traffic_source_campaign": "50%+off"},
            "inject": {"traffic_source_source": "evil", parameters: {"q": "a", "utm_source": "evil"}},
            "twice": {"traffic_source_source": "A&B"},
        }),
    );
}

#[test]
fn hosts_are_those_of_browsers() {
    let run = |more: &[&str]| table("10-hosts-lost-or-misread", more, "event_v2", "event_id");
    let Some(found) = run(&[]) else { return };
    assert_rows(
        &found,
        &json!({
            "underscore_page": {"page_view_hostname": "my_shop.example", "page_view_page_url_path": "/p"},
            "underscore_ref": {"traffic_source_source": "my_blog.example", "traffic_source_medium": "(Referral)",
                "traffic_source_channel_group": "Referral"},
            "idn": {"page_view_hostname": "xn--mller-kva.example"},
            "upper_ref": {"traffic_source_source": "Google", "traffic_source_term": "hats",
                "traffic_source_channel_group": "Organic Search"},
            "space": {"page_view_hostname": "shop.example", "traffic_source_source": "x"},
            "google_in_path": {"traffic_source_source": "partner.example", "traffic_source_channel_group": "Referral"},
        }),
    );
    assert_rows(
        &run(&["--set", "transformer.with.compat=reference", "--set", "transformer.with.default_rules=true"]).unwrap(),
        &json!({
            "underscore_page": {"page_view_hostname": null, "page_view_page_url_path": "/p"},
            "underscore_ref": {"traffic_source_source": "Direct"},
            "idn": {"page_view_hostname": null},
            "upper_ref": {"traffic_source_source": "WWW.GOOGLE.COM"},
            "space": {"page_view_hostname": null, "traffic_source_source": "Direct"},
            "google_in_path": {"traffic_source_source": "Google"},
        }),
    );
}

#[test]
fn clients_with_numbers_as_ids_are_two_users() {
    let ids = ["123456789.1690000001", "123456789.1690000002"];
    for table_name in ["user_v2", "event_v2"] {
        let Some(found) = table("17-numeric-client-ids-merge-users", &[], table_name, "user_pseudo_id") else { return };
        assert_eq!(found.keys().collect::<Vec<_>>(), ids, "{table_name}");
    }
}
