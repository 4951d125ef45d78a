//! What the row path cannot do without, each measured alone: inflate, JSON parse, Parquet encode. One thread, one pass,
//! processor time; reading files and preparing the input of a step are not counted.

mod encode;
mod inflate;
mod parse;
mod raw;

pub use encode::encode;
pub use inflate::inflate;
pub use parse::parse;

use serde_json::{Value, json};

/// One floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Processor seconds of the measured sections.
    pub cpu_seconds: f64,
    /// Bytes that went in: compressed for inflate, JSON text for parse, Arrow memory for encode.
    pub bytes_in: u64,
    /// Bytes that came out: inflated, 0 for parse, Parquet for encode.
    pub bytes_out: u64,
}

impl Floor {
    /// As an object with the members `cpu_seconds`, `bytes_in` and `bytes_out`.
    pub fn to_json(self) -> Value {
        json!({"cpu_seconds": self.cpu_seconds, "bytes_in": self.bytes_in, "bytes_out": self.bytes_out})
    }

    /// Reads what [`Floor::to_json`] wrote.
    pub fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            cpu_seconds: value.get("cpu_seconds")?.as_f64()?,
            bytes_in: value.get("bytes_in")?.as_u64()?,
            bytes_out: value.get("bytes_out")?.as_u64()?,
        })
    }
}

#[cfg(test)]
mod tests;
