//! Payloads of Sensors Analytics: JSON, or a form with Base64 of JSON or of gzip of it (spec 5.2).

mod declared;
mod event;

pub(crate) use event::FORMAT;
