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
    /// `true` puts the bucket in the path, `false` in the host name. Default: in the path where there is an endpoint,
    /// unless its host name begins with the bucket; else in the host name.
    pub path_style: Option<bool>,
    /// `true` sends no credentials, for public buckets.
    pub anonymous: bool,
}

/// The section of the job file that says how a bucket is reached, for messages.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name, such as `source`.
    pub name: &'static str,
    /// Where its endpoint is written, or would be: `job.yaml:4`.
    pub place: String,
}

impl Section {
    /// A setting of its `s3` section, with the place.
    pub(super) fn setting(&self, key: &str) -> String {
        format!("{}.s3.{key} ({})", self.name, self.place)
    }
}

/// Refuses at the edge what would fail at the first request.
fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let endpoint: Option<String> = Option::deserialize(deserializer)?;
    match endpoint.as_deref().map(check_endpoint) {
        Some(Err(wrong)) => Err(D::Error::custom(wrong)),
        _ => Ok(endpoint),
    }
}

/// What is wrong with the text of an endpoint. The text itself may hold a password, and is not part of it.
pub(super) fn check_endpoint(endpoint: &str) -> Result<(), &'static str> {
    let rest = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
    let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
        return Err("an endpoint begins with http:// or https://, as in http://127.0.0.1:8333");
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return Err(
            "an endpoint holds no name and no password: credentials come from the environment, a profile or a role",
        );
    }
    if rest.contains(['?', '#']) {
        return Err("an endpoint ends with the host, the port or a path: it has no `?` and no `#`");
    }
    // What the client would only find out at its first request, by a panic.
    let is_odd = |byte: u8| !byte.is_ascii_graphic() || br#""<>\^`{|}"#.contains(&byte);
    if rest.bytes().any(is_odd) || reqwest::Url::parse(endpoint).is_err() {
        return Err("an endpoint is a host with or without a port, as in http://127.0.0.1:8333");
    }
    Ok(())
}
