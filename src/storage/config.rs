//! How to reach a bucket.

use super::aws::AwsConfig;
use super::encryption::Encryption;
use super::endpoint::endpoint;
use super::storage_class::storage_class;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// How to reach an `s3://` url. What it does not say, the section `aws` says. Credentials are found as by the AWS CLI, never
/// in the job file: in environment variables, in the profile `AWS_PROFILE` (keys, a role, SSO, an external process), or by
/// the role of the container or instance.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// Another server than AWS. Default: that of `aws`, else `AWS_ENDPOINT_URL`. Example: `http://127.0.0.1:8333`
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: Option<String>,
    /// Default: that of `aws`, else `AWS_REGION`, else that of the profile, else `us-east-1`.
    pub region: Option<String>,
    /// `true` puts the bucket in the path, `false` in the host name. Default: in the path where there is an endpoint,
    /// unless its host name begins with the bucket; else in the host name.
    pub path_style: Option<bool>,
    /// `true` sends no credentials, for public buckets.
    pub anonymous: bool,
    /// How S3 encrypts each object that is written, whatever the bucket's default is: `s3` for keys of S3, or
    /// `{kms_key: alias/etl, bucket_key: true}`. Default: the bucket's.
    pub encryption: Option<Encryption>,
    /// The class of what is published: files of tables, their manifests, dead letters. The state has none of its own: its
    /// objects are small and short-lived, and most classes bill a least size and a least time. In `source` it says nothing.
    /// One of `STANDARD`, `STANDARD_IA`, `ONEZONE_IA`, `INTELLIGENT_TIERING`, `GLACIER_IR`, `REDUCED_REDUNDANCY`.
    /// Default: `STANDARD`.
    #[serde(deserialize_with = "storage_class")]
    pub storage_class: Option<String>,
    /// `true` says with each request that its costs are to be billed to who makes it, which buckets of others may ask for.
    pub requester_pays: bool,
    /// The id of the account that the bucket belongs to: S3 refuses each request when it is another's. Default: any.
    /// Example: `"123456789012"`
    #[serde(deserialize_with = "account")]
    pub expected_bucket_owner: Option<String>,
    /// What the job's section `aws` says: it counts where this section says nothing.
    #[serde(skip)]
    pub aws: AwsConfig,
}

/// Refuses at the edge what no account is named.
fn account<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let account: Option<String> = Option::deserialize(deserializer)?;
    let is_id = |id: &String| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
    match account {
        Some(other) if !is_id(&other) => {
            Err(serde::de::Error::custom(format!("`{other}` is no account; its id has 12 digits, as in 123456789012")))
        }
        account => Ok(account),
    }
}

/// The section of the job file that says how a bucket is reached, for messages, and the place of the job that is reached so.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name, such as `source`.
    pub name: &'static str,
    /// Where its endpoint is written, or would be: `job.yaml:4`.
    pub place: String,
    /// The place, under which requests are counted: `state`, where the state is reached as `sink` says.
    pub serves: &'static str,
}

impl Section {
    /// The same for another place, which is reached in the same way.
    #[must_use]
    pub fn serving(self, place: &'static str) -> Self {
        Self { serves: place, ..self }
    }

    /// A setting of its `s3` section, with the place.
    pub(super) fn setting(&self, key: &str) -> String {
        format!("{}.s3.{key} ({})", self.name, self.place)
    }
}
