//! How to reach a bucket.

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// How to reach an `s3://` url. Credentials are found as by the AWS CLI, never in the job file: in environment
/// variables, in the profile `AWS_PROFILE` (keys, a role, SSO, an external process), or by the role of the container or
/// instance.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// Another server than AWS. Default: `AWS_ENDPOINT_URL`. Example: `http://127.0.0.1:8333`
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: Option<String>,
    /// Default: `AWS_REGION`, else that of the profile, else `us-east-1`.
    pub region: Option<String>,
    /// `true` puts the bucket in the path instead of the host name; local servers need it.
    pub path_style: bool,
    /// `true` sends no credentials, for public buckets.
    pub anonymous: bool,
}

/// Refuses at the edge what would fail at the first request.
fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let endpoint: Option<String> = Option::deserialize(deserializer)?;
    match endpoint.as_deref().map(check_endpoint) {
        Some(Err(wrong)) => Err(D::Error::custom(wrong)),
        _ => Ok(endpoint),
    }
}

/// What is wrong with the text of an endpoint.
pub(super) fn check_endpoint(endpoint: &str) -> Result<(), &'static str> {
    let host = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() => Ok(()),
        _ => Err("an endpoint begins with http:// or https://, as in http://127.0.0.1:8333"),
    }
}
