//! Payloads of Google Tag Manager, server side: one JSON object per event, or an array of them (spec 5.1).

mod declared;
mod event;
mod user;

pub(crate) use event::FORMAT;
