//! The published cases, the shipped rules, and texts nobody would write.

use std::fs;
use std::path::Path;

use etl_sdk::testing::external::data;
use serde_json::Value;

use super::{AppRules, Note, TrafficSource, Visit, columns, utm_from_url};
use crate::compat::Compat;
use crate::java::{KeyOrder, truncate, url_decode};
use crate::url::parse_url;

/// By default, without a witness.
fn resolve_from_url(
    rules: &AppRules,
    page_url: Option<&str>,
    page_referrer: Option<&str>,
    latest_referrer: Option<&str>,
    latest_referrer_host: Option<&str>,
) -> TrafficSource {
    let visit = Visit { page_host: None, page_referrer, latest_referrer, latest_referrer_host };
    super::resolve_from_url(rules, page_url, visit, Compat::Default, &mut ()).unwrap()
}

/// As above, of parameters that are known.
fn resolve(rules: &AppRules, utm: &TrafficSource, visit: Visit<'_>) -> TrafficSource {
    super::resolve(rules, utm, visit, Compat::Default, &mut ()).unwrap()
}

fn text_of(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json_of(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&text_of(path)).unwrap()
}

#[test]
fn published_cases_give_their_results() {
    let Some(folder) = data("conformance") else { return };
    let rules = AppRules::parse(
        &text_of(folder.join("C/ts/traffic_source_category_rule_v0.json")),
        &text_of(folder.join("C/ts/traffic_source_channel_rule_v0.json")),
    )
    .unwrap();
    let document = json_of(folder.join("traffic_source_cases.json"));
    let cases = document["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 16);
    for case in cases {
        let input = |name: &str| case["input"][name].as_str();
        let expected = |name: &str| case["expected"][name].as_str().map(str::to_owned);
        let visit = Visit {
            page_host: None,
            page_referrer: input("page_referrer"),
            latest_referrer: input("latest_referrer"),
            latest_referrer_host: input("latest_referrer_host"),
        };
        let expected = TrafficSource {
            source: expected("source"),
            medium: expected("medium"),
            campaign: expected("campaign"),
            content: expected("content"),
            term: expected("term"),
            campaign_id: expected("campaignId"),
            clid_platform: expected("clidPlatform"),
            clid: expected("clid"),
            channel_group: expected("channelGroup"),
            category: expected("category"),
        };
        // What follows `#` is a fragment by default, and part of a malformed query in the reference.
        let has_odd_fragment = case["name"] == "testParseCNChars";
        for compat in [Compat::Default, Compat::Reference] {
            if has_odd_fragment && compat == Compat::Default {
                continue;
            }
            let found = super::resolve_from_url(&rules, input("page_url"), visit, compat, &mut ());
            assert_eq!(found.as_ref(), Ok(&expected), "{}", case["name"]);
            let mut notes: Vec<Note> = Vec::new();
            let traced = super::resolve_from_url(&rules, input("page_url"), visit, compat, &mut notes);
            assert_eq!(traced, found, "a witness changes nothing");
            for (column, value) in columns(&expected) {
                let decided = notes.iter().any(|note| note.decided.contains(&column));
                assert!(value.is_none() || decided, "{}: {column} of {notes:#?}", case["name"]);
            }
        }
    }
}

#[test]
fn shipped_rules_parse_and_decide() {
    let Some(folder) = data("conformance") else { return };
    let rules = AppRules::parse(
        &text_of(folder.join("rules_production/traffic_source_category_rule_v1.json")),
        &text_of(folder.join("rules_production/traffic_source_channel_rule_v1.json")),
    )
    .unwrap();
    assert_eq!(rules.category.category_of_source("Facebook"), Some("Search"), "the last of two entries counts");
    let channel = |url: &str, referrer: &str| {
        resolve_from_url(&rules, Some(url), Some(referrer), None, None).channel_group.unwrap()
    };
    let cases = [
        ("https://h/", "", "Direct"),
        ("https://h/?gclid=1", "", "Paid Search"),
        ("https://h/", "https://www.bing.com/search?q=x", "Organic Search"),
        ("https://h/?utm_source=x&utm_medium=social", "", "Organic Social"),
        ("https://h/?utm_source=x&utm_medium=paid-video-ad", "", "Organic Video"),
        ("https://h/?utm_source=x&utm_medium=paid-ad", "", "Paid Other"),
        ("https://h/?utm_source=x&utm_campaign=big-shop", "", "Organic Shopping"),
        ("https://h/?utm_source=x&utm_campaign=workshop", "", "Unassigned"),
        ("https://h/?utm_source=newsmail", "", "Email"),
        ("https://h/?utm_source=sms", "", "SMS"),
        ("https://h/?utm_source=x&utm_medium=audio", "", "Audio"),
        ("https://h/?utm_source=x&utm_medium=web_push", "", "Mobile Push Notifications"),
        ("https://h/", "https://nowhere.example/", "Referral"),
        ("https://h/", "https://www.internal.example/", "Internal"),
        ("https://h/", "https://h/before", "Internal"),
    ];
    for (url, referrer, expected) in cases {
        assert_eq!(channel(url, referrer), expected, "{url} from {referrer}");
    }
}

#[test]
fn the_rules_of_the_program_decide() {
    let rules = AppRules::built_in().unwrap();
    for (url, referrer, source, channel) in [
        ("https://h/", "", "Direct", "Direct"),
        ("https://h/?gclid=1", "", "Google", "Paid Search"),
        ("https://h/", "https://www.google.co.uk/search?q=x", "Google", "Organic Search"),
        ("https://h/?utm_source=Bing&utm_medium=cpc", "", "Bing", "Paid Search"),
        ("https://h/?utm_source=Google&utm_medium=retargeting", "", "Google", "Paid Search"),
        ("https://h/", "https://l.facebook.com/l.php?u=x", "Facebook", "Organic Social"),
        ("https://h/", "https://t.co/abc", "X", "Organic Social"),
        ("https://h/", "android-app://com.google.android.googlequicksearchbox/", "Google", "Organic Search"),
        ("https://h/?utm_source=Facebook&utm_medium=paid-social", "", "Facebook", "Paid Social"),
        ("https://h/?utm_source=a&utm_medium=social", "", "a", "Organic Social"),
        ("https://h/", "https://m.youtube.com/watch?v=1", "YouTube", "Organic Video"),
        ("https://h/?utm_source=YouTube&utm_medium=cpv", "", "YouTube", "Paid Video"),
        ("https://h/", "https://www.amazon.co.uk/s?k=shoes", "Amazon", "Organic Shopping"),
        ("https://h/?utm_source=a&utm_medium=cpc&utm_campaign=summer-shopping", "", "a", "Paid Shopping"),
        ("https://h/?utm_source=a&utm_campaign=workshop", "", "a", "Unassigned"),
        ("https://h/?utm_source=a&utm_medium=cpc", "", "a", "Paid Other"),
        ("https://h/?utm_source=newsletter", "", "newsletter", "Email"),
        ("https://h/?utm_source=a&utm_medium=e-mail", "", "a", "Email"),
        ("https://h/", "https://mail.google.com/", "Gmail", "Email"),
        ("https://h/", "https://mail.example.com/", "mail.example.com", "Email"),
        ("https://h/?utm_source=sms", "", "sms", "SMS"),
        ("https://h/?utm_source=a&utm_medium=podcast", "", "a", "Audio"),
        ("https://h/?utm_source=a&utm_medium=web-push", "", "a", "Mobile Push Notifications"),
        ("https://h/", "https://nowhere.example/", "nowhere.example", "Referral"),
        ("https://h/", "https://intranet.example/", "intranet.example", "Internal"),
        ("https://h/b", "https://h/a", "Direct", "Internal"),
    ] {
        let found = resolve_from_url(&rules, Some(url), Some(referrer), None, None);
        let found = (found.source.as_deref(), found.channel_group.as_deref());
        assert_eq!(found, (Some(source), Some(channel)), "{url} from {referrer}");
    }
}

#[test]
fn the_entries_of_the_program_are_one_per_url_and_agree() {
    let text = include_str!("../../rules/categories.json");
    let entries: Vec<Value> = serde_json::from_str(text).unwrap();
    let rules = AppRules::built_in().unwrap();
    let mut urls: Vec<_> = entries.iter().map(|entry| entry["url"].as_str().unwrap()).collect();
    assert!(urls.iter().all(|url| url.to_lowercase() == **url && !url.starts_with("www.") && !url.contains('/')));
    urls.sort_unstable();
    urls.dedup();
    assert_eq!(urls.len(), entries.len());
    for entry in &entries {
        let of_source = rules.category.category_of_source(entry["source"].as_str().unwrap());
        assert_eq!(of_source, entry["category"].as_str(), "{entry}");
    }
}

/// The keys of `source` that are in `wanted`, in the order they stand there, as a map filled by puts.
fn source_map(source: &Value, wanted: &[String]) -> KeyOrder {
    let mut order = KeyOrder::new();
    for key in source.as_object().unwrap().keys() {
        if let Some(at) = wanted.iter().position(|name| name == key) {
            order.put(key, at as u32);
        }
    }
    order
}

/// All events of a file of rows.
fn events(rows: &str) -> impl Iterator<Item = Value> + '_ {
    rows.lines().flat_map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let events: Value = serde_json::from_str(row["data"].as_str().unwrap()).unwrap();
        events.as_array().unwrap().clone()
    })
}

