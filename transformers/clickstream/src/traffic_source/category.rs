//! The category rules: which sites are search engines, social networks and so on.

use std::borrow::Cow;

use etl_sdk::{Error, Result};
use hashbrown::HashMap;
use serde::Deserialize;
use serde_json::Value;

use super::notes::{Note, Witness};
use super::{Refusal, UNASSIGNED};
use crate::compat::Compat;
use crate::java::{KeyOrder, compare_utf16};
use crate::url::{Url, parse_url, site_key};

/// One entry of the rule file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CategoryRule {
    /// `search.comcast.net`, or a host with a path.
    url: String,
    source: String,
    category: String,
    /// Query parameters that hold the words searched for.
    #[serde(default)]
    params: Option<Vec<String>>,
}

/// All entries, by their two keys. Of entries with the same key the last one counts.
#[derive(Debug, Default)]
pub(super) struct CategoryRules {
    by_url: HashMap<String, CategoryRule>,
    /// Entries whose URL has another spelling than the one its host is looked up by, by that one.
    by_site: HashMap<String, String>,
    category_of_source: HashMap<String, String>,
}

/// What the rules say of a referrer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Evaluation {
    pub source: Option<String>,
    pub terms: Option<String>,
    pub category: Option<String>,
}

impl CategoryRules {
    /// `json` is an array of `{"url", "source", "category", "params"}`; any other key is refused.
    pub fn parse(json: &str) -> Result<Self> {
        let error = || Error::config("parse the category rules");
        let entries: Vec<Value> = serde_json::from_str(json).map_err(|cause| error().source(cause))?;
        let mut rules = Self::default();
        for (index, entry) in entries.into_iter().enumerate() {
            let url = entry.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
            let rule: CategoryRule = serde_json::from_value(entry)
                .map_err(|cause| error().with("entry", index).with("url", url).source(cause))?;
            rules.category_of_source.insert(rule.source.clone(), rule.category.clone());
            let url = parse_url(&rule.url, Compat::Default);
            let site = site_key(&rule.url, url.host.as_deref());
            if site != rule.url {
                rules.by_site.insert(site.into_owned(), rule.url.clone());
            }
            rules.by_url.insert(rule.url.clone(), rule);
        }
        Ok(rules)
    }

    /// The category of a source, in its exact spelling.
    pub fn category_of_source(&self, source: &str) -> Option<&str> {
        self.category_of_source.get(source).map(String::as_str)
    }

    fn entry(&self, key: &str, compat: Compat) -> Option<&CategoryRule> {
        let exact = self.by_url.get(key);
        if compat.is_reference() { exact } else { exact.or_else(|| self.by_url.get(self.by_site.get(key)?)) }
    }

