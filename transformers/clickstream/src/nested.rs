//! Values as JSON text, arrays and objects within them written again as compact JSON.
//!
//! Of keys that come twice in one object the first keeps its place and takes the last value, as in a tree of Jackson.

use crate::compat::Compat;
use crate::java;
use crate::values::{is_infinite, is_integer, number_text, text};
use etl_sdk::json::{Kind, Reader, Token};
use hashbrown::{HashMap, HashSet};
use std::borrow::Cow;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};

/// Keys of one object that are compared one by one; more are kept in a set.
const FEW_KEYS: usize = 16;

/// A field of a request line as text: what is no string counts as its JSON text, as Spark reads a text column.
/// `None` for null and for a missing field.
pub(crate) fn line_text(token: Token, line: &str) -> Option<Cow<'_, str>> {
    token.is_present().then(|| custom_text(token, line))
}

/// The text of a custom value: strings and scalars as [`text`](crate::values::text), containers and null as compact JSON.
pub(crate) fn custom_text(token: Token, source: &str) -> Cow<'_, str> {
    text(token, source).unwrap_or_else(|| {
        let mut json = String::new();
        write_json(token, source, &mut json);
        Cow::Owned(json)
    })
}

/// Appends a custom value to the JSON text of all of them. As [`write_json`], but in the reference a whole number beyond
/// 64 bits that stands by itself goes through a double; within containers it keeps its digits.
pub(crate) fn write_custom_json(token: Token, source: &str, compat: Compat, out: &mut String) {
    let digits = token.raw(source);
    if compat.is_reference() && token.kind == Kind::Number && is_integer(digits) && digits.parse::<i64>().is_err() {
        java::double_to_string(digits.parse().unwrap_or(f64::NAN), out);
    } else {
        write_json(token, source, out);
    }
}

/// Appends a value as compact JSON, numbers normalised, escapes as Jackson writes them.
pub(crate) fn write_json(token: Token, source: &str, out: &mut String) {
    match token.kind {
        Kind::Missing | Kind::Null => out.push_str("null"),
        Kind::True => out.push_str("true"),
        Kind::False => out.push_str("false"),
        Kind::Number if is_infinite(token.raw(source)) => {
            out.push('"');
            out.push_str(&number_text(token.raw(source)));
            out.push('"');
        }
        Kind::Number => out.push_str(&number_text(token.raw(source))),
        Kind::Text => write_string(token.raw(source), out),
        Kind::EscapedText => write_string(&text(token, source).unwrap_or_default(), out),
        Kind::Array | Kind::Object => write_container(token.raw(source), out),
    }
}

/// Appends a JSON string with its quotes.
pub(crate) fn write_string(value: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in value.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&value[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            8 => out.push_str("\\b"),
            12 => out.push_str("\\f"),
            control => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{control:04X}");
            }
        }
    }
    out.push_str(&value[from..]);
    out.push('"');
}

/// Appends a container; `json` has passed a [`Reader`].
fn write_container(json: &str, out: &mut String) {
    let start = out.len();
    if !write_tokens(json, out) {
        out.truncate(start);
        write_distinct(json, out);
    }
}

/// Token by token, without recursion. `false` as soon as a key seems to come twice.
fn write_tokens(json: &str, out: &mut String) -> bool {
    let mut reader = Reader::new(json, u32::MAX);
    let mut open: Vec<Open> = Vec::new();
    let mut seen = Keys::default();
    loop {
        let step = match open.last_mut() {
            None => Some(None),
            Some(Open { object: true, first, .. }) => {
                let fresh = *first;
                reader.next_key(first).ok().flatten().map(|key| Some((fresh, Some(key))))
            }
            Some(Open { object: false, first, .. }) => {
                let fresh = *first;
                reader.next_element(first).ok().filter(|more| *more).map(|_| Some((fresh, None)))
            }
        };
        let Some(step) = step else {
            if let Some(Open { object, keys, .. }) = open.pop() {
                out.push(if object { '}' } else { ']' });
                seen.close(keys);
            }
            if open.is_empty() {
                return true;
            }
            continue;
        };
        if let Some((fresh, key)) = step {
            if !fresh {
                out.push(',');
            }
            if let Some(key) = key {
                let key = text(key, json).unwrap_or_default();
                if !seen.insert(&key, open.last().map_or(0, |open| open.keys)) {
                    return false;
                }
                write_string(&key, out);
                out.push(':');
            }
        }
        match reader.peek() {
            Some(bracket @ (b'{' | b'[')) => {
                if reader.enter().is_err() {
                    return true;
                }
                out.push(char::from(bracket));
                open.push(Open { object: bracket == b'{', first: true, keys: seen.hashes.len() });
            }
            _ => match reader.value() {
                Ok(token) => write_json(token, json, out),
                Err(_) => return true,
            },
        }
    }
}

