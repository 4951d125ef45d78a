//! The channel rules: conditions over a visit's origin, the first match names its channel.

use std::borrow::Cow;
use std::fmt;

use etl_sdk::{Error, Result};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::Value;

use super::notes::{Note, Witness};
use super::{TrafficSource, UNASSIGNED};

/// The value that stands for an empty one in a condition.
const EMPTY_VALUE: &str = "__empty__";

/// What stands around a pattern, so that it must match the whole text.
const MATCH_START: &str = r"\A(?:";
const MATCH_END: &str = r")\z";

/// What a condition can ask about; the order is that of [`Facts`].
const FIELDS: [&str; 11] = [
    "traffic_source_category",
    "traffic_source_source",
    "traffic_source_medium",
    "traffic_source_campaign",
    "traffic_source_campaign_id",
    "traffic_source_content",
    "traffic_source_term",
    "traffic_source_clid",
    "traffic_source_clid_platform",
    "page_view_latest_referrer",
    "page_view_latest_referrer_host",
];

/// A visit's values in the order of [`FIELDS`], in lower case.
type Facts<'a> = [Option<Cow<'a, str>>; FIELDS.len()];

/// All rules of an app, in the order they are tried.
#[derive(Debug)]
pub(super) struct ChannelRules {
    rules: Vec<ChannelRule>,
}

#[derive(Debug)]
struct ChannelRule {
    id: String,
    channel: String,
    condition: Condition,
}

#[derive(Debug)]
enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Test { field: usize, test: Test, negated: bool },
}

/// Texts are in lower case.
#[derive(Debug)]
enum Test {
    Equal(String),
    Contain(String),
    StartWith(String),
    EndWith(String),
    Match(Regex),
    In(Vec<String>),
}

/// An item as it is written. A rule's whole condition has the same shape, without a field.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Item {
    field: Option<String>,
    op: Option<String>,
    value: Option<Value>,
    values: Option<Vec<Value>>,
    #[serde(rename = "op::and")]
    all: Option<Vec<Self>>,
    #[serde(rename = "op::or")]
    any: Option<Vec<Self>>,
}

/// A rule as it is written; display names, descriptions and more are passed over.
#[derive(Deserialize)]
struct Rule {
    channel: String,
    condition: Item,
}

impl ChannelRules {
    /// `json` is an array of rules. What is wrong with a condition is found here, with the rule's id and the field:
    /// unknown keys, operators and fields, a missing or doubled part, a pattern that is no regular expression.
    pub fn parse(json: &str) -> Result<Self> {
        let error = || Error::config("parse the channel rules");
        let entries: Vec<Value> = serde_json::from_str(json).map_err(|cause| error().source(cause))?;
        let mut rules = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let id = entry.get("id").and_then(Value::as_str).map_or_else(|| format!("at index {index}"), str::to_owned);
            let rule: Rule = serde_json::from_value(entry).map_err(|cause| error().with("rule", &id).source(cause))?;
            let condition =
                rule.condition.compile(true).map_err(|fault| fault.into_error(error().with("rule", &id)))?;
            rules.push(ChannelRule { id, channel: rule.channel, condition });
        }
        Ok(Self { rules })
    }

    /// The channel of the first rule that matches, else `Unassigned`. `category` and `referrer_host` are what the
    /// rules shall see, not what is published.
    pub fn evaluate(
        &self,
        utm: &TrafficSource,
        category: Option<&str>,
        referrer: Option<&str>,
        referrer_host: Option<&str>,
        witness: &mut impl Witness,
    ) -> &str {
        let bare_medium = utm.medium.as_deref().map(without_parentheses);
        let facts: Facts<'_> = [
            category,
            utm.source.as_deref(),
            bare_medium.as_deref(),
            utm.campaign.as_deref(),
            utm.campaign_id.as_deref(),
            utm.content.as_deref(),
            utm.term.as_deref(),
            utm.clid.as_deref(),
            utm.clid_platform.as_deref(),
            referrer,
            referrer_host,
        ]
        .map(|value| value.map(lower));
        for rule in &self.rules {
            if rule.condition.holds(&facts) {
                witness.note(|| {
                    let why = format!("rule {} says {}: {}", rule.id, rule.channel, rule.condition);
                    Note::new("channel-rule", &["channel_group"], why)
                });
                return &rule.channel;
            }
            witness.note(|| {
                let why =
                    format!("rule {} ({}) does not hold: not {}", rule.id, rule.channel, rule.condition.miss(&facts));
                Note::new("channel-rule-skipped", &[], why)
            });
        }
        witness.note(|| Note::new("channel-rule", &["channel_group"], "no rule holds"));
        UNASSIGNED
    }
}

