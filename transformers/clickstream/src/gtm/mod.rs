//! Payloads of Google Tag Manager, server side: one JSON object per event, or an array of them.

mod declared;
mod event;
mod user;

pub(crate) use event::FORMAT;
