//! source

mod config;

pub use config::*;
