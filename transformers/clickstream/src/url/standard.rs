//! As browsers read URLs: the URL Standard (url.spec.whatwg.org). Queries are split, then decoded, once.

use std::borrow::Cow;

use url::form_urlencoded;

use super::{Parameters, Url};
use crate::java::decode_percent;

/// Schemes that can do without the slashes before the host.
const SPECIAL: [&str; 6] = ["http", "https", "ws", "wss", "ftp", "file"];

/// What stands in front of parts of a page; its host is nobody's.
const NOWHERE: &str = "https://nowhere.invalid";

/// What a text begins with.
enum Form {
    /// A scheme of its own.
    Absolute,
    /// A host.
    Host,
    /// `//` and a host.
    SchemeOfPage,
    /// A path, a query or a fragment: parts of a page that it does not name.
    PartOfPage,
}

/// Takes a URL apart. `https://` is put in front of a text that begins with a host. Of one whose host is no host, path and
/// query still count.
pub(super) fn parse(text: &str) -> Url {
    let text = stripped(text);
    if text.is_empty() {
        return Url::default();
    }
    let whole = match form(&text) {
        Form::Absolute => Cow::Borrowed(text.as_ref()),
        Form::Host => Cow::Owned(format!("https://{text}")),
        Form::SchemeOfPage => Cow::Owned(format!("https:{text}")),
        Form::PartOfPage => return part_of_page(&text),
    };
    match url::Url::parse(&whole) {
        Ok(url) => {
            Url { host: url.host_str().filter(|host| !host.is_empty()).map(str::to_owned), ..parts(&url, &whole) }
        }
        Err(_) if matches!(whole, Cow::Borrowed(_)) => {
            let (authority, rest) = authority(&whole);
            if authority.is_empty() || rest.is_empty() { Url::default() } else { part_of_page(rest) }
        }
        Err(_) => Url::default(),
    }
}

/// Without what the standard strips: blanks and controls around it, tabs and line ends anywhere.
fn stripped(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(|character| character <= ' ');
    if memchr::memchr3(b'\t', b'\n', b'\r', text.as_bytes()).is_some() {
        Cow::Owned(text.replace(['\t', '\n', '\r'], ""))
    } else {
        Cow::Borrowed(text)
    }
}

fn form(text: &str) -> Form {
    if text.starts_with("//") {
        return Form::SchemeOfPage;
    }
    if text.starts_with(['/', '?', '#']) {
        return Form::PartOfPage;
    }
    let is_scheme = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    let Some((name, rest)) = text.split_once(':').filter(|(name, _)| is_scheme(name)) else { return Form::Host };
    // `shop.example:8443/` has a port there, and a scheme would be followed by something else.
    let end = end_of_host(rest);
    let is_port = end > 0 && rest[..end].bytes().all(|byte| byte.is_ascii_digit());
    let is_special = SPECIAL.iter().any(|special| name.eq_ignore_ascii_case(special));
    if is_port && !is_special { Form::Host } else { Form::Absolute }
}

fn part_of_page(text: &str) -> Url {
    let whole = format!("{NOWHERE}{text}");
    let Ok(url) = url::Url::parse(&whole) else { return Url::default() };
    let parts = parts(&url, &whole);
    // A query or a fragment alone says nothing of the path.
    let path = parts.path.filter(|_| !text.starts_with(['?', '#']));
    Url { path, ..parts }
}

/// Path and query. A URL that ends with its host has the path `""`, where a browser asks for `/`.
fn parts(url: &url::Url, text: &str) -> Url {
    let path = (!url.cannot_be_a_base()).then(|| {
        let is_bare = url.path() == "/" && !authority(text).1.starts_with(['/', '\\']);
        if is_bare { String::new() } else { decode_percent(url.path()).into_owned() }
    });
    let mut parameters = Parameters::default();
    for (key, value) in form_urlencoded::parse(url.query().unwrap_or_default().as_bytes()) {
        parameters.add(key, (!value.is_empty()).then(|| value.into_owned()));
    }
    Url { host: None, path, query: parameters.found, ends_in_repeat: parameters.ends_in_repeat }
}

/// What stands in the place of the host, and what follows it.
fn authority(text: &str) -> (&str, &str) {
    let rest = text.split_once(':').map_or(text, |(_, rest)| rest).trim_start_matches(['/', '\\']);
    rest.split_at(end_of_host(rest))
}

/// Where the host ends in what begins with one.
fn end_of_host(text: &str) -> usize {
    text.bytes().position(|byte| matches!(byte, b'/' | b'\\' | b'?' | b'#')).unwrap_or(text.len())
}

/// A host that is not part of a URL, in the one spelling of those that are; unchanged when it is none.
pub(crate) fn host_of(text: &str) -> Cow<'_, str> {
    url::Host::parse(text.trim()).map_or(Cow::Borrowed(text), |host| Cow::Owned(host.to_string()))
}

/// What rules look a site up by: the host in its one spelling, and what follows it as it is written.
pub(crate) fn site_key<'a>(text: &'a str, host: Option<&str>) -> Cow<'a, str> {
    let text = text.trim();
    let site =
        if matches!(form(text), Form::Host) { text } else { text.split_once("//").map_or(text, |(_, rest)| rest) };
    let Some(host) = host else { return Cow::Borrowed(site) };
    let end = end_of_host(site);
    if &site[..end] == host { Cow::Borrowed(site) } else { Cow::Owned(format!("{host}{}", &site[end..])) }
}
