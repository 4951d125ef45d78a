//! The process: signals and early ends, memory, threads, and points at which tests kill it.

#[macro_use]
mod failpoint;
pub mod memory;
pub mod stop;

pub(crate) mod task;
pub mod usage;
pub(crate) mod workers;
