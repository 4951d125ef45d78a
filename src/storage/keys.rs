//! Whether an answer is a listing, and the keys in it that the store's client cannot name: it leaves out a slash at an end
//! and refuses empty parts, `.` and `..`, and control characters.

use super::answer;
use crate::text::redact;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use object_store::path::Path as ObjectPath;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use std::sync::{Arc, Mutex, PoisonError};

/// The root element of a listing.
const LISTING: &str = "ListBucketResult";

/// What is shown of an answer that is none.
const SHOWN_BYTES: usize = 60;

/// What an answer is, by its root element.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Root {
    Listing,
    /// Something else, in words.
    Other(String),
    /// It ends before its root.
    Cut,
}

/// An object whose key the store's client cannot name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OddKey {
    pub(crate) key: String,
    pub(crate) etag: Option<String>,
    pub(crate) size: u64,
    pub(crate) modified: DateTime<Utc>,
}

/// Goes along with the request of a page, and takes the odd keys out of its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct OddKeys(Arc<Mutex<Vec<OddKey>>>);

impl OddKeys {
    /// The keys of the page that was asked for last.
    pub(crate) fn take(&self) -> Vec<OddKey> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set(&self, keys: Vec<OddKey>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

/// Whether the store's client names a key as it is.
pub(crate) fn is_plain(key: &str) -> bool {
    ObjectPath::parse(key).is_ok_and(|path| path.as_ref() == key)
}

/// Looks at the root element of an answer.
pub(super) fn root_of(bytes: &[u8]) -> Root {
    let trimmed = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii();
    if trimmed.is_empty() {
        return Root::Other("empty".to_owned());
    }
    if !trimmed.starts_with(b"<") {
        return Root::Other(format!("text that begins with `{}`", shown(trimmed)));
    }
    let mut reader = Reader::from_reader(trimmed);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                let name = String::from_utf8_lossy(element.local_name().into_inner()).into_owned();
                return match name.as_str() {
                    LISTING => Root::Listing,
                    "ListAllMyBucketsResult" => Root::Other(format!("a list of buckets (`{name}`)")),
                    _ if name.eq_ignore_ascii_case("html") => Root::Other("a page of HTML".to_owned()),
                    _ => Root::Other(format!("a document `{}`", shown(name.as_bytes()))),
                };
            }
            Ok(Event::DocType(text)) if text.trim_ascii().to_ascii_lowercase().starts_with(b"html") => {
                return Root::Other("a page of HTML".to_owned());
            }
            Ok(Event::Eof) | Err(_) => return Root::Cut,
            Ok(_) => {}
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = redact(&String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN_BYTES)]));
    answer::cut(&text, SHOWN_BYTES).escape_debug().to_string()
}

/// Takes the objects whose keys are odd out of a page.
pub(super) fn sift(bytes: &Bytes, odd_keys: &OddKeys) -> Result<Bytes> {
    let wrong = |error: String| Error::new(ErrorKind::Unavailable, "read a listing").source(error);
    let mut reader = Reader::from_reader(bytes.as_ref());
    let (mut odd, mut kept, mut keep_from) = (Vec::new(), Vec::new(), 0);
    let mut begin = 0;
    let mut object: Option<Fields> = None;
    let mut depth = 0_u32;
    loop {
        let at = reader.buffer_position() as usize;
        match reader.read_event().map_err(|error| wrong(error.to_string()))? {
            Event::Start(element) => {
                depth += 1;
                let name = element.local_name().into_inner();
                match &mut object {
                    None if name == b"Contents" => (begin, object) = (at, Some(Fields::default())),
                    Some(fields) if depth == 3 => fields.enter(name),
                    _ => {}
                }
            }
            Event::End(element) => {
                depth = depth.saturating_sub(1);
                if let Some(fields) = &mut object {
                    fields.leave();
                }
                if element.local_name().into_inner() == b"Contents"
                    && let Some(fields) = object.take().filter(|fields| !is_plain(&fields.key))
                {
                    odd.push(fields.read().ok_or_else(|| wrong("an object without time or size".to_owned()))?);
                    kept.extend_from_slice(&bytes[keep_from..begin]);
                    keep_from = reader.buffer_position() as usize;
                }
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|error| wrong(error.to_string()))?;
                if let Some(fields) = &mut object {
                    fields.add(&text);
                }
            }
            Event::CData(text) => {
                let text = text.decode().map_err(|error| wrong(error.to_string()))?;
                if let Some(fields) = &mut object {
                    fields.add(&text);
                }
            }
            Event::GeneralRef(entity) => {
                let character = entity.resolve_char_ref().map_err(|error| wrong(error.to_string()))?;
                let name = entity.decode().map_err(|error| wrong(error.to_string()))?;
                let text = character.map(String::from);
                let text = text.or_else(|| resolve_predefined_entity(&name).map(str::to_owned));
                if let (Some(fields), Some(text)) = (&mut object, text) {
                    fields.add(&text);
                }
            }
            // A listing that ends early is for the client to find out, who tries again.
            Event::Eof => break,
            _ => {}
        }
    }
    let is_whole = odd.is_empty();
    odd_keys.set(odd);
    if is_whole {
        return Ok(bytes.clone());
    }
    kept.extend_from_slice(&bytes[keep_from..]);
    Ok(kept.into())
}

