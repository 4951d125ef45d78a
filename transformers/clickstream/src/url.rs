//! Hosts, paths and query parameters of page and referrer URLs.
//!
//! The rules are those of `java.net.URI`, with one second chance: a URL with illegal characters is rewritten and parsed
//! again. By default the rewrite escapes what is illegal and nothing else. That of the reference escapes more than it
//! must, and some of it twice, which loses hosts with a hyphen or a port.

use std::borrow::Cow;

use hashbrown::HashMap;

use crate::compat::Compat;
use crate::java::{UriFault, UriParts, decode_percent, is_visible, parse_uri, url_decode};

/// A scheme is looked for in this many UTF-16 units.
const SCHEME_UNITS: usize = 15;

/// From this many distinct parameters on, they are found by hash.
const MANY_PARAMETERS: usize = 16;

/// What is known of a URL. A text that is no URL, even after the rewrite, gives [`Url::default`]: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// As it is written. Only a server-style host counts: `my_host` or `ho%73t` give none, while path and query of the
    /// same URL are still read.
    pub host: Option<String>,
    /// Percent-decoded. `https://h` has the path `""`; `mailto:x://y` has none.
    pub path: Option<String>,
    /// Values by key, in the order the keys first appear. A parameter without a value, or with an empty one, is `None`.
    pub query: Vec<(String, Vec<Option<String>>)>,
}

impl Url {
    /// All values of a parameter.
    pub fn values(&self, key: &str) -> Option<&[Option<String>]> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, values)| values.as_slice())
    }

    /// The first value of a parameter, unless it is empty.
    pub fn first_value(&self, key: &str) -> Option<&str> {
        first_of(self.values(key)?)
    }
}

/// The first value, unless it is empty.
pub(crate) fn first_of(values: &[Option<String>]) -> Option<&str> {
    values.first()?.as_deref().filter(|value| !value.is_empty())
}

/// A parameter's values as the query map shows them: joined by commas. A missing value is left out, and the reference
/// shows it as the word `null`.
pub fn join_values(values: &[Option<String>], compat: Compat) -> String {
    let missing = compat.is_reference().then_some("null");
    let mut joined = String::new();
    for value in values.iter().filter_map(|value| value.as_deref().or(missing)) {
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(value);
    }
    joined
}

/// Takes a URL apart.
///
/// `https://` is put in front of a text without `://` among its first 15 characters. A second `://`, a text that is
/// only `scheme://`, and an empty text are no exception: they give what the rules give, which is nothing for the last
/// two.
pub fn parse_url(text: &str, compat: Compat) -> Url {
    if text.is_empty() {
        return Url::default();
    }
    let url = if has_scheme(text) { Cow::Borrowed(text) } else { Cow::Owned(format!("https://{text}")) };
    match parse_uri(&url) {
        Ok(parts) => from_parts(parts),
        Err(UriFault::Structure) => Url::default(),
        Err(UriFault::Character) => {
            let rewritten = if compat.is_reference() { rewrite(&url) } else { escape_illegal(&url) };
            parse_uri(&rewritten).map(from_parts).unwrap_or_default()
        }
    }
}

fn has_scheme(text: &str) -> bool {
    text.find("://").is_some_and(|at| at < 3 * SCHEME_UNITS && text[..at].encode_utf16().count() + 3 <= SCHEME_UNITS)
}

fn from_parts(parts: UriParts<'_>) -> Url {
    Url {
        host: parts.host.map(str::to_owned),
        path: parts.path.map(|path| decode_percent(path).into_owned()),
        query: parts.query.map(|query| parse_query(&decode_percent(query))).unwrap_or_default(),
    }
}

/// Splits a decoded query. Pieces that are empty at its end do not count; all others do, also an empty one.
fn parse_query(query: &str) -> Vec<(String, Vec<Option<String>>)> {
    let mut parameters: Vec<(String, Vec<Option<String>>)> = Vec::new();
    let mut indexes: HashMap<&str, usize> = HashMap::new();
    let kept = query.trim_end_matches('&');
    if kept.is_empty() && !query.is_empty() {
        return parameters;
    }
    for piece in kept.split('&') {
        let (key, value) = match piece.find('=') {
            Some(at) if at > 0 => (&piece[..at], &piece[at + 1..]),
            _ => (piece, ""),
        };
        let value = (!value.is_empty()).then(|| url_decode(value).into_owned());
        let index = if parameters.len() < MANY_PARAMETERS {
            parameters.iter().position(|(name, _)| name == key)
        } else {
            indexes.get(key).copied()
        };
        if let Some(index) = index {
            parameters[index].1.push(value);
        } else {
            indexes.insert(key, parameters.len());
            parameters.push((key.to_owned(), vec![value]));
        }
    }
    parameters
}