fn without_parentheses(medium: &str) -> Cow<'_, str> {
    if medium.contains(['(', ')']) { medium.replace(['(', ')'], "").into() } else { medium.into() }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase() || byte >= 128) {
        text.to_lowercase().into()
    } else {
        text.into()
    }
}

impl Condition {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::All(items) => items.iter().all(|item| item.holds(facts)),
            Self::Any(items) => items.iter().any(|item| item.holds(facts)),
            Self::Test { field, test, negated } => test.holds(facts[*field].as_deref()) != *negated,
        }
    }

    /// The part of a condition that does not hold, as small as it can be said.
    fn miss(&self, facts: &Facts<'_>) -> &Self {
        match self {
            Self::All(items) => items.iter().find(|item| !item.holds(facts)).map_or(self, |item| item.miss(facts)),
            Self::Any(items) if items.len() == 1 => items[0].miss(facts),
            Self::Any(_) | Self::Test { .. } => self,
        }
    }
}

/// As a person would write it: `category eq search and (medium match … or clid not_eq "")`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |f: &mut fmt::Formatter<'_>, items: &[Self], word: &str| {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    write!(f, " {word} ")?;
                }
                match item {
                    Self::Test { .. } => write!(f, "{item}")?,
                    Self::All(inner) | Self::Any(inner) if inner.len() == 1 || items.len() == 1 => {
                        write!(f, "{item}")?;
                    }
                    Self::All(_) | Self::Any(_) => write!(f, "({item})")?,
                }
            }
            Ok(())
        };
        match self {
            Self::All(items) if items.is_empty() => f.write_str("always"),
            Self::Any(items) if items.is_empty() => f.write_str("never"),
            Self::All(items) => group(f, items, "and"),
            Self::Any(items) => group(f, items, "or"),
            Self::Test { field, test, negated } => {
                let not = if *negated { "not_" } else { "" };
                write!(f, "{} {not}{test}", FIELDS[*field].trim_start_matches("traffic_source_"))
            }
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op, value) = match self {
            Self::Equal(text) => ("eq", text.as_str()),
            Self::Contain(text) => ("contain", text.as_str()),
            Self::StartWith(text) => ("start_with", text.as_str()),
            Self::EndWith(text) => ("end_with", text.as_str()),
            Self::Match(pattern) => {
                ("match", pattern.as_str().trim_start_matches(MATCH_START).trim_end_matches(MATCH_END))
            }
            Self::In(texts) => return write!(f, "in [{}]", texts.join(", ")),
        };
        if value.is_empty() { write!(f, "{op} \"\"") } else { write!(f, "{op} {value}") }
    }
}

impl Test {
    /// A missing value is the empty text, except that it is in no list.
    fn holds(&self, value: Option<&str>) -> bool {
        let text = value.unwrap_or("");
        match self {
            Self::Equal(expected) => text == expected,
            Self::Contain(part) => text.contains(part.as_str()),
            Self::StartWith(start) => text.starts_with(start.as_str()),
            Self::EndWith(end) => text.ends_with(end.as_str()),
            Self::Match(pattern) => pattern.is_match(text),
            Self::In(texts) => value.is_some_and(|text| texts.iter().any(|expected| expected == text)),
        }
    }
}

/// What is wrong with a condition.
struct Fault {
    field: Option<String>,
    reason: Cow<'static, str>,
    cause: Option<regex::Error>,
}

impl Fault {
    fn new(field: Option<&str>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.map(str::to_owned), reason: reason.into(), cause: None }
    }

    fn into_error(self, mut error: Error) -> Error {
        if let Some(field) = self.field {
            error = error.with("field", field);
        }
        error = error.with("fault", self.reason);
        match self.cause {
            Some(cause) => error.source(cause),
            None => error,
        }
    }
}