#[test]
fn custom_keys_stand_in_the_published_order() {
    let Some(folder) = data("conformance") else { return };
    let folder = folder.join("S");
    let cases = [
        ("original_data_with_items.json", None, "transform_v3_event.json"),
        (
            "original_data_with_traffic_source_v2.json",
            Some("event_id_xxx1_web_session_start"),
            "transform_v3_traffic_source_event.json",
        ),
    ];
    for (input, event_id, expected) in cases {
        let text = text_of(folder.join(input));
        let event = events(&text).find(|event| event_id.is_none_or(|id| event["event_id"] == id)).unwrap();
        let row = json_of(folder.join("event_v2/expected").join(expected));
        let custom: Value = serde_json::from_str(row["custom_parameters_json_str"].as_str().unwrap()).unwrap();
        let keys: Vec<String> = custom.as_object().unwrap().keys().cloned().collect();
        let mut order = KeyOrder::new();
        order.put_all(&source_map(&event, &keys));
        order.put_all(&source_map(&event["attributes"], &keys));
        let walked: Vec<&str> = order.iter().map(|at| keys[at as usize].as_str()).collect();
        assert_eq!(walked, keys, "{expected}");
    }
}

#[test]
fn user_properties_stand_in_the_published_order() {
    let Some(folder) = data("conformance") else { return };
    let row = json_of(folder.join("S/event_v2/expected/transform_v3_traffic_source_user.json"));
    let shown: Value = serde_json::from_str(row["user_properties_json_str"].as_str().unwrap()).unwrap();
    let keys: Vec<String> = shown.as_object().unwrap().keys().cloned().collect();
    let text = text_of(folder.join("S/original_data_with_traffic_source_v2.json"));
    let user = events(&text).map(|event| event["user"].clone()).find(|user| user.get("_user_revenue").is_some());
    let known = ["_user_id", "_user_name", "_user_age", "_user_first_touch_timestamp"];
    let mut order = KeyOrder::new();
    for key in known {
        order.put(key, keys.iter().position(|name| name == key).unwrap() as u32);
    }
    // Known keys are no custom ones: an empty name, which no property has, keeps their places.
    let custom: Vec<String> =
        keys.iter().map(|key| if known.contains(&key.as_str()) { String::new() } else { key.clone() }).collect();
    order.put_all(&source_map(&user.unwrap(), &custom));
    let walked: Vec<&str> = order.iter().map(|at| keys[at as usize].as_str()).collect();
    assert_eq!(walked, keys);
}

