//! Custom parameters: the keys without a column, as a map and as one JSON text.

use crate::compat::Compat;
use crate::event::{FIRST_NUMBER, KNOWN_USER_KEYS, ParsedEvent, UserProperty};
use crate::java::KeyOrder;
use crate::nested;
use crate::rows::Rows;
use crate::values::{self, key_text};
use etl_sdk::json::Token;
use std::borrow::Cow;
use std::fmt::Write;

/// Writes custom parameters, in the key order of the reference (a Java `HashMap`), so that the JSON texts are equal.
#[derive(Default)]
pub(crate) struct CustomWriter {
    compat: Compat,
    extra: KeyOrder,
    copied: KeyOrder,
    all: KeyOrder,
    order: Vec<u32>,
    json: String,
}

/// Most bytes of room that the text of one JSON leaves for the next.
const ROOM_KEPT: usize = 1 << 20;

impl CustomWriter {
    pub fn new(compat: Compat) -> Self {
        Self { compat, ..Self::default() }
    }

    /// Fills the two columns of an event: its extra keys overlaid by those of its attributes.
    pub fn event(&mut self, event: &ParsedEvent, source: &str, rows: &mut Rows) {
        self.all.clear();
        self.put_all(&event.extras, 0, source);
        self.put_all(&event.attribute_extras, event.extras.len(), source);
        self.write(source, rows, |index| {
            event.extras.get(index).copied().unwrap_or_else(|| event.attribute_extras[index - event.extras.len()])
        });
    }

    /// Fills the two columns of an item.
    pub fn item(&mut self, extras: &[(Token, Token)], source: &str, rows: &mut Rows) {
        self.extra.clear();
        for (index, (key, _)) in extras.iter().enumerate() {
            self.extra.put(&key_text(*key, source), index as u32);
        }
        self.extra.copy_into(&mut self.all);
        self.write(source, rows, |index| extras[index]);
    }

    /// The reference puts a part's extra keys into a map, copies that map by iteration, and puts all of the copy into
    /// the event's map.
    fn put_all(&mut self, extras: &[(Token, Token)], base: usize, source: &str) {
        self.extra.clear();
        for (index, (key, _)) in extras.iter().enumerate() {
            self.extra.put(&key_text(*key, source), (base + index) as u32);
        }
        self.extra.copy_into(&mut self.copied);
        self.all.put_all(&self.copied);
    }

    fn write(&mut self, source: &str, rows: &mut Rows, entry: impl Fn(usize) -> (Token, Token)) {
        if self.all.is_empty() {
            rows.nulls(2);
            return;
        }
        self.order.clear();
        self.order.extend(self.all.iter());
        // A text cut anywhere is no JSON: by default entries that do not fit are left out whole. The map has them all.
        let room = if self.compat.is_reference() { usize::MAX } else { rows.room_of_next() };
        self.json.clear();
        if source.len() > ROOM_KEPT {
            // Long texts would grow by doubling, with both halves in memory.
            let raw = |index: &u32| entry(*index as usize).1.raw(source).len();
            self.json.reserve_exact(self.order.iter().map(raw).sum::<usize>().min(room) + ROOM_KEPT / 16);
        }
        self.json.push('{');
        for &index in &self.order {
            let (key, value) = entry(index as usize);
            let start = self.json.len();
            if start > 1 {
                self.json.push(',');
            }
            nested::write_string(&key_text(key, source), &mut self.json);
            self.json.push(':');
            nested::write_custom_json(value, source, self.compat, &mut self.json);
            if self.json.len() >= room {
                self.json.truncate(start);
            }
        }
        self.json.push('}');
        rows.text(Some(&self.json));
        if self.json.capacity() > ROOM_KEPT {
            self.json = String::new();
        }
        let Some(map) = rows.map() else { return };
        for &index in &self.order {
            let (key, value) = entry(index as usize);
            let text = nested::custom_text(value, source);
            map.typed_entry(&key_text(key, source), Some(&text), values::type_name(value, source), None);
        }
        map.end(true);
    }

    /// Fills a user's properties: as a map and as JSON `{"name":{"set_time_msec":…,"value":…},…}`.
    pub fn user(&mut self, event: &ParsedEvent, source: &str) -> UserProperties {
        self.all.clear();
        let known = event.known_user.iter().enumerate().filter_map(|(index, known)| Some((index, known.as_ref()?)));
        for (index, _) in known {
            self.all.put(KNOWN_USER_KEYS[index], index as u32);
        }
        self.extra.clear();
        for (index, property) in event.custom_user.iter().enumerate() {
            self.extra.put(&key_text(property.key, source), (KNOWN_USER_KEYS.len() + index) as u32);
        }
        self.extra.copy_into(&mut self.copied);
        self.all.put_all(&self.copied);
        let mut properties = UserProperties { json: String::from("{"), ..UserProperties::default() };
        for index in self.all.iter() {
            let index = index as usize;
            let known = event.known_user.get(index).and_then(Option::as_ref);
            let Some(property) = known.or_else(|| event.custom_user.get(index - KNOWN_USER_KEYS.len())) else {
                continue;
            };
            properties.add(property, known.map(|_| index), source, self.compat);
        }
        properties.json.push('}');
        properties
    }
}

/// The properties of a user at one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserProperties {
    /// Name, value, type, and when it was set in epoch milliseconds. Only `_user_id` and `_user_name` can be null.
    pub entries: Vec<(String, Option<String>, &'static str, Option<i64>)>,
    pub json: String,
}

impl UserProperties {
    /// Bytes of names, values and JSON.
    pub fn bytes(&self) -> usize {
        let entry =
            |(name, value, ..): &(String, Option<String>, _, _)| name.len() + value.as_ref().map_or(0, String::len);
        self.json.len() + self.entries.iter().map(entry).sum::<usize>()
    }

    fn add(&mut self, property: &UserProperty, known: Option<usize>, source: &str, compat: Compat) {
        let key = known.map_or_else(|| key_text(property.key, source), |index| Cow::Borrowed(KNOWN_USER_KEYS[index]));
        if self.json.len() > 1 {
            self.json.push(',');
        }
        nested::write_string(&key, &mut self.json);
        self.json.push_str(":{\"set_time_msec\":");
        // Writing to a String cannot fail.
        let _ = match property.set_time {
            Some(msec) => write!(self.json, "{msec}"),
            None => write!(self.json, "null"),
        };
        self.json.push_str(",\"value\":");
        let (value, type_name) = match known.filter(|_| property.fits) {
            // Numbers may come as text and are numbers all the same; texts may come as numbers and are texts.
            Some(index) if index >= FIRST_NUMBER => {
                let number = values::safe_long(property.value, source).unwrap_or_default().to_string();
                self.json.push_str(&number);
                (Some(number), "number")
            }
            Some(_) => {
                let text = values::text(property.value, source).map(Cow::into_owned);
                match &text {
                    Some(text) => nested::write_string(text, &mut self.json),
                    None => self.json.push_str("null"),
                }
                (text, "string")
            }
            None => {
                nested::write_custom_json(property.value, source, compat, &mut self.json);
                let text = nested::custom_text(property.value, source).into_owned();
                (Some(text), values::type_name(property.value, source))
            }
        };
        self.json.push('}');
        self.entries.push((key.into_owned(), value, type_name, property.set_time));
    }
}
