//! The payload with which a scheduler starts a run: that of the pipeline on Spark, and of rules of EventBridge.

use crate::text::suggest::did_you_mean;
use crate::text::{instant, one_line};
use crate::window::Window;
use chrono::{DateTime, SubsecRound, Utc};
use etl_sdk::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

/// What it may say.
const KEYS: [&str; 4] = ["startTimestamp", "endTimestamp", "reRunJob", "jobName"];

/// What it may say to Spark, and what means nothing here.
const OF_SPARK: [&str; 3] = ["sparkConfig", "outputPartitions", "inputRePartitions"];

/// What an event of a schedule says around it.
const OF_EVENT: [&str; 9] =
    ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"];

/// Longest name of a job.
const MAX_NAME: usize = 256;

const FORMS: &str = "write epoch milliseconds, as a number or a text of digits, or 2026-11-20T05:00:00.000Z";

/// What a scheduler asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// First instant of the window, in whole seconds.
    pub start: Option<DateTime<Utc>>,
    /// First instant after it.
    pub end: Option<DateTime<Utc>>,
    /// Whether it is a run of a window that ran before.
    pub again: bool,
    /// What the scheduler calls the run.
    pub name: Option<String>,
    /// Keys that are not read.
    pub unread: Vec<String>,
}

impl Payload {
    /// Reads a payload.
    ///
    /// Fails with kind `Usage`: a window that was misread would be another one.
    pub fn read(text: &str) -> Result<Self> {
        let wrong = || Error::new(ErrorKind::Usage, "read the payload");
        let value: Value = serde_json::from_str(text).map_err(|error| {
            wrong().source(one_line(&error.to_string())).hint(
                "a payload is a JSON object such as {\"startTimestamp\": 1795150800000, \"endTimestamp\": 1795154400000}",
            )
        })?;
        let Value::Object(fields) = value else {
            return Err(wrong().source("it is no JSON object"));
        };
        let known = |key: &str| KEYS.contains(&key) || OF_SPARK.contains(&key) || OF_EVENT.contains(&key);
        if let Some(key) = fields.keys().find(|key| !known(key)) {
            return Err(wrong().with("key", key).source("the key is not known").hint(did_you_mean(key, &KEYS)));
        }
        let again = match fields.get("reRunJob") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(again)) => *again,
            Some(other) => return Err(wrong().with("reRunJob", other).hint("write true or false")),
        };
        let unread = fields.keys().filter(|key| OF_SPARK.contains(&key.as_str())).cloned().collect();
        let payload = Self {
            start: timestamp(&fields, "startTimestamp")?,
            end: timestamp(&fields, "endTimestamp")?,
            again,
            name: name(&fields, again)?,
            unread,
        };
        if payload.again && payload.is_of_schedule() {
            return Err(wrong().with("reRunJob", true).source("no window is named").hint(
                "name the window with startTimestamp and endTimestamp; `etl-runner retry` runs failed windows again",
            ));
        }
        Ok(payload)
    }

    /// Whether it names no window, so that the schedule decides.
    pub fn is_of_schedule(&self) -> bool {
        self.start.is_none() && self.end.is_none()
    }

    /// The window: from `watermark` up to `closed` where it says nothing else.
    ///
    /// Fails with kind `Usage` when there is none.
    pub fn window(&self, watermark: Option<DateTime<Utc>>, closed: DateTime<Utc>) -> Result<Window> {
        let Some(start) = self.start.or(watermark) else {
            return Err(Error::new(
                ErrorKind::Usage,
                "the payload has an endTimestamp alone, and there is no watermark",
            )
            .hint("add startTimestamp, or set the watermark with `etl-runner state set`"));
        };
        let end = self.end.unwrap_or(closed);
        Window::new(start, end).map_err(|error| {
            Error::new(ErrorKind::Usage, "the payload names no window")
                .with("startTimestamp", instant(start))
                .with("endTimestamp", instant(end))
                .source(error)
        })
    }
}

