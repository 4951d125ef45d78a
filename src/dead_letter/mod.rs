//! Records that could not be used, kept where they can be looked at and read again.

mod config;
#[cfg(test)]
mod tests;
mod writer;

pub use config::*;
pub use writer::{DeadLetterSpec, DeadLetterWriter};
