//! Which program sent an app's payloads.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// A program whose payloads are understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The SDKs of the clickstream solution.
    #[default]
    Sdk,
    /// Google Tag Manager, server side.
    Gtm,
    /// Sensors Analytics.
    Sensors,
}

/// The source of every app: one for all, or one by app.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Sources {
    // First, so that `explain` shows its keys.
    /// By app.
    ByApp(SourcesByApp),
    /// Of all apps.
    All(Source),
}

/// A source for some apps, and one for the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourcesByApp {
    /// Source of the apps that are not named. Default: `sdk`.
    #[serde(default)]
    pub default: Source,
    /// Source by the request's `appId`. Example: `{web-shop: gtm, old-app: sensors}`
    #[serde(default)]
    pub apps: BTreeMap<String, Source>,
}

impl Default for Sources {
    fn default() -> Self {
        Self::All(Source::default())
    }
}

impl Sources {
    /// The source of an app's requests.
    pub fn of(&self, app_id: &str) -> Source {
        match self {
            Self::All(source) => *source,
            Self::ByApp(by_app) => by_app.apps.get(app_id).copied().unwrap_or(by_app.default),
        }
    }

    /// Whether any app can have the source.
    pub fn any(&self, source: Source) -> bool {
        match self {
            Self::All(all) => *all == source,
            Self::ByApp(by_app) => by_app.default == source || by_app.apps.values().any(|app| *app == source),
        }
    }
}

/// By hand, so that an error names the place and the values that fit, which an untagged enum cannot.
impl<'de> Deserialize<'de> for Sources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourcesVisitor)
    }
}

struct SourcesVisitor;

impl<'de> Visitor<'de> for SourcesVisitor {
    type Value = Sources;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`sdk`, `gtm`, `sensors`, or a map with `default` and `apps`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Sources, E> {
        Source::deserialize(StrDeserializer::new(name)).map(Sources::All)
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Sources, M::Error> {
        SourcesByApp::deserialize(MapAccessDeserializer::new(map)).map(Sources::ByApp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: serde_json::Value) -> Result<Sources, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn one_for_all_or_one_by_app() {
        assert_eq!(read(json!("gtm")).unwrap().of("any"), Source::Gtm);
        let mixed = read(json!({"default": "gtm", "apps": {"old": "sensors", "new": "sdk"}})).unwrap();
        let of = ["old", "new", "Old", ""].map(|app| mixed.of(app));
        assert_eq!(of, [Source::Sensors, Source::Sdk, Source::Gtm, Source::Gtm]);
        assert_eq!(read(json!({"apps": {"a": "gtm"}})).unwrap().of("b"), Source::Sdk);
        assert!(mixed.any(Source::Sdk));
        assert!(!read(json!({"default": "gtm"})).unwrap().any(Source::Sdk));
        assert_eq!(Sources::default().of("a"), Source::Sdk);
    }

    #[test]
    fn what_is_no_source_is_told_with_what_is_one() {
        for (value, part) in [
            (json!("ga4"), "unknown variant `ga4`, expected one of `sdk`, `gtm`, `sensors`"),
            (json!({"apps": {"a": "ga4"}}), "unknown variant `ga4`"),
            (json!({"app": {}}), "unknown field `app`, expected `default` or `apps`"),
            (json!(5), "expected `sdk`, `gtm`, `sensors`, or a map with `default` and `apps`"),
        ] {
            let error = read(value.clone()).unwrap_err();
            assert!(error.contains(part), "{value}: {error}");
        }
    }
}
