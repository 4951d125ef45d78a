//! Payloads of Sensors Analytics: JSON, or a form with Base64 of JSON or of gzip of it.

mod declared;
mod event;

pub(crate) use event::FORMAT;