/// A container that is being written.
struct Open {
    object: bool,
    first: bool,
    /// Where its keys begin in [`Keys::hashes`].
    keys: usize,
}

/// Hashes of the keys of all open objects. Two keys of one hash are taken for one, which costs time and changes nothing.
#[derive(Default)]
struct Keys {
    hashes: Vec<u64>,
    /// The keys of objects with many, by where the object begins.
    many: HashSet<(usize, u64)>,
    hasher: hashbrown::DefaultHashBuilder,
}

impl Keys {
    /// Whether the object whose keys begin at `from` has no such key yet.
    fn insert(&mut self, key: &str, from: usize) -> bool {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key.as_bytes());
        let hash = hasher.finish();
        let count = self.hashes.len() - from;
        let fresh = if count < FEW_KEYS {
            !self.hashes[from..].contains(&hash)
        } else {
            if count == FEW_KEYS {
                self.many.extend(self.hashes[from..].iter().map(|hash| (from, *hash)));
            }
            self.many.insert((from, hash))
        };
        self.hashes.push(hash);
        fresh
    }

    fn close(&mut self, from: usize) {
        if self.hashes.len() - from > FEW_KEYS {
            for hash in &self.hashes[from..] {
                self.many.remove(&(from, *hash));
            }
        }
        self.hashes.truncate(from);
    }
}

