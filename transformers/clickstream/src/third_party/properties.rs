//! User properties of third parties: like those of the SDKs, but set at no known time.

use crate::compat::Compat;
use crate::custom::UserProperties;
use crate::java::KeyOrder;
use crate::nested;
use crate::values::{self, key_text};
use etl_sdk::json::Token;
use std::borrow::Cow;

/// Builds a user's properties in the key order of the reference.
#[derive(Default)]
pub(crate) struct PropertiesWriter {
    compat: Compat,
    all: KeyOrder,
    extra: KeyOrder,
    copied: KeyOrder,
}

/// A property that is known by name: its name, its value and its type.
pub(crate) type Known<'a> = (&'static str, Option<Cow<'a, str>>, &'static str);

impl PropertiesWriter {
    pub fn new(compat: Compat) -> Self {
        Self { compat, ..Self::default() }
    }

    /// The known properties, null ones too, then all the others (`putAll` of a copy).
    pub fn known_then_others(
        &mut self,
        known: &[Known<'_>],
        others: &[(Token, Token)],
        source: &str,
    ) -> UserProperties {
        self.all.clear();
        for (index, (name, _, _)) in known.iter().enumerate() {
            self.all.put(name, index as u32);
        }
        self.copy(others, known.len(), source);
        self.all.put_all(&self.copied);
        let mut properties = empty();
        for index in self.all.iter() {
            match known.get(index as usize) {
                Some((name, value, type_name)) => {
                    begin(&mut properties, name);
                    match value {
                        None => properties.json.push_str("null"),
                        Some(number) if *type_name == "number" => properties.json.push_str(number),
                        Some(text) => nested::write_string(text, &mut properties.json),
                    }
                    let value = value.as_deref().map(str::to_owned);
                    end(&mut properties, (*name).to_owned(), value, type_name);
                }
                None => add(&mut properties, others[index as usize - known.len()], source, self.compat),
            }
        }
        properties.json.push('}');
        properties
    }

    /// Those whose name contains a word; `None` when there is none.
    pub fn containing(&mut self, word: &str, all: &[(Token, Token)], source: &str) -> Option<UserProperties> {
        self.copy(all, 0, source);
        self.all.clear();
        for index in self.copied.iter() {
            let name = key_text(all[index as usize].0, source);
            if name.contains(word) {
                self.all.put(&name, index);
            }
        }
        if self.all.is_empty() {
            return None;
        }
        let mut properties = empty();
        for index in self.all.iter() {
            add(&mut properties, all[index as usize], source, self.compat);
        }
        properties.json.push('}');
        Some(properties)
    }

    fn copy(&mut self, others: &[(Token, Token)], base: usize, source: &str) {
        self.extra.clear();
        for (index, (key, _)) in others.iter().enumerate() {
            self.extra.put(&key_text(*key, source), (base + index) as u32);
        }
        self.extra.copy_into(&mut self.copied);
    }
}

fn empty() -> UserProperties {
    UserProperties { entries: Vec::new(), json: String::from("{") }
}

fn add(properties: &mut UserProperties, (key, value): (Token, Token), source: &str, compat: Compat) {
    let name = key_text(key, source);
    begin(properties, &name);
    nested::write_custom_json(value, source, compat, &mut properties.json);
    let text = nested::custom_text(value, source).into_owned();
    end(properties, name.into_owned(), Some(text), values::type_name(value, source));
}

fn begin(properties: &mut UserProperties, name: &str) {
    if properties.json.len() > 1 {
        properties.json.push(',');
    }
    nested::write_string(name, &mut properties.json);
    properties.json.push_str(":{\"set_time_msec\":null,\"value\":");
}

fn end(properties: &mut UserProperties, name: String, value: Option<String>, type_name: &'static str) {
    properties.json.push('}');
    properties.entries.push((name, value, type_name, None));
}
