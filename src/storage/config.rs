//! How to reach a bucket.

use schemars::JsonSchema;
use serde::Deserialize;

/// How to reach an `s3://` url. Credentials come from the environment or the task's role, never from the job file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// Another server than AWS. Example: `http://127.0.0.1:8333`
    pub endpoint: Option<String>,
    /// Default: `AWS_REGION`, else `us-east-1`.
    pub region: Option<String>,
    /// `true` puts the bucket in the path instead of the host name; local servers need it.
    pub path_style: bool,
    /// `true` sends no credentials, for public buckets.
    pub anonymous: bool,
}
