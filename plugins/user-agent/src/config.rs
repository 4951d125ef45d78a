//! The `with` section of a `user-agent` step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Options of `user-agent`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// What reads the text: `woothee` (fast, no data) or `uap` (uap-core's rules: finer results, 0.3 s and 60 MB to
    /// start with). Default: `woothee`.
    pub engine: EngineName,
    /// The rules of the `uap` engine, a `regexes.yaml` of uap-core, relative to the job file's folder:
    /// `data/regexes-0.15.0.yaml`. Default: the rules built into the program, named in the run report.
    pub regexes: Option<PathBuf>,
    /// Whether the category follows the reference where it is odd, for `uap`: it takes phones of the brand Cubot for bots.
    /// Default: `default`.
    pub compat: Compat,
    /// Text column with the user agent. What is beyond its first 2,048 bytes is not looked at. Default: `ua`.
    pub input: String,
    /// The columns to fill. What they hold is overwritten, with null where nothing is known.
    pub output: OutputColumns,
    /// User agents whose result each worker remembers; an entry takes about 1 kB, 5 kB at most. Default: 16384.
    #[schemars(range(min = 2, max = 16_777_216))]
    pub cache_entries: usize,
}

/// What reads a user agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// The rules of the Woothee project, in code.
    #[default]
    Woothee,
    /// The rules of uap-core, with the results of its Java parser.
    Uap,
}

/// Whose categories are wanted where the reference's are odd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// The better ones.
    #[default]
    Default,
    /// Those of clickstream-analytics-on-aws 1.2.0.
    Reference,
}

/// Names of the columns to fill; `null` leaves one out. Missing columns are added at the table's end.
// Serialize is for the JSON Schema, which shows the defaults.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputColumns {
    /// Browser: `Mobile Safari`. Default: `device_ua_browser`.
    pub browser: Option<String>,
    /// Browser version: `16.6`. Default: `device_ua_browser_version`.
    pub browser_version: Option<String>,
    /// Operating system: `iOS`. Default: `device_ua_os`.
    pub os: Option<String>,
    /// Operating system version: `16.6.1`. Default: `device_ua_os_version`.
    pub os_version: Option<String>,
    /// Device: `iPhone`. Default: `device_ua_device`.
    pub device: Option<String>,
    /// One of `Bot`, `Mobile`, `Tablet`, `PC`, `Other`. Default: `device_ua_device_category`.
    pub device_category: Option<String>,
    /// Map of text with `string`, the user agent itself, and for `uap` the results as JSON texts under `userAgent`,
    /// `os` and `device`. Default: `device_ua`.
    pub map: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: EngineName::default(),
            regexes: None,
            compat: Compat::default(),
            input: "ua".into(),
            output: OutputColumns::default(),
            cache_entries: 16_384,
        }
    }
}

impl Default for OutputColumns {
    fn default() -> Self {
        Self {
            browser: Some("device_ua_browser".into()),
            browser_version: Some("device_ua_browser_version".into()),
            os: Some("device_ua_os".into()),
            os_version: Some("device_ua_os_version".into()),
            device: Some("device_ua_device".into()),
            device_category: Some("device_ua_device_category".into()),
            map: Some("device_ua".into()),
        }
    }
}
