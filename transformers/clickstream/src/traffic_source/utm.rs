//! What a URL's own parameters say about a visit.

use super::notes::{Note, Witness};
use super::{Refusal, TrafficSource};
use crate::compat::Compat;
use crate::java::KeyOrder;
use crate::url::{Url, first_of, parse_url};

/// The medium of a visit with a click id and none of its own.
pub(super) const PAID_CLICK: &str = "(CPC)";

/// The parameters that are a field of their own, by the column they fill.
const PARAMETERS: [(&str, &str); 7] = [
    ("source", "utm_source"),
    ("medium", "utm_medium"),
    ("campaign", "utm_campaign"),
    ("content", "utm_content"),
    ("term", "utm_term"),
    ("campaign_id", "utm_id"),
    ("clid_platform", "utm_source_platform"),
];

/// Parameters with the click of an ad on Google; the later ones stand in for the first on phones that ask before they
/// let one be followed. The reference knows the first alone.
const GOOGLE_CLICK_IDS: [&str; 3] = ["gclid", "gbraid", "wbraid"];

/// Click ids whose names do not end with `clid`, in any case: of Microsoft, `LinkedIn`, Pinterest, Reddit, Snapchat (which
/// writes `ScCid`), Outbrain, Taboola, Yahoo, Adobe, Impact and Kochava. The reference knows none of them.
const OTHER_CLICK_IDS: [&str; 11] = [
    "msclkid",
    "li_fat_id",
    "epik",
    "rdt_cid",
    "sccid",
    "dicbo",
    "tblci",
    "vmcid",
    "s_kwcid",
    "irclickid",
    "ko_click_id",
];

/// Reads the `utm_*` parameters and the click id of a URL, with or without a scheme.
///
/// A click id is `gclid`, else the first parameter whose name ends with `clid`, where first is Java's hash order. By
/// default `gbraid` and `wbraid` come before those, and [`OTHER_CLICK_IDS`] after them. A value that is present but empty
/// counts as absent, and of several the first counts; in the reference the first alone, and it gives the event up when that
/// is empty.
///
/// Channel and category stay empty.
pub fn utm_from_url(text: &str, compat: Compat) -> Result<TrafficSource, Refusal> {
    from_parameters(&parse_url(text, compat), compat, &mut ())
}

/// As [`utm_from_url`], of a URL that is already parsed.
pub(super) fn from_parameters(url: &Url, compat: Compat, witness: &mut impl Witness) -> Result<TrafficSource, Refusal> {
    let mut found = [const { None }; PARAMETERS.len()];
    for (value, (_, name)) in found.iter_mut().zip(PARAMETERS) {
        *value = url.values(name).and_then(|values| value_of(values, compat)).map(str::to_owned);
        if value.is_none() && compat.is_reference() && url.values(name).is_some() {
            return Err(Refusal::EmptyParameter(name.to_owned()));
        }
    }
    witness.note(|| parameters_note(&found, url));
    let [source, medium, campaign, content, term, campaign_id, clid_platform] = found;
    let mut utm = TrafficSource {
        source,
        medium,
        campaign,
        content,
        term,
        campaign_id,
        clid_platform,
        ..TrafficSource::default()
    };
    let Some((name, click)) = click_id(url, compat)? else { return Ok(utm) };
    let mut decided = vec!["clid"];
    if utm.source.is_none() {
        utm.source = Some(network_of(name, compat).to_owned());
        decided.push("source");
        if utm.medium.is_none() {
            utm.medium = Some(PAID_CLICK.to_owned());
            decided.push("medium");
        }
    }
    witness.note(|| Note::new("click-id", &decided, format!("the parameter {name} is a click id")));
    utm.clid = Some(click_id_json(name, click));
    Ok(utm)
}

fn parameters_note(found: &[Option<String>], url: &Url) -> Note {
    let with = found.iter().zip(PARAMETERS).filter(|(value, _)| value.is_some());
    let (decided, mut names): (Vec<_>, Vec<_>) = with.map(|(_, names)| names).unzip();
    let empty: Vec<_> =
        PARAMETERS.map(|(_, name)| name).into_iter().filter(|name| url.values(name).is_some()).collect();
    let empty: Vec<_> = empty.into_iter().filter(|name| !names.contains(name)).collect();
    if names.is_empty() {
        names.push("no utm parameter");
    }
    let mut why = names.join(", ");
    if !empty.is_empty() {
        why = format!("{why}; empty and so absent: {}", empty.join(", "));
    }
    Note::new("parameters", &decided, why)
}

/// The source of a visit with a click id and none of its own: the network, where rules know it as a search engine.
fn network_of(name: &str, compat: Compat) -> &str {
    match name {
        "gclid" => "Google",
        "gbraid" | "wbraid" if !compat.is_reference() => "Google",
        name if name.eq_ignore_ascii_case("msclkid") && !compat.is_reference() => "Bing",
        name => name,
    }
}

