//! The JSON reader of the row path against serde_json.
//!
//! Holds: both take the same texts (without single quotes, which only ours knows); entered, a container has the same
//! keys and values as taken whole; strings and numbers mean the same; every span lies in the text.
#![no_main]

use etl_sdk::json::{Kind, Reader, Token};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;

/// Deeper than any input is long.
const ANY_DEPTH: u32 = 1 << 30;
/// Levels that this target itself goes down.
const WALKED: u32 = 100;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let whole = |depth| {
        let mut reader = Reader::new(text, depth);
        reader.value().and_then(|token| reader.end().map(|()| token))
    };
    let taken = whole(ANY_DEPTH);
    if let Err(fault) = taken {
        assert!(fault.offset <= text.len() && !fault.reason.is_empty());
    }
    if !text.contains('\'') {
        assert_eq!(taken.is_ok(), serde_json::from_str::<&RawValue>(text).is_ok(), "{taken:?}");
    }
    let mut reader = Reader::new(text, WALKED);
    let walked = walk(&mut reader, text).and_then(|value| reader.end().map(|()| value));
    assert_eq!(walked.is_ok(), whole(WALKED).is_ok(), "entered and taken whole");
    let (Ok(ours), Ok(theirs)) = (walked, serde_json::from_str::<Value>(text)) else { return };
    assert_eq!(ours, theirs);
});

/// Reads the next value by entering every container.
fn walk(reader: &mut Reader<'_>, text: &str) -> Result<Value, etl_sdk::json::Fault> {
    let (start, mut first) = {
        let open = reader.peek();
        if !matches!(open, Some(b'{' | b'[')) {
            return Ok(scalar(reader.value()?, text));
        }
        (reader.offset(), true)
    };
    let is_object = text.as_bytes()[start] == b'{';
    reader.enter()?;
    let value = if is_object {
        let mut members = serde_json::Map::new();
        while let Some(key) = reader.next_key(&mut first)? {
            let value = walk(reader, text)?;
            members.insert(key.decode(text, &mut String::new()).to_owned(), value);
        }
        Value::Object(members)
    } else {
        let mut elements = Vec::new();
        while reader.next_element(&mut first)? {
            elements.push(walk(reader, text)?);
        }
        Value::Array(elements)
    };
    let token = reader.container_from(if is_object { Kind::Object } else { Kind::Array }, start);
    assert!(token.raw(text).starts_with(['{', '[']) && token.raw(text).ends_with(['}', ']']));
    Ok(value)
}

fn scalar(token: Token, text: &str) -> Value {
    match token.kind {
        Kind::Null => Value::Null,
        Kind::True => true.into(),
        Kind::False => false.into(),
        // What a number means is the business of its column; serde_json's own rounding decides here.
        Kind::Number => serde_json::from_str(token.raw(text)).unwrap_or_default(),
        Kind::Text | Kind::EscapedText => token.decode(text, &mut "left over".to_owned()).into(),
        Kind::Missing | Kind::Array | Kind::Object => panic!("{token:?} is no scalar"),
    }
}
