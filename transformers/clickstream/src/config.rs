//! Options of the clickstream transformer.

use crate::compat::Compat;
use crate::source::Sources;
use crate::traffic_source::{AppRules, RuleSet};
use etl_sdk::{BuildContext, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// Options of the clickstream transformer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "switches that do not depend on each other")]
pub struct ClickstreamConfig {
    /// Value of the column `project_id`. Example: `acme_web`
    pub project_id: String,
    /// The apps of the SDKs whose events are kept, compared exactly with the event's `app_id`; events of others are
    /// filtered. Example: `[shop, blog]`
    pub app_ids: Vec<String>,
    /// The program that sends the payloads: `sdk` (of the clickstream solution), `gtm` (Google Tag Manager, server side)
    /// or `sensors` (Sensors Analytics); or one by the request's `appId`. Events of `gtm` and `sensors` have the time of
    /// their request and are kept whatever their age and app. Default: `sdk`.
    /// Example: `{default: sdk, apps: {web-shop: gtm, old-app: sensors}}`
    #[serde(default)]
    pub source: Sources,
    /// Hours an event may be older than its request; older ones are filtered. Events named `_first_open`,
    /// `_first_visit` or `_profile_set` are always kept. Default: `72`.
    #[serde(default = "default_freshness_hours")]
    #[schemars(range(min = 1))]
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
    /// Keeps the first of several events of an app with one `event_id`. Rows then pass through a sort, which costs more
    /// than reading them. Default: every event is a row, as in the reference. Example: `{look_back_hours: 24}`
    #[serde(default)]
    pub unique_events: Option<UniqueEvents>,
    /// Days for which users are carried from run to run: the first visit, the first source and the latest properties of a
    /// user that was not met for so long are forgotten. `0` makes users of one run's events alone. Default: `180`.
    #[serde(default = "default_user_days")]
    #[schemars(range(max = 36_500))]
    pub user_days: u32,
    /// Days for which sessions are carried from run to run, so that one that spans runs has one source. `0` makes sessions
    /// of one run's events alone. Default: `7`, and `0` with `compat: reference`.
    #[serde(default)]
    #[schemars(range(max = 36_500))]
    pub session_days: Option<u32>,
    /// Most bytes of one request's decompressed payload; a larger one is a dead letter. Default: `67108864` (64 MiB).
    #[serde(default = "default_payload_bytes")]
    #[schemars(range(min = 2))]
    pub payload_bytes: usize,
    /// Deepest nesting of a payload; a deeper one is a dead letter. Default: `200`.
    #[serde(default = "default_depth")]
    #[schemars(range(min = 1))]
    pub depth: u32,
}

/// Where an event's id must be new.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniqueEvents {
    /// Also in the windows up to so many hours before and after the run's. Default: `0`, in the run's window alone.
    #[serde(default)]
    pub look_back_hours: u32,
}

impl ClickstreamConfig {
    /// Whether the reference's results are wanted where they are odd.
    pub fn reference(&self) -> bool {
        self.compat.is_reference()
    }

    /// See [`ClickstreamConfig::session_days`].
    pub(crate) fn days_of_sessions(&self) -> u32 {
        self.session_days.unwrap_or(if self.reference() { 0 } else { 7 })
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

fn default_user_days() -> u32 {
    180
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