/// Name and value of the click id.
fn click_id(url: &Url, compat: Compat) -> Result<Option<(&str, &str)>, Refusal> {
    if compat.is_reference() {
        if let Some(values) = url.values("gclid") {
            let empty = || Refusal::EmptyParameter("gclid".to_owned());
            return first_of(values).map(|value| Some(("gclid", value))).ok_or_else(empty);
        }
        let Some((name, values)) = first_clid(url, |_| true) else { return Ok(None) };
        return first_of(values)
            .map(|value| Some((name, value)))
            .ok_or_else(|| Refusal::EmptyParameter(name.to_owned()));
    }
    let is_filled = |values: &[Option<String>]| value_of(values, compat).is_some();
    let google = || GOOGLE_CLICK_IDS.into_iter().find_map(|name| Some((name, value_of(url.values(name)?, compat)?)));
    let clid = || first_clid(url, is_filled).and_then(|(name, values)| Some((name, value_of(values, compat)?)));
    let other = || {
        OTHER_CLICK_IDS.into_iter().find_map(|known| {
            let is_known = |(name, values): &&(String, Vec<_>)| name.eq_ignore_ascii_case(known) && is_filled(values);
            let (name, values) = url.query.iter().find(is_known)?;
            Some((name.as_str(), value_of(values, compat)?))
        })
    };
    Ok(google().or_else(clid).or_else(other))
}

/// The value of a parameter that counts.
fn value_of(values: &[Option<String>], compat: Compat) -> Option<&str> {
    if compat.is_reference() { first_of(values) } else { values.iter().flatten().map(String::as_str).next() }
}

/// The first of the parameters that count and whose names end with `clid`, in the order of the reference's map.
fn first_clid(url: &Url, counts: impl Fn(&[Option<String>]) -> bool) -> Option<(&str, &[Option<String>])> {
    let is_candidate = |(name, values): &&(String, Vec<_>)| name.ends_with("clid") && counts(values);
    let mut found = url.query.iter().filter(is_candidate);
    let first = found.next()?;
    let (name, values) = if found.next().is_none() {
        first
    } else {
        let mut order = KeyOrder::new();
        let repeated = if url.ends_in_repeat { url.query.first() } else { None };
        for (at, (name, _)) in url.query.iter().chain(repeated).enumerate() {
            order.compute_if_absent(name, at as u32);
        }
        order.iter().filter_map(|at| url.query.get(at as usize)).find(is_candidate).unwrap_or(first)
    };
    Some((name, values))
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

    fn utm_from_url(text: &str) -> TrafficSource {
        super::utm_from_url(text, Compat::Default).unwrap()
    }

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
        let utm = utm_from_url("https://h/?gclid=&gclid=2&gclid=3&utm_medium=&utm_medium=m");
        assert_eq!(utm.clid.as_deref(), Some(r#"{"type":"gclid","value":"2"}"#));
        assert_eq!(utm.medium.as_deref(), Some("m"));
    }

    #[test]
    fn empty_parameters_are_refused_as_the_reference_does() {
        let refused = |text: &str| super::utm_from_url(text, Compat::Reference).err();
        let empty = |name: &str| Some(Refusal::EmptyParameter(name.to_owned()));
        assert_eq!(refused("https://h/?utm_medium=&utm_source=a"), empty("utm_medium"));
        assert_eq!(refused("https://h/?utm_source&utm_source=a"), empty("utm_source"));
        assert_eq!(refused("https://h/?gclid=&fbclid=1"), empty("gclid"));
        assert_eq!(refused("https://h/?fbclid="), empty("fbclid"));
        assert_eq!(refused("https://h/?gclid=1&fbclid="), None, "only the one that counts is looked at");
        assert_eq!(refused("https://h/?msclid=1&fbclid="), empty("fbclid"), "the first in hash order");
        assert_eq!(refused("https://h/?q="), None);
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
    fn a_key_of_the_same_bucket_goes_before_those_that_are_there() {
        let reference = |text: &str| super::utm_from_url(text, Compat::Reference).unwrap().source.unwrap();
        for (query, source) in [
            ("dclid=1&ttclid=2", "ttclid"),
            ("ttclid=2&dclid=1", "dclid"),
            ("clid=1&yclid=2", "yclid"),
            ("yclid=&clid=2", "clid"),
        ] {
            assert_eq!(reference(&format!("https://h/?{query}")), source, "{query}");
        }
    }

    #[test]
    fn click_ids_of_other_names_are_known_by_default() {
        for (query, source, clid) in [
            ("msclkid=1", "Bing", r#"{"type":"msclkid","value":"1"}"#),
            ("gbraid=1", "Google", r#"{"type":"gbraid","value":"1"}"#),
            ("fbclid=1&wbraid=2", "Google", r#"{"type":"wbraid","value":"2"}"#),
            ("gclid=&gbraid=2", "Google", r#"{"type":"gbraid","value":"2"}"#),
            ("ScCid=1", "ScCid", r#"{"type":"ScCid","value":"1"}"#),
            ("li_fat_id=&epik=1", "epik", r#"{"type":"epik","value":"1"}"#),
            ("rdt_cid=1&fbclid=2", "fbclid", r#"{"type":"fbclid","value":"2"}"#),
        ] {
            let url = format!("https://h/?{query}");
            let utm = utm_from_url(&url);
            assert_eq!((utm.source.as_deref(), utm.clid.as_deref()), (Some(source), Some(clid)), "{query}");
            assert_eq!(utm.medium.as_deref(), Some("(CPC)"));
        }
        let reference = |text: &str| super::utm_from_url(text, Compat::Reference).unwrap();
        assert_eq!(reference("https://h/?msclkid=1&gbraid=2&wbraid=3&li_fat_id=4&ScCid=5"), TrafficSource::default());
    }

    #[test]
    fn control_characters_are_escaped() {
        let utm = utm_from_url("https://h/?gclid=%01%0A%1f%5C中%7F");
        assert_eq!(utm.clid.as_deref(), Some("{\"type\":\"gclid\",\"value\":\"\\u0001\\n\\u001F\\\\中\u{7f}\"}"));
    }
}
