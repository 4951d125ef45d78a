//! Files of tables, read back in bounded batches.

mod file;
mod paged;

pub use self::file::{Footer, Reading, damaged, footer, read};
