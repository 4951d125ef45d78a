//! Where a visit came from: source, medium, campaign and the rest, by the page URL's parameters, the referrers and two
//! rule files per app.
//!
//! Everything here is a pure function of its arguments. Results repeat a lot; whoever calls keeps them.

use std::fmt;

mod category;
mod channel;
mod notes;
mod resolve;
mod rules;
mod utm;

pub use notes::{Note, Witness};
pub use resolve::{Visit, resolve, resolve_from_url};
pub use rules::{AppRules, RuleSet};
pub use utm::utm_from_url;

/// What is known of a visit's origin. The first eight fields can come from the client or from a URL, the last two
/// are worked out by rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrafficSource {
    /// `Google`, `newsletter`, a host, or `Direct`.
    pub source: Option<String>,
    /// `cpc`, `email`; in parentheses when it was inferred: `(Organic)`; or `None`, the word.
    pub medium: Option<String>,
    /// `utm_campaign`, or `Direct`.
    pub campaign: Option<String>,
    /// `utm_content`.
    pub content: Option<String>,
    /// `utm_term`, or the words searched for.
    pub term: Option<String>,
    /// `utm_id`.
    pub campaign_id: Option<String>,
    /// `utm_source_platform`.
    pub clid_platform: Option<String>,
    /// A click id: `{"type":"gclid","value":"…"}`.
    pub clid: Option<String>,
    /// The channel of the first rule that matches.
    pub channel_group: Option<String>,
    /// `Search`, `Social`, …; `Unassigned`; or `Direct`.
    pub category: Option<String>,
}

/// The ten values with the ends of their columns' names, in the order all tables have them.
pub fn columns(source: &TrafficSource) -> [(&'static str, Option<&str>); 10] {
    [
        ("source", &source.source),
        ("medium", &source.medium),
        ("campaign", &source.campaign),
        ("content", &source.content),
        ("term", &source.term),
        ("campaign_id", &source.campaign_id),
        ("clid_platform", &source.clid_platform),
        ("clid", &source.clid),
        ("channel_group", &source.channel_group),
        ("category", &source.category),
    ]
    .map(|(column, value)| (column, value.as_deref()))
}

/// Why the reference gives an event up where the rules cannot go on. By default nothing is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A parameter of a URL is there and has no value.
    EmptyParameter(String),
    /// The referrer is `scheme://` and nothing more.
    SchemeAlone,
    /// The client sent a source and its app has no rules.
    NoRules,
}

impl Refusal {
    /// Reason code of the dead letter.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::EmptyParameter(_) => "empty_parameter",
            Self::SchemeAlone => "referrer_without_host",
            Self::NoRules => "no_rules",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyParameter(name) => write!(f, "the parameter `{name}` of a url is empty"),
            Self::SchemeAlone => f.write_str("the referrer is a scheme alone"),
            Self::NoRules => f.write_str("the client sent a source and its app has no rules"),
        }
    }
}

/// Neither a category nor a channel was found.
const UNASSIGNED: &str = "Unassigned";

#[cfg(test)]
mod tests;
