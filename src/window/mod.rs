//! Windows of time: `[start, end)` in UTC.

mod interval;
mod parse;
mod split;

pub use self::interval::Window;
pub use self::parse::Instant;
pub use self::split::{Every, Tiles, split};
