//! What the clients of AWS services other than S3 are made of.

use super::aws::AwsConfig;
use super::credentials::{self, Told, User};
use super::endpoint::check_endpoint;
use crate::text::redact;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use etl_sdk::{Error, Result};
use std::time::Duration;

impl AwsConfig {
    /// What the clients of all services are made of. They try again by themselves, `attempts` times in all. Nothing is asked
    /// of the network here. `service` is the section of the job file that messages name.
    pub fn sdk_config(&self, service: &'static str, attempts: u32) -> Result<SdkConfig> {
        let config = credentials::aws_config(self)?;
        let endpoint = self.endpoint.clone().or_else(|| config.endpoint_url().map(str::to_owned));
        if let Some(endpoint) = &endpoint {
            check_endpoint(endpoint)
                .map_err(|hint| Error::config("read an endpoint").with("endpoint", redact(endpoint)).hint(hint))?;
        }
        let chain = config.credentials_provider();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_mins(1))
            .build();
        let mut builder = config
            .into_builder()
            .retry_config(RetryConfig::standard().with_max_attempts(attempts))
            .timeout_config(timeouts);
        builder.set_endpoint_url(endpoint);
        builder.set_credentials_provider(
            chain.map(|chain| SharedCredentialsProvider::new(Told::new(chain, User::Service(service)))),
        );
        Ok(builder.build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_file_says_where_and_how() {
        let aws = AwsConfig {
            region: Some("eu-west-1".to_owned()),
            endpoint: Some("http://127.0.0.1:1".to_owned()),
            ..AwsConfig::default()
        };
        let config = aws.sdk_config("catalog", 3).unwrap();
        assert_eq!(config.region().map(AsRef::as_ref), Some("eu-west-1"));
        assert_eq!(config.endpoint_url(), Some("http://127.0.0.1:1"));
    }
}
