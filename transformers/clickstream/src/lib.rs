//! Clickstream events to event, item, user and session tables.

pub mod java;
pub mod traffic_source;
pub mod url;