impl Item {
    /// `outermost` is a rule's whole condition, which must be a group.
    fn compile(self, outermost: bool) -> Result<Condition, Fault> {
        let compile_all =
            |items: Vec<Self>| items.into_iter().map(|item| item.compile(false)).collect::<Result<Vec<_>, _>>();
        match (self.field, self.all, self.any) {
            (None, Some(items), None) => Ok(Condition::All(compile_all(items)?)),
            (None, None, Some(items)) => Ok(Condition::Any(compile_all(items)?)),
            (Some(field), None, None) if !outermost => {
                compile_test(&field, self.op.as_deref(), self.value, self.values)
            }
            (field, ..) if outermost => {
                Err(Fault::new(field.as_deref(), "a condition has exactly one of op::and, op::or"))
            }
            (field, ..) => {
                Err(Fault::new(field.as_deref(), "a condition's item has exactly one of field, op::and, op::or"))
            }
        }
    }
}

fn compile_test(
    name: &str,
    op: Option<&str>,
    value: Option<Value>,
    values: Option<Vec<Value>>,
) -> Result<Condition, Fault> {
    let fault = |reason: String| Fault::new(Some(name), reason);
    let Some(field) = FIELDS.iter().position(|known| *known == name) else {
        return Err(fault(format!("unknown field; known are {}", FIELDS.join(", "))));
    };
    let op = op.ok_or_else(|| fault("op is missing".to_owned()))?;
    let (kind, negated) = match op.strip_prefix("not_") {
        Some(kind) => (kind, true),
        None => (op, false),
    };
    if kind == "in" {
        let texts: Option<Vec<String>> = values.unwrap_or_default().into_iter().map(scalar_text).collect();
        let texts = texts.filter(|texts| !texts.is_empty());
        let texts = texts.ok_or_else(|| fault(format!("{op} needs values, a list of texts that is not empty")))?;
        let test = Test::In(texts.iter().map(|text| text.to_lowercase()).collect());
        return Ok(Condition::Test { field, test, negated });
    }
    let operand = || match value.and_then(scalar_text) {
        Some(text) => Ok(lower_value(&text)),
        None => Err(fault(format!("{op} needs value, a text"))),
    };
    let test = match kind {
        "eq" => Test::Equal(operand()?),
        "contain" => Test::Contain(operand()?),
        "start_with" => Test::StartWith(operand()?),
        "end_with" => Test::EndWith(operand()?),
        "match" => Test::Match(full_match(&operand()?).map_err(|cause| Fault {
            cause: Some(cause),
            ..fault(format!("{op} needs value, a regular expression without look-around and back-references"))
        })?),
        _ => {
            let known = "eq, contain, start_with, end_with, match, in, each also with not_ in front";
            return Err(fault(format!("unknown op {op}; known are {known}")));
        }
    };
    Ok(Condition::Test { field, test, negated })
}

/// Numbers and booleans count as their text.
fn scalar_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn lower_value(text: &str) -> String {
    if text == EMPTY_VALUE { String::new() } else { text.to_lowercase() }
}

