//! The S3 SDK's client, for the calls that `object_store` does not have. It reaches the bucket as the store does: same
//! endpoint, same region, same credentials.

use crate::storage::store::{Storage, StorageKind};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::{Client, config};
use etl_sdk::{Error, Result};
use std::time::Duration;

/// A client for a bucket, and the bucket's name. It tries again by itself, as often as [`Storage::retry`] says. Fails when
/// the storage is a folder.
pub fn sdk_client(storage: &Storage) -> Result<(Client, String)> {
    let StorageKind::Bucket(bucket) = storage.kind() else {
        return Err(Error::internal("make a client for a bucket").with("url", storage.url()));
    };
    let address = &bucket.address;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_mins(1))
        .build();
    let mut config = config::Builder::from(&address.aws)
        .force_path_style(!address.virtual_hosted)
        .retry_config(RetryConfig::standard().with_max_attempts(storage.retry().attempts))
        .timeout_config(timeouts);
    config.set_endpoint_url(address.endpoint.clone());
    let config = match &address.credentials {
        Some(credentials) => config.credentials_provider(credentials.clone()),
        None => config.allow_no_auth(),
    };
    Ok((Client::from_conf(config.build()), address.bucket.clone()))
}
