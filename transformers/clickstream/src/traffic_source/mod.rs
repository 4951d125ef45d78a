//! Where a visit came from: source, medium, campaign and the rest, by the page URL's parameters, the referrers and two
//! rule files per app.
//!
//! Everything here is a pure function of its arguments. Results repeat a lot; whoever calls keeps them.

mod category;
mod channel;
mod resolve;
mod rules;
mod utm;

pub use resolve::{resolve, resolve_from_url};
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

/// Neither a category nor a channel was found.
const UNASSIGNED: &str = "Unassigned";

#[cfg(test)]
mod tests;
