//! Drops the events of bots.
