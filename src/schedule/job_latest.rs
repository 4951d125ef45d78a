//! `job-latest.json`, in which the Spark pipeline keeps up to where it has submitted: read to take over from it, written so
//! that what reads it goes on to work, and so that it could take over again.

use crate::text::instant_millis;
use crate::window::Window;
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::{Error, Result};
use serde_json::{Map, Value, json};

/// The content of `job-latest.json`: `event`, `config`, `jobRunId`, `startTimestamp`, `endTimestamp`, `state` and
/// `startRunTime`, instants in epoch milliseconds. Keys that are not known here are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct JobLatest {
    content: Map<String, Value>,
    end_msec: i64,
}

impl JobLatest {
    /// Reads the file's bytes.
    ///
    /// Fails when they are no JSON object, or `endTimestamp` is no instant.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let wrong = || Error::config("read job-latest.json");
        let content: Map<String, Value> = serde_json::from_slice(bytes).map_err(|error| wrong().source(error))?;
        let end = content.get("endTimestamp").ok_or_else(|| wrong().hint("it has no endTimestamp"))?;
        let end_msec = millis(end).ok_or_else(|| {
            wrong()
                .with("endTimestamp", end)
                .hint("the instant is written in epoch milliseconds, such as 1795150800000")
        })?;
        Ok(Self { content, end_msec })
    }

    /// The first instant that is still to be read.
    ///
    /// That pipeline reads objects modified up to and in the whole second of its `endTimestamp`, since object times have no
    /// parts of a second: the next second is the first that it has not read. With that, windows tile across the change.
    pub fn watermark(&self) -> DateTime<Utc> {
        let end = DateTime::from_timestamp(self.end_msec.div_euclid(1_000), 0).unwrap_or_default();
        end + TimeDelta::seconds(1)
    }

    /// The content after all windows up to `watermark` are done, `last` being the latest. `before` is what the file says so
    /// far; its `event` and `config` stay.
    ///
    /// The end is the last millisecond before the watermark: see [`JobLatest::watermark`].
    pub fn after(before: Option<Self>, watermark: DateTime<Utc>, last: &Window, run_msec: i64, job: &str) -> Self {
        let mut content = before.map(|before| before.content).unwrap_or_default();
        let end_msec = watermark.timestamp_millis() - 1;
        content.entry("event").or_insert_with(|| json!({}));
        content.entry("config").or_insert_with(|| json!({"job": job}));
        content.insert("jobRunId".to_owned(), "latest".into());
        content.insert("startTimestamp".to_owned(), last.start.timestamp_millis().into());
        content.insert("endTimestamp".to_owned(), end_msec.into());
        content.insert("state".to_owned(), "SUCCESS".into());
        content.insert("startRunTime".to_owned(), run_msec.into());
        Self { content, end_msec }
    }

    /// The bytes of the file.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&self.content).map_err(|error| Error::internal("write job-latest.json").source(error))
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        let end = DateTime::from_timestamp_millis(self.end_msec).unwrap_or_default();
        format!("read up to {}", instant_millis(end))
    }
}

/// Epoch milliseconds as a number or as digits, or an instant as text: the submitter takes all of them.
fn millis(value: &Value) -> Option<i64> {
    let msec = match value {
        Value::Number(number) => number.as_i64()?,
        Value::String(text) => match text.parse() {
            Ok(msec) => msec,
            Err(_) => DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis(),
        },
        _ => return None,
    };
    // 1970 to 9999
    (0..253_402_300_800_000).contains(&msec).then_some(msec)
}
