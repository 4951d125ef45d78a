//! The request line: one JSON object per HTTP request, with the client's payload as text in `data`.

use crate::compat::Compat;
use crate::java;
use crate::url::parse_url;
use crate::values;
use etl_sdk::json::{Fault, Kind, Reader, Token};

/// The fields of a request line that are read; everything else is skipped. Wrongly typed numbers read as null, and
/// texts as the JSON of what stands there (see [`crate::nested::line_text`]).
///
/// `client_timestamp` is when the client sent the request, else `upload_timestamp`; upstream looks at the latter only in
/// a dataset that has no column of the former name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestLine {
    pub data: Token,
    pub app_id: Token,
    pub rid: Token,
    pub uri: Token,
    pub ua: Token,
    pub ip: Token,
    pub ingest_time: Option<i64>,
    pub upload_time: Option<i64>,
}

impl RequestLine {
    /// Reads one line. `Ok(None)` is a JSON value that is not an object.
    /// The reference passes over what follows the object.
    pub fn parse(line: &str, depth: u32, compat: Compat) -> Result<Option<Self>, Fault> {
        let mut reader = Reader::new(line, depth);
        if reader.peek() != Some(b'{') {
            reader.value()?;
            reader.end()?;
            return Ok(None);
        }
        let mut request = Self::default();
        let mut upload_timestamp = None;
        let mut first = true;
        reader.enter()?;
        while let Some(key) = reader.next_key(&mut first)? {
            let value = reader.value()?;
            let column = values::as_sent(value, compat);
            match values::key_text(key, line).as_ref() {
                "data" => request.data = value,
                "appId" => request.app_id = column,
                "rid" => request.rid = column,
                "uri" => request.uri = column,
                "ua" => request.ua = column,
                "ip" => request.ip = column,
                "ingest_time" => request.ingest_time = whole_number(value, line),
                "client_timestamp" => request.upload_time = whole_number(value, line),
                "upload_timestamp" => upload_timestamp = whole_number(value, line),
                _ => {}
            }
        }
        if !compat.is_reference() {
            reader.end()?;
        }
        request.upload_time = request.upload_time.or(upload_timestamp);
        Ok(Some(request))
    }
}

fn whole_number(token: Token, line: &str) -> Option<i64> {
    if token.kind == Kind::Number { token.raw(line).parse().ok() } else { None }
}

/// The first value of a query parameter of a request uri as a whole number; `None` when it is none.
pub(crate) fn number_parameter(uri: &str, name: &str, compat: Compat) -> Option<i64> {
    // Nearly all request uris need no decoding, and each request has one of its own.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/?=&".contains(&byte);
    if uri.bytes().all(plain) {
        return java::parse_long(query_parameter(uri, name)?);
    }
    java::parse_long(parse_url(uri, compat).first_value(name)?)
}

/// The first value of a query parameter, as written; `None` when the first has no value.
fn query_parameter<'a>(uri: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = uri.split_once('?')?;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let named = |pair: &'a str| pair.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with('='));
    query.split('&').find_map(named)?.strip_prefix('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrongly_typed_fields_are_null_and_the_rest_is_read() {
        let line = r#"{"appId":"a","ingest_time":"5","client_timestamp":"7","data":"[]","extra":{"x":[1]}}"#;
        let request = RequestLine::parse(line, 10, Compat::Default).unwrap().unwrap();
        assert_eq!(request.app_id.raw(line), "a");
        assert_eq!((request.ingest_time, request.upload_time), (None, None));
        assert!(RequestLine::parse("\"abc\"", 10, Compat::Default).unwrap().is_none());
        assert!(RequestLine::parse("{\"a\":1", 10, Compat::Default).is_err());
    }

    #[test]
    fn query_parameters_take_the_first_value() {
        let uri = "/collect?appId=a&event_bundle_sequence_id=12&event_bundle_sequence_id=13#x=1";
        assert_eq!(query_parameter(uri, "event_bundle_sequence_id"), Some("12"));
        assert_eq!(query_parameter(uri, "x"), None);
        assert_eq!(query_parameter("/collect", "x"), None);
        assert_eq!(query_parameter("/collect?x&x=2", "x"), None, "the first one counts");
        assert_eq!(query_parameter("/collect?xy=1&x=2", "x"), Some("2"));
    }

    #[test]
    fn numbers_in_a_uri_may_be_escaped() {
        for (uri, value) in [
            ("/collect?n=12", Some(12)),
            ("/collect?n=%31%32&n=7", Some(12)),
            ("https://h.example:80/collect?a=1%202&n=12#n=7", Some(12)),
            ("/collect?a=b c&n=12", Some(12)),
            ("/collect?n=1%202", None),
            ("/collect?n", None),
        ] {
            assert_eq!(number_parameter(uri, "n", Compat::Default), value, "{uri}");
        }
    }

    #[test]
    fn keys_may_be_escaped_and_the_last_of_a_name_counts() {
        let line = r#"{"\u0061ppId":"a","appId":"b","ingest_time":1,"ingest_time":5.0}"#;
        let request = RequestLine::parse(line, 10, Compat::Default).unwrap().unwrap();
        assert_eq!((request.app_id.raw(line), request.ingest_time), ("b", None));
        let line = r#"{"appId":"b","\u0061ppId":"a","client_timestamp":null,"upload_timestamp":7}"#;
        let request = RequestLine::parse(line, 10, Compat::Default).unwrap().unwrap();
        assert_eq!((request.app_id.raw(line), request.upload_time), ("a", Some(7)));
    }
}