fn few_rules() -> AppRules {
    AppRules::parse(
        r#"[{"url":"google.com","source":"Google","category":"Search","params":["q"]},
            {"url":"h","source":"H","category":"Unassigned","params":["q","a"]}]"#,
        r#"[{"id":"1","channel":"Direct","condition":{"op::and":[
                {"field":"traffic_source_source","op":"eq","value":"__empty__"}]}},
            {"id":"2","channel":"Long","condition":{"op::or":[
                {"field":"page_view_latest_referrer","op":"match","value":".*x.*"},
                {"field":"traffic_source_term","op":"in","values":["null"]}]}}]"#,
    )
    .unwrap()
}

#[test]
fn a_click_is_paid_and_a_category_gives_a_medium() {
    let rules = few_rules();
    let utm = TrafficSource { source: Some("Google".into()), clid: Some("{}".into()), ..TrafficSource::default() };
    let found = resolve(&rules, &utm, Visit::default());
    assert_eq!((found.medium.as_deref(), found.clid), (Some("(Organic)"), None), "an empty click id is none");
    let utm = TrafficSource { clid: Some("x".into()), ..utm };
    assert_eq!(resolve(&rules, &utm, Visit::default()).medium.as_deref(), Some("(CPC)"));
}

#[test]
fn the_word_direct_is_no_source() {
    let rules = few_rules();
    let word = |text: &str| Some(text.to_owned());
    let utm =
        TrafficSource { source: word("DIRECT"), campaign: word("direct"), term: word("lost"), ..Default::default() };
    let found = resolve(&rules, &utm, Visit { page_referrer: Some("https://www.google.com/?q=b"), ..Visit::default() });
    assert_eq!(found.source, word("Google"));
    assert_eq!(found.term, word("b"), "the parameters of the referrer replace all");
    assert_eq!(found.campaign, None);
}

