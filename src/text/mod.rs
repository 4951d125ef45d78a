//! How values are written for people and read from them: instants, sizes, spans, numbers, columns, and names that were mistyped;
//! and what must not be written.

pub mod columns;
mod instant;
mod line;
mod malformed;
mod numbers;
mod printable;
mod redact;
pub mod suggest;
mod units;

pub use self::instant::{instant, instant_exact, instant_millis};
pub use self::line::{one_line, printable_start};
pub use self::malformed::Malformed;
pub use self::numbers::{about_seconds, bytes, count, counted, seconds};
pub use self::printable::{printable, printable_json, printable_lines};
pub use self::redact::{redact, remember};
pub use self::units::{ByteSize, Span};