/// The texts of one object of a listing.
#[derive(Default)]
struct Fields {
    key: String,
    size: String,
    modified: String,
    etag: String,
    within: Option<Within>,
}

#[derive(Clone, Copy)]
enum Within {
    Key,
    Size,
    Modified,
    Etag,
}

impl Fields {
    fn enter(&mut self, name: &[u8]) {
        self.within = match name {
            b"Key" => Some(Within::Key),
            b"Size" => Some(Within::Size),
            b"LastModified" => Some(Within::Modified),
            b"ETag" => Some(Within::Etag),
            _ => None,
        };
    }

    fn leave(&mut self) {
        self.within = None;
    }

    fn add(&mut self, text: &str) {
        match self.within {
            Some(Within::Key) => self.key.push_str(text),
            Some(Within::Size) => self.size.push_str(text),
            Some(Within::Modified) => self.modified.push_str(text),
            Some(Within::Etag) => self.etag.push_str(text),
            None => {}
        }
    }

    fn read(self) -> Option<OddKey> {
        Some(OddKey {
            size: self.size.trim().parse().ok()?,
            modified: self.modified.trim().parse().ok()?,
            etag: Some(self.etag).filter(|etag| !etag.is_empty()),
            key: self.key,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_no_listing_is_named() {
        for (text, what) in [
            ("", "empty"),
            (" \r\n", "empty"),
            ("hello", "text that begins with `hello`"),
            ("<!DOCTYPE html><html><body>hi", "a page of HTML"),
            ("<html>", "a page of HTML"),
            (
                "<?xml version=\"1.0\"?>\n<ListAllMyBucketsResult xmlns=\"x\"/>",
                "a list of buckets (`ListAllMyBucketsResult`)",
            ),
            ("<Error><Code>x</Code></Error>", "a document `Error`"),
        ] {
            assert_eq!(root_of(text.as_bytes()), Root::Other(what.to_owned()), "{text}");
        }
        for text in [
            "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\">",
            "\u{feff}<s3:ListBucketResult>",
            "<ListBucketResult/>",
        ] {
            assert_eq!(root_of(text.as_bytes()), Root::Listing, "{text}");
        }
        for text in ["<", "<?xml version", "<ListBuck"] {
            assert_eq!(root_of(text.as_bytes()), Root::Cut, "{text}");
        }
    }

    fn page(keys: &[&str]) -> Bytes {
        let object = |key: &&str| {
            let key = key.replace('&', "&amp;").replace('\n', "&#10;");
            format!(
                "<Contents>\n<Key>{key}</Key><LastModified>2026-11-20T05:10:00.000Z</LastModified><ETag>&quot;e&quot;</ETag>\
                 <Size>7</Size><Owner><ID>Key</ID></Owner></Contents>"
            )
        };
        let objects: String = keys.iter().map(object).collect();
        format!("<ListBucketResult><Name>b</Name>{objects}<IsTruncated>false</IsTruncated></ListBucketResult>").into()
    }

    #[test]
    fn odd_keys_are_taken_out_and_the_others_stay() {
        let odd = ["a/", "/a", "a//b", "./a", "a/../b", "a\nb", "//", "a&/"];
        let plain = ["a", "a b/c&d", "...a", "a%2Fb"];
        let taken = OddKeys::default();
        let both: Vec<&str> = plain.iter().chain(&odd).chain(&plain).copied().collect();
        let left = sift(&page(&both), &taken).unwrap();
        assert_eq!(left, page(&[plain, plain].concat()));
        let found = taken.take();
        assert_eq!(found.iter().map(|odd| odd.key.as_str()).collect::<Vec<_>>(), odd);
        assert!(found.iter().all(|odd| odd.size == 7 && odd.etag.as_deref() == Some("\"e\"")));
        assert_eq!(sift(&page(&plain), &taken).unwrap(), page(&plain));
        assert!(taken.take().is_empty());
    }
}
