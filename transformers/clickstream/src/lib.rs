//! The clickstream transformer: requests of the clickstream SDKs, of Google Tag Manager and of Sensors Analytics to event,
//! item, user and session rows.
//!
//! A record is one request line of the collector: a JSON object whose `data` holds the client's events, as a JSON array
//! or as Base64 of gzip of one. The rules are those of clickstream-analytics-on-aws 1.2.0, batch application; where
//! we do better on purpose, the dead letter's reason or the doc comment says so.
//!
//! Where rows differ from the reference's on purpose, `docs/compatibility.md` says how, and [`Compat`] chooses.
//! What is the same in both modes and still differs:
//! - A null `ingest_time` there ends the job; here it is a dead letter.
//! - `NaN` and `Infinity` without quotes make a line or payload a dead letter; there they become text.
//! - Results of rules do not depend on the order of events.
//! - Arrays and objects in place of a number or boolean that may be anything read as null, and the keys after them are
//!   read; there they are misread.
//! - Events outside of the years 0 to 9999 are dead letters, because no partition can be named after them.
//! - Of several items with one id in an event the first is kept, and of equal users and sessions the last one processed;
//!   there it depends on the engine.

mod compat;
mod config;
mod custom;
mod event;
mod event_row;
mod explain;
mod fields;
mod gtm;
mod held;
mod items;
pub mod java;
mod nested;
mod page;
mod payload;
mod record;
mod rows;
mod sensors;
mod sessions;
mod settings;
mod source;
mod steps;
mod tables;
mod third_party;
mod time;
mod traffic;
pub mod traffic_source;
mod transformer;
pub mod url;
mod users;
mod values;
mod worker;
mod writer;

pub use compat::Compat;
pub use config::{ClickstreamConfig, UniqueEvents};
pub use explain::{ColumnAnswer, TrafficAnswer, explain_traffic_source};
pub use source::{Source, Sources, SourcesByApp};
pub use transformer::{Clickstream, component};