    /// Source, search words and category of a referrer, as written and parsed: those of the entry with the longest
    /// matching URL, else `Unassigned` and the referrer's host.
    ///
    /// The reference fails for a referrer that is a scheme alone. `unfilled` are the columns that the note is to claim.
    pub fn evaluate(
        &self,
        referrer: &str,
        url: &Url,
        unfilled: &[&'static str],
        compat: Compat,
        witness: &mut impl Witness,
    ) -> Result<Evaluation, Refusal> {
        if compat.is_reference() && is_scheme_alone(referrer) {
            return Err(Refusal::SchemeAlone);
        }
        let keys = candidates(referrer, url, compat);
        let hit = keys.iter().enumerate().find_map(|(at, key)| Some((at, self.entry(key, compat)?)));
        let Some((at, rule)) = hit else {
            witness.note(|| {
                let why = format!("no entry for {}; the host counts as source", keys.join(", "));
                Note::new("category-rule", &claimed(unfilled, false), why)
            });
            let category = Some(UNASSIGNED.to_owned());
            return Ok(Evaluation { source: url.host.clone(), terms: None, category });
        };
        let terms = search_terms(rule, url, compat);
        witness.note(|| hit_note(rule, &claimed(unfilled, terms.is_some()), &keys[at], &keys[..at]));
        Ok(Evaluation { source: Some(rule.source.clone()), terms, category: Some(rule.category.clone()) })
    }
}

/// The columns an entry fills: words only when there are some.
fn claimed(unfilled: &[&'static str], has_terms: bool) -> Vec<&'static str> {
    unfilled.iter().copied().filter(|column| *column != "term" || has_terms).collect()
}

fn hit_note(rule: &CategoryRule, claimed: &[&'static str], key: &str, missed: &[Cow<'_, str>]) -> Note {
    let CategoryRule { source, category, .. } = rule;
    let mut why = format!("the entry {key} says source {source}, category {category}");
    if !missed.is_empty() {
        why = format!("{why}; tried before: {}", missed.join(", "));
    }
    Note::new("category-rule", claimed, why)
}

/// Whether nothing but `://` follows a scheme: Java's `split` then has no second part.
fn is_scheme_alone(referrer: &str) -> bool {
    referrer.split_once("://").is_some_and(|(_, rest)| rest.replace("://", "").is_empty())
}

/// The keys a referrer is looked up by, the longest first. Those of one length stand in Java's hash order.
///
/// In the reference a referrer that ends with its first `://` has no text after it, so that key is left out; one that has
/// a second `://` ends there; and `.google.` counts wherever it stands, also in a query.
fn candidates<'a>(referrer: &'a str, url: &'a Url, compat: Compat) -> Vec<Cow<'a, str>> {
    let host = url.host.as_deref().unwrap_or("");
    let mut all: Vec<Cow<'a, str>> = Vec::with_capacity(8);
    all.push(if compat.is_reference() {
        referrer.split("://").nth(1).unwrap_or(if referrer.contains("://") { "" } else { referrer }).into()
    } else {
        site_key(referrer, url.host.as_deref())
    });
    let path = match url.path.as_deref() {
        None | Some("" | "/") => None,
        Some(path) if path.starts_with('/') => Some(Cow::Borrowed(path)),
        Some(path) => Some(Cow::Owned(format!("/{path}"))),
    };
    let bare = host.strip_prefix("www.");
    for host in [Some(host), bare].into_iter().flatten() {
        all.push(host.into());
        if let Some(path) = &path {
            all.push(format!("{host}{path}").into());
        }
        if let Some(international) = without_country(host) {
            all.push(international.into());
        }
    }
    let is_google =
        if compat.is_reference() { referrer.contains(".google.") } else { is_google(host) || is_google_app(referrer) };
    if is_google {
        all.push("google.com".into());
    }
    let mut order = KeyOrder::new();
    for (at, candidate) in all.iter().enumerate() {
        if !candidate.is_empty() {
            order.put(candidate, at as u32);
        }
    }
    let mut keys: Vec<Cow<'a, str>> = order.iter().map(|at| all[at as usize].clone()).collect();
    keys.sort_by_key(|key| std::cmp::Reverse(key.encode_utf16().count()));
    keys
}

/// `google.com`, `www.google.de`, `maps.google.co.uk`, `google.cat`: the label with what a country puts behind it, or the
/// end of Catalan sites. A host may end with the dot of the root.
fn is_google(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let Some((before, end)) = host.rsplit_once("google.") else { return false };
    let country = end.strip_prefix("com.").or_else(|| end.strip_prefix("co.")).unwrap_or(end);
    let is_country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_lowercase());
    (before.is_empty() || before.ends_with('.')) && (matches!(end, "com" | "cat") || is_country)
}

/// Apps name themselves the other way round: `android-app://com.google.android.gm`.
fn is_google_app(referrer: &str) -> bool {
    const SCHEME: &str = "android-app://com.google.";
    referrer.trim_start().get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

/// `yahoo.com` of `yahoo.com.hk`: the host without a two-letter end after an end of two or three letters.
fn without_country(host: &str) -> Option<&str> {
    let is_end = |label: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let (international, country) = host.rsplit_once('.')?;
    let (_, end) = international.rsplit_once('.')?;
    (is_end(country, 2..=2) && is_end(end, 2..=3)).then_some(international)
}

/// The distinct values of a rule's parameters, sorted and joined by commas. In the reference a missing value reads
/// `null` when it is the only one.
fn search_terms(rule: &CategoryRule, url: &Url, compat: Compat) -> Option<String> {
    let mut missing = false;
    let mut terms: Vec<&str> = Vec::new();
    for value in rule.params.iter().flatten().filter_map(|name| url.values(name)).flatten() {
        match value {
            Some(value) => terms.push(value),
            None => missing = true,
        }
    }
    if terms.is_empty() {
        return (missing && compat.is_reference()).then(|| "null".to_owned());
    }
    terms.sort_unstable_by(|left, right| compare_utf16(left, right));
    terms.dedup();
    Some(terms.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::parse_url;

    fn rules() -> CategoryRules {
        CategoryRules::parse(
            r#"[
                {"url":"search.example","source":"Example","category":"Search","params":["q","query"]},
                {"url":"example.com/shop","source":"Shop","category":"Shopping","params":[]},
                {"url":"example.com","source":"Twice","category":"Social"},
                {"url":"example.com","source":"Example","category":"Video","params":null},
                {"url":"google.com","source":"Google","category":"Search","params":["q"]}
            ]"#,
        )
        .unwrap()
    }

    /// Asserts source, category and search words.
    #[track_caller]
    fn expect(referrer: &str, expected: (Option<&str>, Option<&str>, Option<&str>)) {
        let url = parse_url(referrer, Compat::Default);
        let Evaluation { source, terms, category } =
            rules().evaluate(referrer, &url, &[], Compat::Default, &mut ()).unwrap();
        assert_eq!((source.as_deref(), category.as_deref(), terms.as_deref()), expected, "{referrer}");
    }

    #[test]
    fn the_longest_key_wins() {
        expect("https://www.example.com/shop", (Some("Shop"), Some("Shopping"), None));
        expect("https://example.com/other", (Some("Example"), Some("Video"), None));
        expect("example.com", (Some("Example"), Some("Video"), None));
        expect("https://www.example.com.hk", (Some("Example"), Some("Video"), None));
        expect("https://maps.google.de/", (Some("Google"), Some("Search"), None));
    }

    #[test]
    fn keys_are_tried_from_long_to_short() {
        let url = parse_url("https://www.example.com.hk/shop?x", Compat::Default);
        let keys = candidates("https://www.example.com.hk/shop?x", &url, Compat::Default);
        let expected = [
            "www.example.com.hk/shop?x",
            "www.example.com.hk/shop",
            "example.com.hk/shop",
            "www.example.com.hk",
            "www.example.com",
            "example.com.hk",
            "example.com",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn a_miss_names_the_host() {
        expect("https://nowhere.example/x?q=1", (Some("nowhere.example"), Some(UNASSIGNED), None));
        expect("https://no_host/x", (Some("no_host"), Some(UNASSIGNED), None));
        expect("https://no host/x", (None, Some(UNASSIGNED), None));
        expect("https://", (None, Some(UNASSIGNED), None));
        expect("a://://b", (None, Some(UNASSIGNED), None));
    }

    #[test]
    fn hosts_are_compared_without_case_and_in_one_spelling() {
        let rules = CategoryRules::parse(
            r#"[{"url":"Shop.Example","source":"Shop","category":"Shopping"},
                {"url":"M\u00fcller.example/Neu","source":"Neu","category":"Referral"}]"#,
        )
        .unwrap();
        for (referrer, default, reference) in [
            ("HTTPS://WWW.SHOP.EXAMPLE/", "Shop", "WWW.SHOP.EXAMPLE"),
            ("https://Shop.Example/", "Shop", "Shop"),
            ("https://m%C3%BCller.example/Neu", "Neu", "none"),
            ("https://xn--mller-kva.example/Neu", "Neu", "xn--mller-kva.example"),
            ("https://xn--mller-kva.example/neu", "xn--mller-kva.example", "xn--mller-kva.example"),
        ] {
            for (compat, source) in [(Compat::Default, default), (Compat::Reference, reference)] {
                let found = rules.evaluate(referrer, &parse_url(referrer, compat), &[], compat, &mut ()).unwrap();
                assert_eq!(found.source.as_deref().unwrap_or("none"), source, "{referrer}");
            }
        }
    }

    #[test]
    fn google_counts_in_hosts_alone_but_anywhere_in_the_reference() {
        for (referrer, default) in [
            ("https://www.google.de/", true),
            ("https://google.co.jp/search?q=a", true),
            ("https://news.GOOGLE.com.br/", true),
            ("https://www.google.cat/", true),
            ("https://www.google.com./", true),
            ("https://www.google.dog/", false),
            ("android-app://com.google.android.gm/", true),
            ("https://partner.example/go?to=play.google.com", false),
            ("https://partner.example/play.google.com/", false),
            ("https://www.google.com@partner.example/", false),
            ("https://www.google.partner.example/", false),
            ("https://notgoogle.de/", false),
        ] {
            let source = |compat| {
                let url = parse_url(referrer, compat);
                rules().evaluate(referrer, &url, &[], compat, &mut ()).unwrap().source
            };
            assert_eq!(source(Compat::Default).as_deref() == Some("Google"), default, "{referrer}");
            let everywhere = source(Compat::Reference).as_deref() == Some("Google");
            assert_eq!(everywhere, referrer.contains(".google."), "{referrer}");
        }
    }

    #[test]
    fn search_words_are_sorted_and_distinct() {
        for (query, terms) in
            [("?query=b&q=c&q=a&q=b", Some("a,b,c")), ("?q=", None), ("?q=&query=x", Some("x")), ("?x=1", None)]
        {
            expect(&format!("https://search.example/{query}"), (Some("Example"), Some("Search"), terms));
        }
    }

    #[test]
    fn the_reference_shows_missing_words_and_fails_for_a_scheme_alone() {
        let evaluate = |referrer: &str| {
            rules().evaluate(referrer, &parse_url(referrer, Compat::Reference), &[], Compat::Reference, &mut ())
        };
        assert_eq!(evaluate("https://search.example/?q=").unwrap().terms.as_deref(), Some("null"));
        for alone in ["https://", "://", "a://://"] {
            assert_eq!(evaluate(alone), Err(Refusal::SchemeAlone), "{alone}");
        }
        assert!(evaluate("https://a/?u=https://b").is_ok() && evaluate("a").is_ok());
    }

    #[test]
    fn categories_of_sources_are_spelled_exactly() {
        assert_eq!(rules().category_of_source("Example"), Some("Video"), "the last entry");
        assert_eq!(rules().category_of_source("example"), None);
    }

    #[test]
    fn country_ends_are_told_from_others() {
        assert_eq!(without_country("a.co.uk"), Some("a.co"));
        assert_eq!(without_country("www.yahoo.com.hk"), Some("www.yahoo.com"));
        for host in ["yahoo.com", "co.uk", "a.info.uk", "a.com.HK", "a.com.123", "", "hk"] {
            assert_eq!(without_country(host), None, "{host}");
        }
    }

    #[test]
    fn faults_name_their_entry() {
        let error = CategoryRules::parse(r#"[{"url":"a.b","source":"s","category":"c","param":[]}]"#).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("entry=0 url=a.b") && message.contains("unknown field `param`"), "{message}");
        assert!(CategoryRules::parse("{}").is_err());
    }
}
