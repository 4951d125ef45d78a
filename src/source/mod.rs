//! Which objects a window holds, and the raw records in them.
//!
//! [`list()`] selects the objects, [`open()`] gives the stored bytes of one, and [`read_object`] decodes and frames
//! them.

mod base64;
mod config;
mod decode;
mod find;
mod firehose;
mod folder;
mod frame;
mod list;
mod open;
mod pages;
mod prefixes;
mod read;
pub mod reason;
mod scan;
#[cfg(test)]
mod tests;
mod values;
mod zip;

pub use config::*;
pub use find::{find, list_all, locate};
pub use firehose::{ErrorPart, read_errors};
pub use frame::Frame;
pub use list::{InputObject, Listing, hour_of_object, list, skip};
pub use open::{Opened, Opening, open};
pub use read::{ObjectStats, read_in_blocks, read_object};