#[test]
fn the_latest_referrer_comes_first_unless_it_is_the_page() {
    let rules = few_rules();
    let source = |latest_host: &str| {
        let latest = Some("https://Page.example/x");
        let referrer = Some("https://google.com/");
        let url = Some("https://page.EXAMPLE/");
        resolve_from_url(&rules, url, referrer, latest, Some(latest_host)).source.unwrap()
    };
    assert_eq!(source("PAGE.example"), "Google");
    assert_eq!(source("other"), "page.example", "the given host decides, not the one of the URL");
}

/// A small generator of texts that hurt parsers.
struct Texts(u64);

impl Texts {
    const PIECES: [&'static str; 40] = [
        "https://",
        "://",
        ":",
        "/",
        "//",
        "?",
        "#",
        "&",
        "=",
        "%",
        "%2",
        "%41",
        "%C3%A9",
        "%FF",
        "%zz",
        "[",
        "]",
        "[::1]",
        "@",
        "www.",
        "google.com",
        ".google.",
        "h",
        "utm_source",
        "utm_source=",
        "gclid=",
        "xclid=",
        "q=",
        ".",
        "..",
        "-",
        " ",
        "中文",
        "😀",
        "é",
        "\u{A0}",
        "\0",
        "\"\\",
        "1.2.3.4:80",
        "+",
    ];

    fn number(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }

    fn text(&mut self) -> String {
        let count = self.number(9);
        (0..count).map(|_| Self::PIECES[self.number(Self::PIECES.len())]).collect()
    }
}

#[test]
fn no_text_makes_it_panic_and_results_are_complete() {
    let rules = few_rules();
    let mut texts = Texts(0x2545_F491_4F6C_DD1D);
    for _ in 0..20_000 {
        let [url, referrer, latest, host] = [texts.text(), texts.text(), texts.text(), texts.text()];
        let parsed = parse_url(&url, Compat::Default);
        assert!(parsed.host.as_deref().is_none_or(|host| host.is_ascii() && !host.contains('/')), "{url:?}");
        let limit = texts.number(20);
        assert!(truncate(&url, limit).len() <= limit);
        let _ = url_decode(&url);
        let visit = Visit {
            page_host: Some(&referrer),
            page_referrer: Some(&host),
            latest_referrer: Some(&latest),
            latest_referrer_host: None,
        };
        let _ = super::resolve_from_url(&rules, Some(&url), visit, Compat::Reference, &mut Vec::new());
        for found in [
            resolve_from_url(&rules, Some(&url), Some(&referrer), Some(&latest), Some(&host)),
            resolve(&rules, &utm_from_url(&url, Compat::Default).unwrap(), visit),
        ] {
            let complete = [&found.source, &found.medium, &found.channel_group, &found.category];
            assert!(
                complete.iter().all(|value| value.is_some()),
                "{url:?} {referrer:?} {latest:?} {host:?}: {found:?}"
            );
        }
    }
}
