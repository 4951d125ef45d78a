//! What a database record says of a place, whichever layout it has.
//!
//! Nested (`GeoLite2`, `GeoIP2`): `continent`, `country`, `city` and each of `subdivisions` are maps with `names.en`,
//! `location.metro_code` is a number. Flat: `country_code`, `city` and `state1` are texts. The layout is seen in each
//! record: `city` is a map in one and a text in the other.

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The parts of a place, in the order of [`crate::config::OutputColumns`]: continent, country, city, region, metro.
/// A part the record lacks, or gives as an empty text, is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) parts: [Option<Box<str>>; 5],
}

impl Place {
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.iter().all(Option::is_none)
    }
}

/// A record as far as it is read. Other keys are skipped, and values of an unexpected type are as good as missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Record<'a> {
    #[serde(borrow)]
    continent: Part<'a>,
    #[serde(borrow)]
    country: Part<'a>,
    #[serde(borrow)]
    country_code: Part<'a>,
    #[serde(borrow)]
    city: Part<'a>,
    #[serde(borrow)]
    subdivisions: Part<'a>,
    #[serde(borrow)]
    state1: Part<'a>,
    #[serde(borrow)]
    location: Part<'a>,
}

impl Record<'_> {
    pub(crate) fn place(self) -> Place {
        Place {
            parts: [
                self.continent.text(),
                self.country.text().or_else(|| self.country_code.text()),
                self.city.text(),
                self.subdivisions.text().or_else(|| self.state1.text()),
                self.location.number.map(|code| code.to_string().into()),
            ],
        }
    }
}

/// A text or a number; of a map its `names.en` or `metro_code`; of a list its first element.
#[derive(Clone, Copy, Debug, Default)]
struct Part<'a> {
    text: Option<&'a str>,
    number: Option<u64>,
}

impl Part<'_> {
    fn text(self) -> Option<Box<str>> {
        self.text.filter(|text| !text.is_empty()).map(Into::into)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("part of a place")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Part { text: Some(text), number: None })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Part { text: None, number: Some(number) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut part = Part::default();
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "names" | "en" => part.text = map.next_value::<Part<'de>>()?.text,
                "metro_code" => part.number = map.next_value::<Part<'de>>()?.number,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(part)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let first = list.next_element()?.unwrap_or_default();
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }

    // The types below hold no part of a place in any known layout; a database is not broken for having them.

    fn visit_bool<E: Error>(self, _value: bool) -> Result<Self::Value, E> {
        Ok(Part::default())
    }

    fn visit_i64<E: Error>(self, _value: i64) -> Result<Self::Value, E> {
        Ok(Part::default())
    }

    fn visit_u128<E: Error>(self, _value: u128) -> Result<Self::Value, E> {
        Ok(Part::default())
    }

    fn visit_f64<E: Error>(self, _value: f64) -> Result<Self::Value, E> {
        Ok(Part::default())
    }

    fn visit_bytes<E: Error>(self, _value: &[u8]) -> Result<Self::Value, E> {
        Ok(Part::default())
    }
}
