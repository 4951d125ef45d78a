//! The `with` section of an `ip-geo` step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Options of `ip-geo`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The database, a file in the MMDB format (`.mmdb`), relative to the job file's folder:
    /// `data/GeoLite2-City.mmdb`. It is mapped into memory: replace it by renaming a new file over it, never by writing
    /// into it during a run. No default.
    pub database: PathBuf,
    /// Text column that holds the address, or a list of addresses (`X-Forwarded-For`) whose first public one counts.
    /// Default: `ip`.
    #[serde(default = "default_input")]
    pub input: String,
    /// Whether addresses are read as the reference reads them: the first of a list alone, as Java reads the text of one.
    /// Default: `default`.
    #[serde(default)]
    pub compat: Compat,
    /// The columns to fill. A value that the database lacks leaves what the column holds.
    #[serde(default)]
    pub output: OutputColumns,
    /// Addresses whose place each worker remembers; an entry takes 150 to 400 bytes. Default: 32768.
    #[serde(default = "default_cache_entries")]
    #[schemars(range(min = 2, max = 16_777_216))]
    pub cache_entries: usize,
}

/// Whose reading of addresses is wanted where the reference's is odd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// The better one.
    #[default]
    Default,
    /// That of clickstream-analytics-on-aws 1.2.0.
    Reference,
}

/// Names of the columns to fill; `null` leaves one out. Missing columns are added at the table's end.
// Serialize is for the JSON Schema, which shows the defaults.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputColumns {
    /// Continent, in English: `Europe`. Flat databases hold none. Default: `geo_continent`.
    pub continent: Option<String>,
    /// Country, in English: `United Kingdom`. Flat databases hold the ISO code: `GB`. Default: `geo_country`.
    pub country: Option<String>,
    /// City, in English: `London`. Default: `geo_city`.
    pub city: Option<String>,
    /// First subdivision of the country, in English: `England`. Default: `null`; usual name: `geo_region`.
    pub region: Option<String>,
    /// Metro code of the United States, as text: `819`. Default: `null`; usual name: `geo_metro`.
    pub metro: Option<String>,
}

impl Default for OutputColumns {
    fn default() -> Self {
        Self {
            continent: Some("geo_continent".into()),
            country: Some("geo_country".into()),
            city: Some("geo_city".into()),
            region: None,
            metro: None,
        }
    }
}

fn default_input() -> String {
    "ip".into()
}

fn default_cache_entries() -> usize {
    32_768
}
