//! Limits and shares as people write them: `5%`, `1000`, or a map of them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// `5%` or `1000`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "String")]
pub enum DeadLetterLimit {
    /// Share of what was read, 0 to 1.
    Share(f64),
    /// Number of dead letters.
    Count(u64),
}

/// The limit over all dead letters of a job that says none.
const DEFAULT: DeadLetterLimit = DeadLetterLimit::Share(0.05);

/// Limits of dead letters: of all of them, and of those with one reason.
///
/// Written as one limit (`5%`, `1000`) for all, or as `{all: 5%, reasons: {not_json: 100, stale: 1%}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct DeadLetterLimits {
    /// For the sum over all reasons; see [`DeadLetterLimits::exceeded`] where the job says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<DeadLetterLimit>,
    /// By reason code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, DeadLetterLimit>,
}

/// A part of a whole: `99%`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share(
    /// 0 to 1.
    pub f64,
);

impl DeadLetterLimit {
    /// Whether `dead` of `read` is more than allowed.
    pub fn is_exceeded(self, dead: u64, read: u64) -> bool {
        match self {
            Self::Share(share) => dead as f64 > share * read as f64,
            Self::Count(count) => dead > count,
        }
    }
}

impl DeadLetterLimits {
    /// The limit over all reasons, when `dead` of `read` are more than it allows.
    ///
    /// A limit of the job file is taken at its word. The default is 5 %, of which the granularity of small windows is no
    /// part: a single dead letter passes among at least one record that is none.
    pub fn exceeded(&self, dead: u64, read: u64) -> Option<DeadLetterLimit> {
        let limit = self.all.unwrap_or(DEFAULT);
        let is_single = self.all.is_none() && dead == 1 && read > 1;
        (limit.is_exceeded(dead, read) && !is_single).then_some(limit)
    }

    /// What the JSON Schema shows as the default.
    pub(super) fn default_text() -> String {
        DEFAULT.to_string()
    }
}

impl TryFrom<Value> for DeadLetterLimit {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let wrong = || format!("{value} is no limit; write a share such as 5%, 100% at most, or a count such as 1000");
        if let Some(count) = value.as_u64() {
            return Ok(Self::Count(count));
        }
        let text = value.as_str().ok_or_else(wrong)?.trim();
        if text.ends_with('%') {
            return percent(text).map(Self::Share).ok_or_else(wrong);
        }
        text.parse().map(Self::Count).map_err(|_| wrong())
    }
}

/// 0 to 1 of `0%` to `100%`.
fn percent(text: &str) -> Option<f64> {
    let percent: f64 = text.trim().strip_suffix('%')?.trim().parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

impl fmt::Display for DeadLetterLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => Share(*share).fmt(f),
            Self::Count(count) => count.fmt(f),
        }
    }
}

impl From<DeadLetterLimit> for String {
    fn from(limit: DeadLetterLimit) -> Self {
        limit.to_string()
    }
}

impl TryFrom<Value> for DeadLetterLimits {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let Value::Object(sections) = value else {
            return Ok(Self { all: Some(value.try_into()?), reasons: BTreeMap::new() });
        };
        let mut limits = Self::default();
        for (key, value) in sections {
            match (key.as_str(), value) {
                ("all", value) => limits.all = Some(value.try_into()?),
                ("reasons", Value::Object(reasons)) => {
                    let limit = |(reason, value): (String, Value)| match value.try_into() {
                        Ok(limit) => Ok((reason, limit)),
                        Err(message) => Err(format!("{reason}: {message}")),
                    };
                    limits.reasons = reasons.into_iter().map(limit).collect::<Result<_, String>>()?;
                }
                ("reasons", _) => return Err("`reasons` holds a limit for each reason: {not_json: 100}".to_owned()),
                _ => return Err(format!("unknown key `{key}`; `all` and `reasons` may stand here")),
            }
        }
        Ok(limits)
    }
}