fn name(fields: &Map<String, Value>, again: bool) -> Result<Option<String>> {
    let wrong = |value: &Value| Error::new(ErrorKind::Usage, "read the payload").with("jobName", value);
    match fields.get("jobName") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if name.is_empty() => Ok(None),
        Some(Value::String(name)) if name.len() <= MAX_NAME && !name.contains(char::is_control) => {
            Ok(Some(if again && !name.ends_with("-rerun") { format!("{name}-rerun") } else { name.clone() }))
        }
        Some(other) => Err(wrong(other).hint("write a text of 256 characters at most")),
    }
}

/// An instant, cut to whole seconds: all that objects' times tell apart.
fn timestamp(fields: &Map<String, Value>, key: &'static str) -> Result<Option<DateTime<Utc>>> {
    let value = match fields.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let of_millis = DateTime::from_timestamp_millis;
    let found = match value {
        Value::Number(number) => number.as_i64().and_then(of_millis),
        Value::String(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok().and_then(of_millis)
        }
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()),
        _ => None,
    };
    // Seconds in the place of milliseconds lie in January 1970.
    let found = found.filter(|at| at.timestamp() >= 86_400 * 365);
    match found {
        Some(at) => Ok(Some(at.trunc_subsecs(0))),
        None => Err(Error::new(ErrorKind::Usage, "read the payload").with(key, value).hint(FORMS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> String {
        let at = |hour: u32| format!("2026-11-20T{hour:02}:00:00Z").parse().unwrap();
        Payload::read(text).unwrap().window(Some(at(4)), at(9)).unwrap().to_string()
    }

    #[test]
    fn instants_are_numbers_digits_or_iso() {
        let expected = "2026-11-20T05:00:00Z/2026-11-20T06:00:00Z";
        for text in [
            r#"{"startTimestamp": 1795150800000, "endTimestamp": 1795154400000}"#,
            r#"{"startTimestamp": "1795150800999", "endTimestamp": "1795154400001"}"#,
            r#"{"startTimestamp": "2026-11-20T05:00:00.000Z", "endTimestamp": "2026-11-20T07:00:00+01:00"}"#,
        ] {
            assert_eq!(window(text), expected, "{text}");
        }
        assert_eq!(window(r#"{"startTimestamp": 1795150800000}"#), "2026-11-20T05:00:00Z/2026-11-20T09:00:00Z");
        assert_eq!(window(r#"{"endTimestamp": 1795154400000}"#), "2026-11-20T04:00:00Z/2026-11-20T06:00:00Z");
    }

    #[test]
    fn what_is_no_payload_is_refused_with_its_key() {
        for (text, told) in [
            ("", "read the payload"),
            ("[]", "no JSON object"),
            (r#"{"startTimestmap": 1}"#, "startTimestmap"),
            (r#"{"startTimestamp": 1795150800}"#, "startTimestamp=1795150800"),
            (r#"{"startTimestamp": "yesterday"}"#, "yesterday"),
            (r#"{"startTimestamp": "2026-11-20"}"#, "2026-11-20"),
            (r#"{"endTimestamp": 1.5}"#, "1.5"),
            (r#"{"reRunJob": "yes"}"#, "reRunJob"),
            (r#"{"reRunJob": true}"#, "no window"),
            (r#"{"jobName": 7}"#, "jobName=7"),
        ] {
            let error = Payload::read(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
            assert!(error.to_string().contains(told), "{text}: {error}");
        }
        let turned = Payload::read(r#"{"startTimestamp": 1795154400000, "endTimestamp": 1795150800000}"#).unwrap();
        assert_eq!(turned.window(None, DateTime::UNIX_EPOCH).unwrap_err().kind(), ErrorKind::Usage);
    }

    #[test]
    fn names_of_runs_that_are_repeated_say_so() {
        let read = |text: &str| Payload::read(text).unwrap();
        let again = read(r#"{"startTimestamp": 1795150800000, "jobName": "nightly", "reRunJob": true}"#);
        assert_eq!((again.name.as_deref(), again.again), (Some("nightly-rerun"), true));
        let event = read(r#"{"version": "0", "detail-type": "Scheduled Event", "detail": {}, "sparkConfig": ["a=b"]}"#);
        assert!(event.is_of_schedule() && event.unread == ["sparkConfig"]);
    }
}
