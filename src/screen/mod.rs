//! What people see: results, notes, errors and progress.

mod printer;
mod progress;

pub use self::printer::{Color, Output, Printer, ProgressStyle, Tone};
pub use self::progress::ProgressDisplay;
