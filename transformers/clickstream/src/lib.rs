//! Clickstream events to event, item, user and session tables.
