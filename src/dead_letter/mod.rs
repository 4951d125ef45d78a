//! dead_letter

mod config;

pub use config::*;
