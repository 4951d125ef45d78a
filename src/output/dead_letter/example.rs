//! The first dead letter of each reason, for the report of a run that has too many.

use crate::text::printable_start;
use etl_sdk::Reject;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Most bytes of a record that are shown.
const MAX_SHOWN: usize = 120;

/// The first dead letter of each reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examples(BTreeMap<String, Example>);

/// A dead letter, as far as a line shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The object that holds the record; none for rows that have lost their address.
    object: Option<String>,
    /// First byte of the record in the decompressed object.
    offset: Option<u64>,
    /// The start of the record, fit for a terminal; empty when no bytes of records are kept.
    start: String,
}

impl Examples {
    /// Takes the first one of its reason. `shown` is whether bytes of records may be kept.
    pub fn add(&mut self, reject: &Reject, shown: bool) {
        if self.0.contains_key(reject.reason.as_str()) {
            return;
        }
        let address = reject.address.as_ref();
        let example = Example {
            object: address.map(|address| address.object.uri.clone()),
            offset: address.map(|address| address.offset),
            start: if shown { printable_start(&reject.raw, MAX_SHOWN) } else { String::new() },
        };
        self.0.insert(reject.reason.to_string(), example);
    }

    /// Adds what comes behind.
    pub fn merge(&mut self, other: &Self) {
        for (reason, example) in &other.0 {
            self.0.entry(reason.clone()).or_insert_with(|| example.clone());
        }
    }

    /// The first dead letter of a reason.
    pub fn get(&self, reason: &str) -> Option<&Example> {
        self.0.get(reason)
    }
}

/// `s3://raw/a.json byte 0: {"id":1}`
impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.object, self.offset) {
            (Some(object), Some(offset)) => write!(f, "{} byte {offset}", printable_start(object.as_bytes(), 1_024))?,
            _ => f.write_str("a row")?,
        }
        if self.start.is_empty() { Ok(()) } else { write!(f, ": {}", self.start) }
    }
}
