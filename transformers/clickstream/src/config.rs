//! Options of the clickstream transformer.

use crate::traffic_source::{AppRules, RuleSet};
use etl_sdk::{BuildContext, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of the clickstream transformer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClickstreamConfig {
    /// Value of the column `project_id`. Example: `acme_web`
    pub project_id: String,
    /// The apps whose events are kept, compared exactly with the event's `app_id`; events of others are filtered.
    /// Example: `[shop, blog]`
    pub app_ids: Vec<String>,
    /// Hours an event may be older than its request; older ones are filtered. Events named `_first_open`,
    /// `_first_visit` or `_profile_set` are always kept. Default: `72`.
    #[serde(default = "default_freshness_hours")]
    pub freshness_hours: u32,
    /// Folder or `s3://bucket/prefix` of traffic source rules: `<app>/traffic_source_category_rule_v1.json` and
    /// `<app>/traffic_source_channel_rule_v1.json`, at any depth. Example: `rules`
    #[serde(default)]
    pub rules: Option<String>,
    /// `true` gives apps without rules of their own the rules that come with the program, `false` none: then they keep
    /// what the client sent. Default: `true`, and `false` with `compat: reference`.
    #[serde(default)]
    pub default_rules: Option<bool>,
    /// Whether the reference's odd results are wanted where better ones are clear; `docs/compatibility.md` has the list.
    /// Default: `default`.
    #[serde(default)]
    pub compat: Compat,
    /// `false` leaves the traffic source columns as the client sent them. Default: `true`.
    #[serde(default = "yes")]
    pub traffic_source: bool,
    /// `true` moves events by the clock difference between client and server when it exceeds ten minutes. Events in
    /// the future are moved in any case. Default: `false`.
    #[serde(default)]
    pub time_shift: bool,
    /// `false` keeps texts longer than their warehouse column takes. Default: `true`.
    #[serde(default = "yes")]
    pub truncate: bool,
    /// Most bytes of one request's decompressed payload; a larger one is a dead letter. Default: `67108864` (64 MiB).
    #[serde(default = "default_payload_bytes")]
    pub payload_bytes: usize,
    /// Deepest nesting of a payload; a deeper one is a dead letter. Default: `200`.
    #[serde(default = "default_depth")]
    pub depth: u32,
}

/// Whose results are wanted where the reference's are odd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// The better ones.
    #[default]
    Default,
    /// Those of clickstream-analytics-on-aws 1.2.0: to compare with its tables, or to go on writing them.
    Reference,
}

impl Compat {
    /// Whether the reference's results are wanted.
    pub fn is_reference(self) -> bool {
        self == Self::Reference
    }
}

impl ClickstreamConfig {
    /// Whether the reference's results are wanted where they are odd.
    pub fn reference(&self) -> bool {
        self.compat.is_reference()
    }

    /// The rules of all apps, read and checked.
    pub fn load_rules(&self, context: &BuildContext) -> Result<RuleSet> {
        let own = match &self.rules {
            Some(place) => RuleSet::read(place, context).map_err(|error| error.with("key", "rules"))?,
            None => RuleSet::default(),
        };
        Ok(if self.uses_default_rules() { own.with_others(AppRules::built_in()?) } else { own })
    }

    /// Whether apps without rules of their own get those that come with the program.
    pub fn uses_default_rules(&self) -> bool {
        self.default_rules.unwrap_or(!self.reference())
    }
}

fn default_freshness_hours() -> u32 {
    72
}

fn default_payload_bytes() -> usize {
    64 << 20
}

fn default_depth() -> u32 {
    200
}

fn yes() -> bool {
    true
}
