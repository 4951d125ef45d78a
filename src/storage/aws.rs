//! How AWS is reached: region, endpoint, profile and role, one section of the job file for all services.

use super::endpoint::endpoint;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// How AWS is reached, for all its services; the `s3` sections of source, sink, state and dead letters go before it.
/// Credentials are found as by the AWS CLI, never in the job file: in environment variables, in a profile (keys, a role,
/// SSO, an external process), by web identity, or by the role of the container or instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AwsConfig {
    /// Default: `AWS_REGION`, else that of the profile, else `us-east-1`.
    pub region: Option<String>,
    /// Another server than AWS, for all services. Default: `AWS_ENDPOINT_URL`. Example: `http://127.0.0.1:5000`
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: Option<String>,
    /// A profile of `~/.aws/config`. Default: `AWS_PROFILE`.
    pub profile: Option<String>,
    /// A role that is assumed with those credentials. Default: none.
    pub role: Option<RoleConfig>,
}

/// A role that is assumed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleConfig {
    /// Its ARN: `arn:aws:iam::123456789012:role/etl`.
    #[serde(deserialize_with = "role_arn")]
    pub arn: String,
    /// What its trust policy asks for as `sts:ExternalId`. Default: none.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The name of the session in logs of the account. Default: `etl-runner`.
    #[serde(default)]
    pub session_name: Option<String>,
}

/// Refuses at the edge what the service would refuse at the first call.
fn role_arn<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let arn = String::deserialize(deserializer)?;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let is_role = parts.len() == 6 && parts[0] == "arn" && parts[2] == "iam" && parts[5].starts_with("role/");
    if is_role {
        Ok(arn)
    } else {
        Err(D::Error::custom("a role is named by its ARN, as in arn:aws:iam::123456789012:role/etl"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_named_by_its_arn() {
        let read = |arn: &str| serde_json::from_value::<RoleConfig>(serde_json::json!({"arn": arn}));
        assert!(read("arn:aws:iam::123456789012:role/path/etl").is_ok() && read("arn:aws-cn:iam::1:role/etl").is_ok());
        for wrong in ["etl", "arn:aws:iam::123456789012:user/etl", "arn:aws:sts::1:role/etl", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
