//! Records that could not be used, kept where they can be looked at and read again.

mod config;
mod kept;
mod letter;
#[cfg(test)]
mod tests;
mod writer;

pub use config::*;
pub use kept::{Kept, KeptCommit, LetterState, Lines, ReasonCounts};
pub use letter::Letter;
pub use writer::{DeadLetterSpec, DeadLetterWriter};