/// What is left to write, the next one last.
enum Piece<'a> {
    Text(&'static str),
    Key(Cow<'a, str>),
    /// A value and the text that it is a part of.
    Value(Token, &'a str),
}

/// Object by object: the members of each are read before any is written. A value is passed over once for each container
/// around it, so this is for the rare text in which keys do come twice.
fn write_distinct(json: &str, out: &mut String) {
    let Ok(whole) = Reader::new(json, u32::MAX).value() else { return };
    let mut left = vec![Piece::Value(whole, json)];
    while let Some(piece) = left.pop() {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Key(key) => {
                write_string(&key, out);
                out.push(':');
            }
            Piece::Value(token, source) if matches!(token.kind, Kind::Array | Kind::Object) => {
                let container = token.raw(source);
                let brackets = if token.kind == Kind::Object { ["{", "}"] } else { ["[", "]"] };
                let members = members(container, token.kind == Kind::Object);
                left.push(Piece::Text(brackets[1]));
                for (at, (key, value)) in members.into_iter().enumerate().rev() {
                    left.push(Piece::Value(value, container));
                    left.extend(key.map(Piece::Key));
                    if at > 0 {
                        left.push(Piece::Text(","));
                    }
                }
                left.push(Piece::Text(brackets[0]));
            }
            Piece::Value(token, source) => write_json(token, source, out),
        }
    }
}

/// The members of a container in their order, keys once; elements have none.
fn members(container: &str, is_object: bool) -> Vec<(Option<Cow<'_, str>>, Token)> {
    let mut reader = Reader::new(container, u32::MAX);
    let mut found: Vec<(Option<Cow<'_, str>>, Token)> = Vec::new();
    let mut indexes: HashMap<Cow<'_, str>, usize> = HashMap::new();
    let mut first = true;
    if reader.enter().is_err() {
        return found;
    }
    loop {
        let key = if is_object {
            let Ok(Some(key)) = reader.next_key(&mut first) else { return found };
            Some(text(key, container).unwrap_or_default())
        } else {
            let Ok(true) = reader.next_element(&mut first) else { return found };
            None
        };
        let Ok(value) = reader.value() else { return found };
        if let Some(index) = key.as_ref().and_then(|key| indexes.get(key).copied()) {
            found[index].1 = value;
            continue;
        }
        if let Some(key) = &key {
            indexes.insert(key.clone(), found.len());
        }
        found.push((key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(source: &str) -> Token {
        Reader::new(source, 100).value().unwrap()
    }

    fn written(json: &str) -> String {
        let mut out = String::from("<");
        write_container(json, &mut out);
        out.split_off(1)
    }

    #[test]
    fn the_last_value_of_a_key_stands_where_the_first_stood() {
        for (json, expected) in [
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (r#"{"a":1, "\u0061":[1.10, {"x":1,"x":{}}], "b":0}"#, r#"{"a":[1.1,{"x":{}}],"b":0}"#),
            (r#"[{"a":1},{"a":1,"b":{"a":2}}]"#, r#"[{"a":1},{"a":1,"b":{"a":2}}]"#),
            (r#"{"a":{"k":1,"k":2},"a":{"k":3}}"#, r#"{"a":{"k":3}}"#),
            (r#"{"":1,"":null}"#, r#"{"":null}"#),
        ] {
            assert_eq!(written(json), expected);
        }
    }

    #[test]
    fn both_ways_write_the_same_and_many_keys_are_told_apart() {
        let keys = |count: usize| (0..count).map(|key| format!("\"k{key}\":{{\"k{key}\":[]}}")).collect::<Vec<_>>();
        for count in [0, 1, 15, 16, 17, 100] {
            let json = format!("{{{}}}", keys(count).join(","));
            let mut distinct = String::new();
            write_distinct(&json, &mut distinct);
            assert_eq!((written(&json).as_str(), distinct.as_str()), (json.as_str(), json.as_str()));
            let nested = format!("[{json},{json}]");
            assert_eq!(written(&nested), nested, "keys of one object are not those of the next");
            if count > 0 {
                let twice = format!("{{{},\"k0\":7}}", keys(count).join(","));
                assert_eq!(written(&twice), json.replacen("{\"k0\":[]}", "7", 1));
            }
        }
    }

    #[test]
    fn containers_are_written_compactly_and_normalised() {
        let source = "{ 'a' : [ 1.10 , true , null , { } , [ ] ] , \"b\\u0041\\/\" : \"x\\u001f\\n\\u00e9\" , \"n\":{\"m\":[[1,2],{\"k\":1e3}]}}";
        let mut out = String::new();
        write_json(token(source), source, &mut out);
        assert_eq!(
            out,
            "{\"a\":[1.1,true,null,{},[]],\"bA/\":\"x\\u001F\\n\u{e9}\",\"n\":{\"m\":[[1,2],{\"k\":1000.0}]}}"
        );
        let same: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(same["n"]["m"][1]["k"], 1000.0);
    }

    #[test]
    fn whole_numbers_beyond_64_bits_go_through_a_double_in_the_reference_when_they_stand_alone() {
        for (written, reference, default) in [
            ("9223372036854775807", "9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9.223372036854776E18", "9223372036854775808"),
            ("[9223372036854775808]", "[9223372036854775808]", "[9223372036854775808]"),
            ("-0", "0", "0"),
        ] {
            for (compat, printed) in [(Compat::Reference, reference), (Compat::Default, default)] {
                let mut out = String::new();
                write_custom_json(token(written), written, compat, &mut out);
                assert_eq!(out, printed);
            }
        }
    }

    #[test]
    fn fields_of_a_line_that_are_no_text_count_as_their_json() {
        for (written, value) in [
            ("{\"a\" : 1.10}", Some("{\"a\":1.1}")),
            ("[]", Some("[]")),
            ("7", Some("7")),
            ("null", None),
            ("true", Some("true")),
        ] {
            assert_eq!(line_text(token(written), written).as_deref(), value, "{written}");
        }
        assert_eq!(line_text(Token::default(), ""), None);
    }
}
