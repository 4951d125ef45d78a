//! Which objects a window holds, and the raw records in them.
//!
//! [`list()`] selects the objects, [`open()`] gives the stored bytes of one, and [`read_object`] decodes and frames
//! them.

mod base64;
mod bounds;
mod config;
mod decode;
mod emit;
mod find;
mod firehose;
mod folder;
mod frame;
mod list;
mod losses;
mod mark;
mod members;
mod nothing;
mod open;
mod pages;
mod prefixes;
mod read;
pub mod reason;
mod scan;
mod select;
mod snappy;
mod strays;
mod stretch;
#[cfg(test)]
mod tests;
mod unread;
mod utf16;
mod values;
mod zip;
mod zone;

pub use self::config::*;
pub use self::emit::{Frame, STEP, records_of};
pub use self::find::{find, list_all, locate};
pub use self::firehose::{ErrorPart, read_errors};
pub use self::list::{check_window, hour_of_object, list};
pub use self::losses::{DamagedObject, Losses, Lost};
pub use self::nothing::{Nothing, warnings};
pub use self::open::{Opened, Opening, open};
pub use self::prefixes::{HourFolder, hour_folders};
pub use self::read::{ObjectRead, ObjectStats, read_in_blocks, read_object};
pub use self::select::{InputObject, Listing, skip};
pub use self::strays::Strays;
pub use self::stretch::Stretch;
pub use self::zone::PathZone;
