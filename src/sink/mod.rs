//! sink

mod config;

pub use config::*;
