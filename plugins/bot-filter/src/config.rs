//! The `with` section of a `bot-filter` step.

use schemars::JsonSchema;
use serde::Deserialize;

/// Options of `bot-filter`. Put the step after `user-agent`, which fills the column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Text column that says what sent the event. Default: `device_ua_device_category`.
    pub column: String,
    /// Rows whose column is exactly this, in this case, are dropped; null stays. Default: `Bot`.
    pub value: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { column: "device_ua_device_category".into(), value: "Bot".into() }
    }
}
