//! Custom parameters of third parties: keys without a column and typed members, as a map and as one JSON text.

use crate::compat::Compat;
use crate::java::KeyOrder;
use crate::nested;
use crate::rows::Rows;
use crate::values::{self, key_text};
use etl_sdk::json::Token;
use std::borrow::Cow;
use std::ops::Range;

/// The custom parameters of an event, in the key order of the reference (Java's `HashMap`). Built once, written for the
/// event and each of its copies.
#[derive(Default)]
pub(crate) struct Parameters {
    compat: Compat,
    all: KeyOrder,
    extra: KeyOrder,
    copied: KeyOrder,
    scratch: KeyOrder,
    entries: Vec<(Key, Value)>,
    /// Texts of [`Value::Json`].
    objects: String,
    /// Of the row that is being written.
    order: Vec<u32>,
    json: String,
}

#[derive(Clone, Copy, Debug)]
enum Key {
    Token(Token),
    Name(&'static str),
}

/// A parameter's value and type.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Typed by what it is.
    Any(Token),
    /// `string`, whatever scalar it is; null when it is missing.
    Text(Token),
    /// `number`
    Number(i64),
    /// `object`: an index among the JSON texts.
    Json(Range<usize>),
}

impl Parameters {
    pub fn new(compat: Compat) -> Self {
        Self { compat, ..Self::default() }
    }

    pub fn clear(&mut self) {
        self.all.clear();
        self.entries.clear();
        self.objects.clear();
    }

    /// Begins with the map that the reference copies unknown keys into.
    pub fn begin_with(&mut self, unknown: &[(Token, Token)], source: &str) {
        self.put_extra(unknown, source);
        self.extra.copy_into(&mut self.all);
    }

    /// `putAll` of such a copy.
    pub fn put_all(&mut self, unknown: &[(Token, Token)], source: &str) {
        self.put_extra(unknown, source);
        self.extra.copy_into(&mut self.copied);
        self.all.put_all(&self.copied);
    }

    fn put_extra(&mut self, unknown: &[(Token, Token)], source: &str) {
        self.extra.clear();
        for (key, value) in unknown {
            self.extra.put(&key_text(*key, source), self.entries.len() as u32);
            self.entries.push((Key::Token(*key), Value::Any(*value)));
        }
    }

    pub fn put(&mut self, name: &'static str, value: Value) {
        self.all.put(name, self.entries.len() as u32);
        self.entries.push((Key::Name(name), value));
    }

    /// Puts an object that `write` writes as JSON.
    pub fn put_json(&mut self, name: &'static str, write: impl FnOnce(&mut KeyOrder, &mut String)) {
        let start = self.objects.len();
        write(&mut self.scratch, &mut self.objects);
        self.put(name, Value::Json(start..self.objects.len()));
    }

    /// Fills the two columns. The row of an extra event has a copy of the map, which Java gives another size than that of
    /// the map that grew: at 12 keys, 24, 48 and so on its order is another one.
    pub fn write(&mut self, source: &str, is_copy: bool, rows: &mut Rows) {
        if self.all.is_empty() {
            rows.nulls(2);
            return;
        }
        if is_copy {
            self.copied.clear();
            self.copied.put_all(&self.all);
        }
        self.order.clear();
        self.order.extend(if is_copy { self.copied.iter() } else { self.all.iter() });
        // As for the SDKs: by default entries that do not fit are left out whole.
        self.write_json(source, if self.compat.is_reference() { usize::MAX } else { rows.room_of_next() });
        rows.text(Some(&self.json));
        let Some(map) = rows.map() else { return };
        for &index in &self.order {
            let (key, value) = &self.entries[index as usize];
            let (text, type_name) = match value {
                Value::Any(token) => (Some(nested::custom_text(*token, source)), values::type_name(*token, source)),
                Value::Text(token) => (values::text(*token, source), "string"),
                Value::Number(number) => (Some(Cow::Owned(number.to_string())), "number"),
                Value::Json(range) => (Some(Cow::Borrowed(&self.objects[range.clone()])), "object"),
            };
            map.typed_entry(&key.text(source), text.as_deref(), type_name, None);
        }
        map.end(true);
    }

    fn write_json(&mut self, source: &str, room: usize) {
        let Self { compat, entries, objects, order, json, .. } = self;
        json.clear();
        json.push('{');
        for &index in &*order {
            let (key, value) = &entries[index as usize];
            let start = json.len();
            if start > 1 {
                json.push(',');
            }
            nested::write_string(&key.text(source), json);
            json.push(':');
            match value {
                Value::Any(token) => nested::write_custom_json(*token, source, *compat, json),
                Value::Text(token) => match values::text(*token, source) {
                    Some(text) => nested::write_string(&text, json),
                    None => json.push_str("null"),
                },
                Value::Number(number) => json.push_str(&number.to_string()),
                Value::Json(range) => json.push_str(&objects[range.clone()]),
            }
            if json.len() >= room {
                json.truncate(start);
            }
        }
        json.push('}');
    }
}

impl Key {
    fn text<'a>(&self, source: &'a str) -> Cow<'a, str> {
        match self {
            Self::Token(token) => key_text(*token, source),
            Self::Name(name) => Cow::Borrowed(name),
        }
    }
}
