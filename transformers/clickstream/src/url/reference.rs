//! As the reference reads URLs: by the rules of `java.net.URI`, with one second chance. A URL with illegal characters is
//! rewritten and parsed again. The rewrite escapes more than it must, and some of it twice, which loses hosts with a
//! hyphen or a port. Queries are decoded, then split, and their values decoded once more.

use std::borrow::Cow;

use super::{Parameters, Url};
use crate::java::{UriFault, UriParts, decode_percent, parse_uri, url_decode};

/// A scheme is looked for in this many UTF-16 units.
const SCHEME_UNITS: usize = 15;

/// Takes a URL apart.
///
/// `https://` is put in front of a text without `://` among its first 15 characters. A second `://`, a text that is
/// only `scheme://`, and an empty text are no exception: they give what the rules give, which is nothing for the last
/// two.
pub(super) fn parse(text: &str) -> Url {
    if text.is_empty() {
        return Url::default();
    }
    let url = if has_scheme(text) { Cow::Borrowed(text) } else { Cow::Owned(format!("https://{text}")) };
    match parse_uri(&url) {
        Ok(parts) => from_parts(parts),
        Err(UriFault::Structure) => Url::default(),
        Err(UriFault::Character) => parse_uri(&rewrite(&url)).map(from_parts).unwrap_or_default(),
    }
}

fn has_scheme(text: &str) -> bool {
    text.find("://").is_some_and(|at| at < 3 * SCHEME_UNITS && text[..at].encode_utf16().count() + 3 <= SCHEME_UNITS)
}

fn from_parts(parts: UriParts<'_>) -> Url {
    let query = parts.query.map(decode_percent);
    let parameters = query.as_deref().map(parameters).unwrap_or_default();
    Url {
        host: parts.host.map(str::to_owned),
        path: parts.path.map(|path| decode_percent(path).into_owned()),
        query: parameters.found,
        ends_in_repeat: parameters.ends_in_repeat,
    }
}

/// Splits a decoded query. Pieces that are empty at its end do not count; all others do, also an empty one.
fn parameters(query: &str) -> Parameters<'_> {
    let mut parameters = Parameters::default();
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
        parameters.add(Cow::Borrowed(key), value);
    }
    parameters
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

fn push_escape(byte: u8, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}
