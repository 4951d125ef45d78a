//! How S3 encrypts what is written.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

/// How S3 encrypts each object that is written: tables, dead letters, manifests and the state alike.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Encryption {
    /// With keys of S3 (SSE-S3).
    S3,
    /// With a key of KMS (SSE-KMS).
    Kms(KmsEncryption),
}

/// Encryption with a key of KMS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KmsEncryption {
    /// The id of a key, `alias/NAME`, or the ARN of either; another account's key needs the ARN. Example: `alias/etl`
    pub kms_key: String,
    /// `true` lets S3 ask KMS once for many objects, which costs much less; the key's policy and `CloudTrail` then see the
    /// bucket, not each object. `false` never does. Default: as the bucket is set.
    #[serde(default)]
    pub bucket_key: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Name(String),
    Kms(KmsEncryption),
}

impl TryFrom<Written> for Encryption {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Name(name) if name == "s3" => Ok(Self::S3),
            Written::Name(name) => Err(format!("`{name}` is no encryption; write s3 or {{kms_key: alias/etl}}")),
            Written::Kms(kms) if is_key(&kms.kms_key) => Ok(Self::Kms(kms)),
            Written::Kms(kms) => Err(format!(
                "`kms_key` cannot be `{}`; write the id of a key, alias/NAME, or arn:aws:kms:REGION:ACCOUNT:key/ID",
                kms.kms_key
            )),
        }
    }
}

/// By hand: derived, the two forms would be schemas without a name that messages could use.
impl JsonSchema for Encryption {
    fn schema_name() -> Cow<'static, str> {
        "Encryption".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kms = generator.subschema_for::<KmsEncryption>();
        json_schema!({
            "description": "`s3` for keys of S3 (SSE-S3), or a section with a key of KMS (SSE-KMS).",
            "anyOf": [{"type": "string", "const": "s3"}, kms],
        })
    }
}

/// Whether KMS may know a key by this: what it cannot be is refused here, not by the first write of a run.
fn is_key(key: &str) -> bool {
    let is_id = |id: &str| {
        let id = id.strip_prefix("mrk-").unwrap_or(id);
        id.len() >= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    let is_alias = |alias: &str| {
        let name = alias.strip_prefix("alias/").unwrap_or_default();
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte))
    };
    let named = |name: &str| name.strip_prefix("key/").map_or_else(|| is_alias(name), is_id);
    let parts: Vec<&str> = key.split(':').collect();
    match parts[..] {
        [key] => is_alias(key) || is_id(key),
        ["arn", partition, "kms", region, account, name] => {
            partition.starts_with("aws") && !region.is_empty() && !account.is_empty() && named(name)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_as_kms_knows_them() {
        for key in [
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "mrk-1234abcd12ab34cd56ef1234567890ab",
            "alias/etl",
            "alias/aws/s3",
            "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws-cn:kms:cn-north-1:123456789012:alias/etl",
        ] {
            assert!(is_key(key), "{key}");
        }
        for wrong in [
            "",
            "etl",
            "cafe",
            "alias/",
            "alias/a b",
            "key/1234",
            "arn:aws:kms:eu-west-1:1:etl",
            "arn:aws:s3:::b",
            "a\nb",
        ] {
            assert!(!is_key(wrong), "{wrong}");
        }
    }
}
