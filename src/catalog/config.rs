//! The `catalog` section of the job file.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Who is told of the tables and their partitions, with every commit.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogConfig {
    /// The Glue Data Catalog, which Athena, EMR and Redshift Spectrum read. Default: none.
    pub glue: Option<GlueConfig>,
}

/// The Glue Data Catalog. Tables are made and grow by themselves; columns are never taken away and types never changed.
/// Every partition that a commit writes is registered, and one that becomes empty is removed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GlueConfig {
    /// Name of the database: small letters, digits and underscores. Example: `clickstream`
    #[serde(deserialize_with = "database")]
    pub database: String,
    /// `false` tells the catalog nothing, for a job file that is tried on a laptop. Default: `true`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What stands before the names of tables, where several jobs share a database. Default: nothing.
    #[serde(default)]
    pub table_prefix: String,
    /// The account whose catalog it is. Default: that of the credentials.
    #[serde(default)]
    pub catalog_id: Option<String>,
    /// `false` takes a database that is not there for an error instead of making it. Default: `true`.
    #[serde(default = "yes")]
    pub create_database: bool,
    /// Partitions that Athena works out from the query instead of looking them up; those in the catalog are registered all
    /// the same, for other readers. Default: none.
    #[serde(default)]
    pub projection: Option<ProjectionConfig>,
    /// A table over the raw batches of the source. Default: none.
    #[serde(default)]
    pub raw_table: Option<RawTableConfig>,
}

/// Partition projection of Athena. Years, months, days and hours are ranges of numbers; what a column's value decides is a
/// list of values, or must be in each query.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectionConfig {
    /// First and last year. Default: `[2020, 2040]`.
    pub years: Option<[u16; 2]>,
    /// The values of partition columns that take a column's value; one that is not named must be compared with a value in
    /// each query. Example: `{partition_app: [shop, blog]}`
    pub values: BTreeMap<String, Vec<String>>,
}

/// A table over the raw batches, one JSON object per line, by the hours of the source's paths.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawTableConfig {
    /// Its name. Default: `ingestion_events`.
    pub name: String,
    /// `true` has Athena work out the hours from the query; no partition is registered. Default: `false`.
    pub projection: bool,
}

impl Default for RawTableConfig {
    fn default() -> Self {
        Self { name: "ingestion_events".to_owned(), projection: false }
    }
}

fn yes() -> bool {
    true
}

fn database<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let fits = (1..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let wrong = "a database is named with small letters, digits and underscores, which all its readers take";
    if fits { Ok(name) } else { Err(serde::de::Error::custom(wrong)) }
}
