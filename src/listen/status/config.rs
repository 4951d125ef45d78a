//! The `status` section of the job file.

use crate::text::Span;
use schemars::JsonSchema;
use serde::Deserialize;

/// Where else each run is recorded, for dashboards and the systems that wait for it. It is a mirror: no command reads it.
/// Default: nowhere.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StatusConfig {
    /// A file with the record as JSON: a path, or `s3://bucket/key`, reached as the state is. `{job_id}` in the name
    /// stands for the run, so that each window has its own file; without it the file holds the run that was told last.
    /// Example: `status/{job_id}.json`
    pub file: Option<String>,
    /// A DynamoDB table with an item for each run.
    pub dynamodb: Option<DynamoDbConfig>,
}

/// A DynamoDB table with an item for each run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DynamoDbConfig {
    /// Its name. The key is `job_id` (S); an index on `status` (S) and `updated_at` (S) finds what runs or failed.
    pub table: String,
    /// How long an item is kept after its last change, as the table's time to live on the attribute `ttl` says.
    /// Default: `120d`.
    #[serde(default = "default_ttl")]
    pub ttl: Span,
}

fn default_ttl() -> Span {
    Span { seconds: 120 * 86_400 }
}
