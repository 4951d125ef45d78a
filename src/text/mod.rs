//! How values are written for people and read from them: sizes, spans, numbers, columns, and names that were mistyped.

pub mod columns;
mod line;
mod numbers;
pub mod suggest;
mod units;

pub use self::line::one_line;
pub use self::numbers::{bytes, count, seconds};
pub use self::units::{ByteSize, Span};
