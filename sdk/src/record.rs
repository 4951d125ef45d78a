//! Raw records and where they come from.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An input object as the run's plan knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// `s3://bucket/key` or an absolute path; what a person would paste to find it.
    pub uri: String,
    /// The version marker of the store, if it has one.
    pub etag: Option<String>,
    /// Place of the object in the run's plan, which is sorted by key: a tie-break that does not depend on listing order.
    pub ordinal: u32,
}

/// Where a record's bytes are, so that it can be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The object that holds the record.
    pub object: Arc<ObjectRef>,
    /// First byte of the record in the decompressed object.
    pub offset: u64,
    /// Length of the record in bytes, without its line end.
    pub length: u64,
    /// Index in the array when the record is an element of a framed array or of a payload.
    pub index: Option<u32>,
}

/// One framed value of an input object.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// The object that holds the record.
    pub object: &'a Arc<ObjectRef>,
    /// First byte of the record in the decompressed object.
    pub offset: u64,
    /// Index in the array, for the array framer.
    pub index: Option<u32>,
    /// The record's bytes as they stand in the decompressed object; not checked to be UTF-8.
    pub bytes: &'a [u8],
    /// Indexes of the elements that are wanted of a record with many, ascending; `None` for all. A replay of dead letters
    /// asks for those alone that are not in the output yet.
    pub only: Option<&'a [u32]>,
}

impl RawRecord<'_> {
    /// Whether the element at `index` is wanted. One that is not is neither read nor counted.
    pub fn wants(&self, index: u32) -> bool {
        self.only.is_none_or(|only| only.binary_search(&index).is_ok())
    }

    /// The record's address; `index` overrides the framer's for elements of a payload.
    pub fn address(&self, index: Option<u32>) -> Address {
        Address {
            object: Arc::clone(self.object),
            offset: self.offset,
            length: self.bytes.len() as u64,
            index: index.or(self.index),
        }
    }
}
