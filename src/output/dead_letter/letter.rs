//! A dead letter as it is read back.

use etl_sdk::{Error, Result};
use serde::Deserialize;

/// One line of a file of dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Letter {
    /// A code, fit for grouping.
    pub reason_code: String,
    /// What exactly is wrong.
    pub reason: String,
    /// The step that refused it.
    pub step: String,
    /// The object that holds the record; none for rows that have lost their address.
    pub source_uri: Option<String>,
    /// The object's version marker, if the store has one.
    pub etag: Option<String>,
    /// First byte of the record in the decompressed object.
    pub byte_offset: Option<u64>,
    /// The record's bytes.
    pub length: Option<u64>,
    /// The element of the record, or the record's place in a framed array.
    pub record_index: Option<u32>,
    /// The elements of the record that are meant when it is not all of them.
    pub only: Option<Vec<u32>>,
    /// As many of the bytes as are kept, as text or in Base64.
    pub raw: Option<String>,
    /// `base64` when the bytes are no text.
    pub raw_encoding: Option<String>,
    /// Whether bytes are missing.
    pub truncated: bool,
    /// The run's instant, RFC 3339.
    pub first_seen: String,
}

impl Letter {
    /// Reads a line.
    pub fn parse(line: &[u8]) -> Result<Self> {
        serde_json::from_slice(line).map_err(|error| Error::config("read a dead letter").source(error))
    }

    /// The bytes that are kept.
    ///
    /// Fails when they are not what `raw_encoding` says.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let raw = self.raw.as_deref().unwrap_or_default();
        match self.raw_encoding.as_deref() {
            None => Ok(raw.as_bytes().to_vec()),
            Some("base64") => base64_simd::STANDARD
                .decode_to_vec(raw.as_bytes())
                .map_err(|error| Error::config("read the bytes of a dead letter").source(error)),
            Some(other) => Err(Error::config("read the bytes of a dead letter").with("raw_encoding", other)),
        }
    }
}
