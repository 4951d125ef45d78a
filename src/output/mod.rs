//! Files of a run: tables and dead letters, written out of sight until a commit publishes them.

pub mod dead_letter;
pub mod sink;
pub mod staging;
pub mod stored;
