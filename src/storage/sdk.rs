//! The S3 SDK's client, for the calls that `object_store` does not have. It reaches the bucket as the store does: same
//! endpoint, same region, same credentials, same headers. Its requests are counted with the store's.

use super::http::Dress;
use super::operation::Operation;
use crate::process::traffic::{Answered, Call, Request};
use crate::process::usage;
use crate::storage::store::{Storage, StorageKind};
use aws_sdk_s3::config::interceptors::{
    BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::{Client, config};
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use etl_sdk::{Error, Result};
use std::sync::Arc;
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
        .timeout_config(timeouts)
        .interceptor(Dressed(Arc::clone(&address.dress)));
    config.set_endpoint_url(address.endpoint.clone());
    let config = match &address.credentials {
        Some(credentials) => config.credentials_provider(credentials.clone()),
        None => config.allow_no_auth(),
    };
    Ok((Client::from_conf(config.build()), address.bucket.clone()))
}

/// Gives requests their headers before they are signed, and counts each attempt.
#[derive(Debug)]
struct Dressed(Arc<Dress>);

/// The attempt that is under way.
#[derive(Debug)]
struct Attempt(Request);

impl Storable for Attempt {
    type Storer = StoreReplace<Self>;
}

type Done = std::result::Result<(), BoxError>;

impl Intercept for Dressed {
    fn name(&self) -> &'static str {
        "Dressed"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Done {
        let request = context.request_mut();
        let operation = operation_of(request);
        let headers = request.headers_mut();
        for (name, value) in self.0.headers.of(operation) {
            headers.try_insert(*name, value.to_str()?.to_owned())?;
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Done {
        let request = context.request();
        let call = Call { place: self.0.place, operation: operation_of(request).name() };
        let bytes = request.body().content_length().unwrap_or(0);
        bag.interceptor_state().store_put(Attempt(usage::request(call, bytes)));
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Done {
        let Some(Attempt(request)) = bag.load::<Attempt>() else { return Ok(()) };
        match context.response() {
            Some(response) => {
                request.answered(Answered::of_status(response.status().as_u16()));
                // It was read as a whole, to be understood.
                request.received(response.body().bytes().map_or(0, |bytes| bytes.len() as u64));
            }
            None => request.answered(Answered::Failed),
        }
        Ok(())
    }
}

fn operation_of(request: &config::http::HttpRequest) -> Operation {
    let query = request.uri().split_once('?').map(|(_, query)| query);
    Operation::of(request.method(), query, request.headers().contains_key("x-amz-copy-source"))
}