/// Escapes what a URI may not hold where it stands, and nothing else: a host stays a host, and what is decoded later is
/// what was written. A percent sign that starts no escape is one itself.
fn escape_illegal(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let mut out = String::with_capacity(url.len() * 2);
    out.push_str(scheme);
    out.push_str("://");
    out.push_str(&rest[..authority]);
    let (mut in_path, mut in_fragment) = (true, false);
    for (at, character) in rest[authority..].char_indices() {
        let tail = &rest.as_bytes()[authority + at..];
        let legal = match character {
            '%' => matches!(tail, [_, high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
            '[' | ']' => !in_path,
            '#' => !std::mem::replace(&mut in_fragment, true),
            ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' => false,
            other => is_visible(other),
        };
        in_path &= !matches!(character, '?' | '#');
        if legal {
            out.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                push_escape(byte, &mut out);
            }
        }
    }
    out
}

fn push_escape(byte: u8, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// The reference's rewrite. The escapes' own percent signs are escaped again, and so are characters a URI may
/// well hold, so that a host with `-` or `:` is lost.
fn rewrite(url: &str) -> String {
    let (left, right) = match url.split_once('?') {
        Some((left, right)) => (left, Some(right)),
        None => (url, None),
    };
    let (scheme, rest) = left.split_once("://").unwrap_or(("https", left));
    let mut out = String::with_capacity(url.len() * 2);
    out.push_str(scheme);
    out.push_str("://");
    escape(rest, false, &mut out);
    if let Some(right) = right {
        out.push('?');
        escape(right, true, &mut out);
    }
    out
}

fn escape(text: &str, slash_too: bool, out: &mut String) {
    for character in text.chars() {
        match character {
            '|' | '<' | '>' | '#' | '{' | '}' | '\\' | '^' | '~' | '[' | ']' | '`' | ';' | '?' | ':' | '@' | '$'
            | '+' | ',' => {
                out.push_str("%25");
                let escape = out.len();
                push_escape(character as u8, out);
                out.remove(escape);
            }
            '%' => out.push_str("%25"),
            '-' => out.push_str("%2D"),
            ' ' => out.push_str("%20"),
            '/' if slash_too => out.push_str("%2F"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Compat; 2] = [Compat::Default, Compat::Reference];

    fn parse_url(text: &str) -> Url {
        let url = super::parse_url(text, Compat::Default);
        assert_eq!(url, super::parse_url(text, Compat::Reference), "a URL without fault is read in one way");
        url
    }

    fn host(text: &str) -> Option<String> {
        parse_url(text).host
    }

    #[test]
    fn a_plain_url_is_taken_apart() {
        let url = parse_url("https://www.example.com:8080/a%20b/c?x=1&y=%E4%B8%AD#top");
        assert_eq!(url.host.as_deref(), Some("www.example.com"));
        assert_eq!(url.path.as_deref(), Some("/a b/c"));
        assert_eq!(url.query, [("x".into(), vec![Some("1".into())]), ("y".into(), vec![Some("中".into())])]);
    }

    #[test]
    fn a_bare_host_has_an_empty_path() {
        assert_eq!(parse_url("https://h"), Url { host: Some("h".into()), path: Some(String::new()), query: vec![] });
        assert_eq!(parse_url("h"), parse_url("https://h"));
    }

    #[test]
    fn a_scheme_counts_only_near_the_start() {
        assert_eq!(host("a.com?u=https://b.com").as_deref(), Some("a.com"));
        assert_eq!(host("android-app://x.y/z").as_deref(), Some("x.y"), "fourteen characters");
        assert_eq!(host("abcdefghijkl://x.y/z").as_deref(), Some("x.y"), "fifteen");
        assert_eq!(host("abcdefghijklm://x.y/z").as_deref(), Some("abcdefghijklm"), "sixteen: an empty port");
    }

    #[test]
    fn only_server_style_hosts_count() {
        let url = parse_url("https://my_host.example/p?a=1");
        assert_eq!(url, Url { host: None, path: Some("/p".into()), query: vec![("a".into(), vec![Some("1".into())])] });
        assert_eq!(host("https://ho%73t/p"), None);
        assert_eq!(host("https://host:port/p"), None);
        assert_eq!(host("https://[::1]:80/p").as_deref(), Some("[::1]"));
        assert_eq!(parse_url("mailto:x://y"), Url::default(), "an opaque URI");
    }

    #[test]
    fn nothing_comes_of_what_is_no_url() {
        for text in ["", "https://", "://", "://x", "https://a b/\"", "a b://x", "https://[::1/p", "\n"] {
            assert_eq!(parse_url(text), Url::default(), "{text:?}");
        }
        assert_eq!(host("https://a.com/?u=https://b.com").as_deref(), Some("a.com"), "a second scheme is no fault");
    }

    #[test]
    fn a_query_keeps_keys_without_values() {
        let url = parse_url("https://h/?a&b=&=c&a=1&d=x=y");
        for (compat, expected) in BOTH.into_iter().zip([
            [("a", "1"), ("b", ""), ("=c", ""), ("d", "x=y")],
            [("a", "null,1"), ("b", "null"), ("=c", "null"), ("d", "x=y")],
        ]) {
            let shown = url.query.iter().map(|(key, values)| (key.as_str(), join_values(values, compat)));
            assert_eq!(shown.collect::<Vec<_>>(), expected.map(|(key, value)| (key, value.to_owned())));
        }
        assert_eq!(url.first_value("a"), None, "the first value is the one that counts");
        assert_eq!(url.first_value("d"), Some("x=y"));
    }

    #[test]
    fn empty_pieces_count_unless_they_end_the_query() {
        let keys = |text: &str| parse_url(text).query.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys("https://h/?a&&b&&"), ["a", "", "b"]);
        assert_eq!(keys("https://h/?&a"), ["", "a"]);
        assert_eq!(keys("https://h/?&"), [""; 0]);
        assert_eq!(keys("https://h/?"), [""]);
        assert_eq!(keys("https://h/"), [""; 0]);
    }

    #[test]
    fn values_are_decoded_twice_and_keys_once() {
        let url = parse_url("https://h/?k%2520=v%2520w%252B");
        assert_eq!(url.query, [("k%20".into(), vec![Some("v w+".into())])]);
        let url = parse_url("https://h/?a=1%26b=2");
        assert_eq!(url.query.len(), 2, "an encoded ampersand separates too");
    }

    #[test]
    fn many_parameters_keep_their_order() {
        let pieces: Vec<String> = (0..5_000).map(|number| format!("k{}={number}", number % 2_500)).collect();
        let url = parse_url(&format!("https://h/?{}", pieces.join("&")));
        assert_eq!(url.query.len(), 2_500);
        assert_eq!(url.query[2_499], ("k2499".into(), vec![Some("2499".into()), Some("4999".into())]));
    }

    #[test]
    fn a_rewrite_rescues_path_and_query() {
        let text = "https://www.example.com/keyword/太古 食乜^$@()[- #]%好/";
        let [ours, reference] = BOTH.map(|compat| super::parse_url(text, compat));
        assert_eq!(ours.path.as_deref(), Some("/keyword/太古 食乜^$@()[- "), "then the fragment");
        assert_eq!(reference.path.as_deref(), Some("/keyword/太古 食乜%5E%24%40()%5B- %23%5D%好/"), "escaped twice");
        for url in [ours, reference] {
            assert_eq!(url.host.as_deref(), Some("www.example.com"));
        }
        let url = parse_url("https://www.example.com/?a={1}&b=x/y-z");
        assert_eq!(url.first_value("a"), Some("{1}"));
        assert_eq!(url.first_value("b"), Some("x/y-z"));
    }

    #[test]
    fn only_what_is_illegal_is_escaped() {
        let read = |text: &str| super::parse_url(text, Compat::Default);
        let url = read("https://my-host.com:8080/a b/[c]?q=100%&x=%41|y&z=[1]#a#b c");
        assert_eq!(url.host.as_deref(), Some("my-host.com"));
        assert_eq!(url.path.as_deref(), Some("/a b/[c]"));
        let query: Vec<_> = url.query.iter().map(|(key, _)| (key.as_str(), url.first_value(key).unwrap())).collect();
        assert_eq!(query, [("q", "100%"), ("x", "A|y"), ("z", "[1]")]);
        assert_eq!(read("https://h/a\u{7f}\u{a0}b").path.as_deref(), Some("/a\u{7f}\u{a0}b"));
        assert_eq!(read("https://ho st/p"), Url::default(), "no escape makes a host of it");
        let text = "a.com/%zz?utm_source=news letter";
        assert_eq!(read(text).first_value("utm_source"), Some("news letter"));
    }

    #[test]
    fn the_rewrite_of_the_reference_destroys_hosts_with_hyphens_and_ports() {
        let [ours, reference] = BOTH.map(|compat| super::parse_url("https://my-host.com/a b", compat));
        assert_eq!((ours.host.as_deref(), reference.host), (Some("my-host.com"), None));
        let [ours, reference] = BOTH.map(|compat| super::parse_url("https://host.com:80/a b", compat));
        assert_eq!((ours.host.as_deref(), reference.host), (Some("host.com"), None));
        assert_eq!((ours.path.as_deref(), reference.path.as_deref()), (Some("/a b"), Some("/a b")));
    }
}