/// The pattern must match the whole text; a dot matches no line break.
fn full_match(pattern: &str) -> Result<Regex, regex::Error> {
    // Checked alone first, so that a stray parenthesis cannot pair with those added here.
    RegexBuilder::new(pattern).build()?;
    RegexBuilder::new(&format!("{MATCH_START}{pattern}{MATCH_END}")).crlf(true).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(condition: &str) -> Result<ChannelRules> {
        ChannelRules::parse(&format!(
            r#"[{{"id":"r1","channel":"Hit","displayName":{{"en-US":"x"}},"condition":{condition}}}]"#
        ))
    }

    /// Whether a rule with this one item matches a visit of this source.
    fn hits(item: &str, source: Option<&str>) -> bool {
        let rules = rule(&format!(r#"{{"op::and":[{item}]}}"#)).unwrap();
        let utm = TrafficSource { source: source.map(str::to_owned), ..TrafficSource::default() };
        rules.evaluate(&utm, None, None, None, &mut ()) == "Hit"
    }

    #[test]
    fn every_operator_and_its_opposite() {
        let cases = [
            ("eq", "Mail", "mAIL", "mails"),
            ("contain", "Mail", "e-MAIL-x", "m-ail"),
            ("start_with", "Mail", "mail.x", "x.mail"),
            ("end_with", "Mail", "x.mail", "mail.x"),
            ("match", "^(M.*|ppc)$", "MAIL", "a mail"),
            ("match", "a|bc", "bc", "abc"),
            ("eq", "__empty__", "", "x"),
        ];
        for (op, value, hit, miss) in cases {
            let item = |op: &str| format!(r#"{{"field":"traffic_source_source","op":"{op}","value":"{value}"}}"#);
            let opposite = item(&format!("not_{op}"));
            assert!(hits(&item(op), Some(hit)) && !hits(&opposite, Some(hit)), "{op} {value} {hit}");
            assert!(!hits(&item(op), Some(miss)) && hits(&opposite, Some(miss)), "{op} {value} {miss}");
        }
        let item =
            |op: &str| format!(r#"{{"field":"traffic_source_source","op":"{op}","values":["SMS","__empty__",""]}}"#);
        assert!(hits(&item("in"), Some("sms")) && !hits(&item("not_in"), Some("sms")));
        assert!(!hits(&item("in"), Some("mms")) && hits(&item("not_in"), Some("mms")));
        assert!(!hits(&item("in"), None) && hits(&item("not_in"), None), "a missing value is in no list");
    }

    #[test]
    fn a_missing_value_is_the_empty_text() {
        assert!(hits(r#"{"field":"traffic_source_source","op":"eq","value":"__empty__"}"#, None));
        assert!(hits(r#"{"field":"traffic_source_source","op":"match","value":".*"}"#, None));
        assert!(!hits(r#"{"field":"traffic_source_source","op":"not_eq","value":""}"#, None));
    }

    #[test]
    fn groups_nest() {
        let rules = rule(
            r#"{"op::or":[
                {"op::and":[{"field":"traffic_source_category","op":"eq","value":"Search"},
                            {"field":"traffic_source_medium","op":"eq","value":"cpc"}]},
                {"field":"page_view_latest_referrer_host","op":"eq","value":"h"}]}"#,
        )
        .unwrap();
        let utm = TrafficSource { medium: Some("(CPC)".to_owned()), ..TrafficSource::default() };
        assert_eq!(rules.evaluate(&utm, Some("Search"), None, None, &mut ()), "Hit", "parentheses do not count");
        assert_eq!(rules.evaluate(&utm, Some("Social"), None, None, &mut ()), "Unassigned");
        assert_eq!(rules.evaluate(&utm, None, Some("r"), Some("H"), &mut ()), "Hit");
    }

    #[test]
    fn faults_name_rule_and_field() {
        let test = r#"{"field":"traffic_source_source","op":"eq","value":"x"}"#;
        let cases = [
            ("{}".to_owned(), "exactly one of op::and, op::or"),
            (format!(r#"{{"op::and":[{test}],"op::or":[{test}]}}"#), "exactly one of op::and, op::or"),
            (test.to_owned(), "exactly one of op::and, op::or"),
            (r#"{"op::and":[{}]}"#.to_owned(), "exactly one of field"),
            (r#"{"op::and":[{"field":"x","op::or":[]}]}"#.to_owned(), "field=x fault=a condition's item"),
            (r#"{"op::xor":[]}"#.to_owned(), "unknown field `op::xor`"),
            (r#"{"op::and":[{"field":"x","op":"eq","value":"x","note":1}]}"#.to_owned(), "unknown field `note`"),
            (
                r#"{"op::and":[{"field":"source","op":"eq","value":"x"}]}"#.to_owned(),
                "field=source fault=unknown field",
            ),
            (test_with(r#""op":"like","value":"x""#), "unknown op like"),
            (test_with(r#""op":"not_","value":"x""#), "unknown op not_"),
            (test_with(r#""value":"x""#), "op is missing"),
            (test_with(r#""op":"eq""#), "eq needs value"),
            (test_with(r#""op":"not_in","values":[]"#), "not_in needs values"),
            (test_with(r#""op":"in","value":"x""#), "in needs values"),
            (test_with(r#""op":"match","value":"a)(b""#), "match needs value, a regular expression"),
            (test_with(r#""op":"match","value":"(?=a)b""#), "field=traffic_source_source"),
        ];
        for (condition, expected) in cases {
            let message = rule(&condition).unwrap_err().to_string();
            assert!(message.contains("rule=r1") && message.contains(expected), "{condition}: {message}");
        }
    }

    fn test_with(parts: &str) -> String {
        format!(r#"{{"op::and":[{{"field":"traffic_source_source",{parts}}}]}}"#)
    }
}
