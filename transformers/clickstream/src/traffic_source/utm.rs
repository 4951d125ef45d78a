//! What a URL's own parameters say about a visit.

use super::TrafficSource;
use crate::java::KeyOrder;
use crate::url::{Url, first_of, parse_url};

/// The medium of a visit with a click id and none of its own.
pub(super) const PAID_CLICK: &str = "(CPC)";

/// Reads the `utm_*` parameters and the click id of a URL, with or without a scheme.
///
/// A click id is `gclid`, else the first parameter whose name ends with `clid`, where first is Java's hash order. Only
/// a parameter's first value counts, and a parameter that is present but empty counts as absent.
///
/// Channel and category stay empty.
pub fn utm_from_url(text: &str) -> TrafficSource {
    from_parameters(&parse_url(text))
}

/// As [`utm_from_url`], of a URL that is already parsed.
pub(super) fn from_parameters(url: &Url) -> TrafficSource {
    let value = |name| url.first_value(name).map(str::to_owned);
    let mut utm = TrafficSource {
        source: value("utm_source"),
        medium: value("utm_medium"),
        campaign: value("utm_campaign"),
        content: value("utm_content"),
        term: value("utm_term"),
        campaign_id: value("utm_id"),
        clid_platform: value("utm_source_platform"),
        ..TrafficSource::default()
    };
    let Some((name, click)) = click_id(url) else { return utm };
    if utm.source.is_none() {
        utm.source = Some(if name == "gclid" { "Google" } else { name }.to_owned());
        utm.medium.get_or_insert_with(|| PAID_CLICK.to_owned());
    }
    utm.clid = Some(click_id_json(name, click));
    utm
}

fn click_id(url: &Url) -> Option<(&str, &str)> {
    if let Some(value) = url.first_value("gclid") {
        return Some(("gclid", value));
    }
    let value_at = |at: usize| {
        let (name, values) = url.query.get(at)?;
        if name.ends_with("clid") { Some((name.as_str(), first_of(values)?)) } else { None }
    };
    let mut found = (0..url.query.len()).filter_map(value_at);
    let first = found.next()?;
    if found.next().is_none() {
        return Some(first);
    }
    let mut order = KeyOrder::new();
    for (at, (name, _)) in url.query.iter().enumerate() {
        order.put(name, at as u32);
    }
    order.iter().find_map(|at| value_at(at as usize))
}

/// `{"type":…,"value":…}`
fn click_id_json(name: &str, value: &str) -> String {
    let mut json = String::with_capacity(name.len() + value.len() + 24);
    json.push_str("{\"type\":\"");
    push_escaped(name, &mut json);
    json.push_str("\",\"value\":\"");
    push_escaped(value, &mut json);
    json.push_str("\"}");
    json
}

/// Appends the content of a JSON string as Jackson writes it: short escapes where there are some, else `\u00XX` with
/// capital digits, and nothing beyond ASCII escaped.
fn push_escaped(text: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control @ '\0'..='\u{1f}' => {
                let code = control as usize;
                out.push_str("\\u00");
                out.push(char::from(DIGITS[code >> 4]));
                out.push(char::from(DIGITS[code & 15]));
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parameters_are_read() {
        let utm = utm_from_url(
            "h.com/?utm_source=s&utm_medium=m&utm_campaign=c&utm_content=o&utm_term=t&utm_id=i&utm_source_platform=p",
        );
        let text = |value: &str| Some(value.to_owned());
        let expected = TrafficSource {
            source: text("s"),
            medium: text("m"),
            campaign: text("c"),
            content: text("o"),
            term: text("t"),
            campaign_id: text("i"),
            clid_platform: text("p"),
            ..TrafficSource::default()
        };
        assert_eq!(utm, expected);
    }

    #[test]
    fn a_click_id_stands_in_for_a_source() {
        let utm = utm_from_url("https://h/?gclid=a%22b");
        assert_eq!(utm.source.as_deref(), Some("Google"));
        assert_eq!(utm.medium.as_deref(), Some("(CPC)"));
        assert_eq!(utm.clid.as_deref(), Some(r#"{"type":"gclid","value":"a\"b"}"#));
        let utm = utm_from_url("https://h/?fbclid=x&utm_medium=m");
        assert_eq!((utm.source.as_deref(), utm.medium.as_deref()), (Some("fbclid"), Some("m")));
        let utm = utm_from_url("https://h/?fbclid=x&utm_source=s");
        assert_eq!((utm.source.as_deref(), utm.medium), (Some("s"), None));
        assert!(utm.clid.is_some());
    }

    #[test]
    fn empty_parameters_are_absent() {
        assert_eq!(utm_from_url("https://h/?utm_source=&gclid=&fbclid&utm_medium"), TrafficSource::default());
        let utm = utm_from_url("https://h/?gclid=&fbclid=1");
        assert_eq!(utm.source.as_deref(), Some("fbclid"));
    }

    #[test]
    fn several_click_ids_are_taken_in_hash_order() {
        // Of 16 buckets `fbclid` is in 1, `msclid` in 9, `twclid` in 10: whatever the URL says.
        for url in ["https://h/?fbclid=1&twclid=1&msclid=1", "https://h/?msclid=1&twclid=1&fbclid=1"] {
            assert_eq!(utm_from_url(url).source.as_deref(), Some("fbclid"));
        }
        assert_eq!(utm_from_url("https://h/?twclid=1&msclid=1&fbclid=").source.as_deref(), Some("msclid"));
    }

    #[test]
    fn control_characters_are_escaped() {
        let utm = utm_from_url("https://h/?gclid=%01%0A%1f%5C中%7F");
        assert_eq!(utm.clid.as_deref(), Some("{\"type\":\"gclid\",\"value\":\"\\u0001\\n\\u001F\\\\中\u{7f}\"}"));
    }
}
