//! Hosts, paths and query parameters of page and referrer URLs: as browsers read them, or as the reference does.

mod reference;
mod standard;

use hashbrown::HashMap;
use std::borrow::Cow;

use crate::compat::Compat;

pub(crate) use standard::{host_of, site_key};

/// From this many distinct parameters on, they are found by hash.
const MANY_PARAMETERS: usize = 16;

/// What is known of a URL. A text that is no URL gives [`Url::default`]: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// As a browser names it: in small letters, and `xn--…` for letters beyond ASCII. In the reference as it is written,
    /// and only a server-style host counts: `my_host` or `ho%73t` give none, while path and query of the same URL are
    /// still read.
    pub host: Option<String>,
    /// Percent-decoded. `https://h` has the path `""`; `mailto:x://y` has none.
    pub path: Option<String>,
    /// Values by key, in the order the keys first appear. A parameter without a value, or with an empty one, is `None`.
    pub query: Vec<(String, Vec<Option<String>>)>,
    /// Whether the last parameter repeats one before it, which in the reference can change the order of its map.
    pub ends_in_repeat: bool,
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

/// Takes a URL apart. A text without a scheme is one of `https`.
pub fn parse_url(text: &str, compat: Compat) -> Url {
    if compat.is_reference() { reference::parse(text) } else { standard::parse(text) }
}

/// Parameters while they are collected.
#[derive(Default)]
struct Parameters<'a> {
    found: Vec<(String, Vec<Option<String>>)>,
    indexes: HashMap<Cow<'a, str>, usize>,
    ends_in_repeat: bool,
}

impl<'a> Parameters<'a> {
    fn add(&mut self, key: Cow<'a, str>, value: Option<String>) {
        let index = if self.found.len() < MANY_PARAMETERS {
            self.found.iter().position(|(name, _)| *name == key)
        } else {
            self.indexes.get(&key).copied()
        };
        self.ends_in_repeat = index.is_some();
        if let Some(index) = index {
            self.found[index].1.push(value);
        } else {
            self.found.push((key.clone().into_owned(), vec![value]));
            self.indexes.insert(key, self.found.len() - 1);
        }
    }
}

#[cfg(test)]
mod tests;
