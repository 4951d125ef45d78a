//! What names an object of the state and tells its bytes.

use serde::{Deserialize, Serialize};

/// An object of the state, and what its bytes must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StateObject {
    /// Path below the job's state.
    pub path: String,
    /// Hash of its bytes.
    pub hash: ContentHash,
}

/// What tells the bytes of an object from others under its name: 128 bits of their BLAKE3 hash, in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentHash(String);

impl ContentHash {
    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).to_hex()[..32].to_owned())
    }
}
