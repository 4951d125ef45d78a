//! Clients of AWS services for listeners.

use crate::storage::AwsConfig;
use aws_config::SdkConfig;
use etl_sdk::Result;
use tokio::sync::OnceCell;

/// Tries of one call; the listener's patience is short.
const ATTEMPTS: u32 = 3;

/// A client that is made when it is first used.
pub(super) struct LazyClient<C> {
    aws: AwsConfig,
    section: &'static str,
    make: fn(&SdkConfig) -> C,
    client: OnceCell<C>,
}

impl<C> LazyClient<C> {
    /// `section` of the job file is named in messages.
    pub(super) fn new(aws: &AwsConfig, section: &'static str, make: fn(&SdkConfig) -> C) -> Self {
        Self { aws: aws.clone(), section, make, client: OnceCell::new() }
    }

    pub(super) async fn get(&self) -> Result<&C> {
        let make = || async { Ok((self.make)(&self.aws.sdk_config(self.section, ATTEMPTS)?)) };
        self.client.get_or_try_init(make).await
    }
}
