//! Records that could not be used, kept where they can be looked at and read again.

mod config;
mod example;
mod letter;
#[cfg(test)]
mod tests;
mod writer;

pub use self::config::*;
pub use self::example::{Example, Examples};
pub use self::letter::Letter;
pub use self::writer::{DeadLetterSpec, DeadLetterWriter};
