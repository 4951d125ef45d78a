//! The process: its clock, signals and early ends, memory, threads, waiting, and points at which tests kill it.

pub mod clock;
#[macro_use]
mod failpoint;
pub mod memory;
pub(crate) mod notice;
pub mod panics;
pub mod placement;
pub mod stop;
pub(crate) mod task;
pub mod traffic;
pub mod usage;
pub mod wait;
pub(crate) mod workers;

pub(crate) use self::failpoint::clock_offset;
#[cfg(feature = "failpoints")]
pub(crate) use self::failpoint::reach;
