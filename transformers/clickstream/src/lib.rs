//! Clickstream events to event, item, user and session tables.

pub mod java;
//TS
pub mod url;