/// `7%, 100 not_json`.
impl fmt::Display for DeadLetterLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.all {
            Some(limit) => limit.fmt(f)?,
            None => write!(f, "{DEFAULT} (the default)")?,
        }
        self.reasons.iter().try_for_each(|(reason, limit)| write!(f, ", {limit} {reason}"))
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        percent(&text).map(Self).ok_or_else(|| format!("`{text}` is no share; write 0% to 100%, such as 99.5%"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Two decimals are as many as a person writes; 0.07 * 100 has more.
        let text = format!("{:.2}", self.0 * 100.0);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl JsonSchema for DeadLetterLimit {
    fn schema_name() -> Cow<'static, str> {
        "DeadLetterLimit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9.]+%?$"}]})
    }
}

impl JsonSchema for DeadLetterLimits {
    fn schema_name() -> Cow<'static, str> {
        "DeadLetterLimits".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let limit = generator.subschema_for::<DeadLetterLimit>();
        json_schema!({"oneOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": "^[0-9.]+%?$"},
            {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "all": limit,
                    "reasons": {"type": "object", "additionalProperties": limit},
                },
            },
        ]})
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9.]+%$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn a_limit_is_one_or_a_map() {
        let read = |value| from_value::<DeadLetterLimits>(value);
        let all = |limit| DeadLetterLimits { all: Some(limit), reasons: BTreeMap::new() };
        assert_eq!(read(json!("5%")).unwrap(), all(DeadLetterLimit::Share(0.05)));
        assert_eq!(read(json!(1000)).unwrap(), all(DeadLetterLimit::Count(1000)));
        let map = read(json!({"all": "7%", "reasons": {"not_json": 100, "anything": "1.5 %"}})).unwrap();
        assert_eq!(map.reasons["anything"], DeadLetterLimit::Share(0.015));
        assert_eq!(map.to_string(), "7%, 1.5% anything, 100 not_json");
        let again: DeadLetterLimits = from_value(serde_json::to_value(&map).unwrap()).unwrap();
        assert_eq!(again.to_string(), map.to_string());
        for (wrong, message) in [
            (json!("some"), "\"some\" is no limit"),
            (json!({"reason": {}}), "unknown key `reason`"),
            (json!({"reasons": {"stale": "120%"}}), "stale: \"120%\" is no limit"),
            (json!({"reasons": 5}), "`reasons` holds a limit for each reason"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn the_default_is_a_share_and_lets_a_single_dead_letter_pass() {
        let default = DeadLetterLimits::default();
        assert_eq!(default.to_string(), "5% (the default)");
        let reasons = BTreeMap::from([("not_json".to_owned(), DeadLetterLimit::Count(3))]);
        assert_eq!(
            DeadLetterLimits { reasons, ..DeadLetterLimits::default() }.to_string(),
            "5% (the default), 3 not_json"
        );
        for (dead, read, refuses) in
            [(0, 0, false), (5, 100, false), (6, 100, true), (1, 2, false), (1, 1, true), (2, 39, true), (2, 40, false)]
        {
            assert_eq!(default.exceeded(dead, read).is_some(), refuses, "{dead} of {read}");
        }
        let written = DeadLetterLimits { all: Some(DEFAULT), ..DeadLetterLimits::default() };
        assert!(written.exceeded(1, 2).is_some());
        let none = DeadLetterLimits { all: Some(DeadLetterLimit::Share(1.0)), ..DeadLetterLimits::default() };
        assert_eq!(none.exceeded(7, 7), None);
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!(from_value::<Share>(json!("99.5%")).unwrap().to_string(), "99.5%");
        assert_eq!(Share(0.07).to_string(), "7%");
        assert_eq!(Share(1.0).to_string(), "100%");
        for wrong in ["99", "101%", "-1%", "NaN%", "%"] {
            assert!(from_value::<Share>(json!(wrong)).is_err(), "{wrong}");
        }
    }
}
