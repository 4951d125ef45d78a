//! What people see: results, notes, errors and progress.

mod bar;
mod excerpt;
mod pace;
mod printer;
mod progress;

pub use self::printer::{Color, OutputFormat, Printer, ProgressStyle, Tone};
pub use self::progress::ProgressDisplay;
