//! The S3 SDK's client, for the calls that `object_store` does not have. It reaches the bucket as the store does: same
//! endpoint, same region, same credentials.

use super::error::{kind_of_code, store_error};
use super::{Storage, StorageKind};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::{Client, Config};
use etl_sdk::{Error, ErrorKind, Result};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use std::error::Error as StdError;
use std::fmt::Debug;
use std::time::Duration;

/// Attempts of one call, the first included.
const ATTEMPTS: u32 = 5;

/// How a bucket is reached, after the job file and the environment have had their say.
pub(super) struct BucketAddress {
    bucket: String,
    endpoint: Option<String>,
    region: String,
    virtual_hosted: bool,
    anonymous: bool,
}

impl BucketAddress {
    pub(super) fn of(builder: &AmazonS3Builder, bucket: &str) -> Self {
        let get = |key| builder.get_config_value(&key);
        let is = |key| get(key).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1");
        let virtual_hosted = is(AmazonS3ConfigKey::VirtualHostedStyleRequest);
        let endpoint = get(AmazonS3ConfigKey::S3Endpoint).or_else(|| get(AmazonS3ConfigKey::Endpoint));
        Self {
            bucket: bucket.to_owned(),
            endpoint: endpoint.map(|endpoint| without_bucket(endpoint, bucket, virtual_hosted)),
            region: get(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_owned()),
            virtual_hosted,
            anonymous: is(AmazonS3ConfigKey::SkipSignature),
        }
    }
}

/// `object_store` takes an endpoint that has the bucket in its host name already, the SDK puts it there itself.
fn without_bucket(endpoint: String, bucket: &str, virtual_hosted: bool) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) if virtual_hosted => {
            match host.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('.')) {
                Some(host) => format!("{scheme}://{host}"),
                None => endpoint,
            }
        }
        _ => endpoint,
    }
}

/// A client for a bucket and the bucket's name. It has the credentials of this moment: make one for each task, not for
/// the life of the process.
///
/// Fails when there are no credentials to be had, and when the storage is a folder.
pub async fn sdk_client(storage: &Storage) -> Result<(Client, String)> {
    let (StorageKind::Bucket(store), Some(address)) = (storage.kind(), &storage.address) else {
        return Err(Error::internal("make a client for a bucket").with("url", storage.url()));
    };
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_mins(1))
        .build();
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(address.region.clone()))
        .force_path_style(!address.virtual_hosted)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts);
    if let Some(endpoint) = &address.endpoint {
        config = config.endpoint_url(endpoint);
    }
    config = if address.anonymous {
        config.allow_no_auth()
    } else {
        let found = store.credentials().get_credential().await;
        let found = found.map_err(|error| store_error("get credentials", storage.url(), error))?;
        let (key, secret, token) = (&found.key_id, &found.secret_key, found.token.clone());
        config.credentials_provider(Credentials::new(key, secret, token, None, "object_store"))
    };
    Ok((Client::from_conf(config.build()), address.bucket.clone()))
}

/// An error of the SDK in our words.
pub fn sdk_error<E, R>(operation: &str, uri: &str, error: SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    let (kind, hint) = error.code().and_then(kind_of_code).unwrap_or((ErrorKind::Unavailable, None));
    let ours = Error::new(kind, operation).with("uri", uri).source(error);
    match hint {
        Some(hint) => ours.hint(hint),
        None => ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_reached_as_the_store_reaches_it() {
        let builder = || AmazonS3Builder::new().with_bucket_name("acme");
        let address = |builder: AmazonS3Builder| {
            let address = BucketAddress::of(&builder, "acme");
            (address.endpoint, address.region, address.virtual_hosted)
        };
        let us = || "us-east-1".to_owned();
        assert_eq!(address(builder()), (None, us(), false));
        let path_style = builder().with_endpoint("http://127.0.0.1:1").with_region("eu-west-1");
        assert_eq!(address(path_style), (Some("http://127.0.0.1:1".to_owned()), "eu-west-1".to_owned(), false));
        let hosted = |endpoint: &str| builder().with_endpoint(endpoint).with_virtual_hosted_style_request(true);
        assert_eq!(address(hosted("https://acme.s3.test")), (Some("https://s3.test".to_owned()), us(), true));
        assert_eq!(address(hosted("https://acmes3.test")), (Some("https://acmes3.test".to_owned()), us(), true));
    }
}
