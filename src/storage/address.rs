//! How one bucket is reached, after the job file, the environment and the profile have had their say.

use super::aws::AwsConfig;
use super::config::{S3Config, Section};
use super::credentials::{self, Told, User};
use super::endpoint::check_endpoint;
use super::headers::{Headers, Signer};
use super::http::{Connector, Dress, Origin};
use crate::text::redact;
use aws_config::SdkConfig;
use etl_sdk::{Error, Result};
use object_store::ClientOptions;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use std::sync::Arc;

/// How a bucket is reached. Both clients are made from it, so that they reach the same one.
pub(super) struct BucketAddress {
    pub(super) bucket: String,
    /// Without the bucket in its host name.
    pub(super) endpoint: Option<String>,
    pub(super) virtual_hosted: bool,
    /// The region, and what else the SDK takes from the environment and the profile.
    pub(super) aws: SdkConfig,
    /// `None` for requests without a signature.
    pub(super) credentials: Option<Told>,
    /// What its requests have in common.
    pub(super) dress: Arc<Dress>,
}

/// A builder of the store's client, and the address that it leads to. `section` is the part of the job file that
/// messages name.
pub(super) fn builder_of(
    bucket: &str,
    s3: &S3Config,
    section: Option<&Section>,
) -> Result<(AmazonS3Builder, BucketAddress)> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(ClientOptions::new().with_allow_http(true));
    if s3.anonymous {
        builder = builder.with_skip_signature(true);
    }
    let region = s3.region.clone().or_else(|| s3.aws.region.clone());
    let aws = credentials::aws_config(&AwsConfig { region, ..s3.aws.clone() })?;
    if let Some(region) = aws.region() {
        builder = builder.with_region(region.as_ref());
    }
    let from_environment = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    let endpoint = s3
        .endpoint
        .clone()
        .or_else(|| s3.aws.endpoint.clone())
        .or(from_environment)
        .or_else(|| aws.endpoint_url().map(str::to_owned));
    if let Some(endpoint) = &endpoint {
        check_endpoint(endpoint)
            .map_err(|hint| Error::config("read an endpoint").with("endpoint", redact(endpoint)).hint(hint))?;
        // The key of the variable for S3 alone, which would be taken before any other.
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    let is_set = |key| {
        let value: Option<String> = builder.get_config_value(&key);
        value.is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    };
    let virtual_hosted = match (s3.path_style, &endpoint) {
        (Some(path_style), _) => !path_style,
        (None, Some(endpoint)) => {
            names_bucket(endpoint, bucket) || is_set(AmazonS3ConfigKey::VirtualHostedStyleRequest)
        }
        (None, None) => true,
    };
    let credentials = if is_set(AmazonS3ConfigKey::SkipSignature) {
        None
    } else {
        aws.credentials_provider().map(|chain| Told::new(chain, User::Bucket(section.map(|section| section.name))))
    };
    let elsewhere = if s3.aws.endpoint.is_some() { "aws.endpoint" } else { "AWS_ENDPOINT_URL" };
    let origin = Origin::new(section, s3.endpoint.is_some(), endpoint.as_ref().map(|_| elsewhere));
    let signer = credentials.clone().map(|credentials| Signer { credentials, region: region_of(&aws) });
    let place = section.map_or("other", |section| section.serves);
    let dress = Arc::new(Dress { place, headers: Headers::new(s3)?, signer });
    builder = builder
        .with_virtual_hosted_style_request(virtual_hosted)
        .with_http_connector(Connector::new(origin, Arc::clone(&dress)));
    if let Some(credentials) = &credentials {
        builder = builder.with_credentials(Arc::new(credentials.clone()));
    }
    let endpoint = endpoint.map(|endpoint| without_bucket(endpoint, bucket, virtual_hosted));
    Ok((builder, BucketAddress { bucket: bucket.to_owned(), endpoint, virtual_hosted, aws, credentials, dress }))
}

fn region_of(aws: &SdkConfig) -> String {
    aws.region().map(ToString::to_string).unwrap_or_default()
}

/// Whether the host name of an endpoint begins with the bucket, as in `https://acme.s3.test`.
fn names_bucket(endpoint: &str, bucket: &str) -> bool {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, host)| host);
    host.strip_prefix(bucket).is_some_and(|rest| rest.starts_with('.'))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn address(s3: &S3Config) -> BucketAddress {
        builder_of("acme", s3, None).unwrap().1
    }

    #[test]
    fn the_job_file_decides() {
        let s3 = S3Config {
            endpoint: Some("http://127.0.0.1:1".to_owned()),
            region: Some("eu-west-1".to_owned()),
            ..S3Config::default()
        };
        let path_style = address(&s3);
        assert_eq!(path_style.endpoint.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(path_style.aws.region().map(AsRef::as_ref), Some("eu-west-1"));
        assert!(!path_style.virtual_hosted && path_style.credentials.is_some());
        assert!(address(&S3Config { anonymous: true, ..s3 }).credentials.is_none());
    }

    #[test]
    fn the_sdk_gets_the_endpoint_without_the_bucket() {
        let hosted = |endpoint: &str| {
            let path_style = Some(false);
            let address = address(&S3Config { endpoint: Some(endpoint.to_owned()), path_style, ..S3Config::default() });
            (address.endpoint.unwrap(), address.virtual_hosted)
        };
        assert_eq!(hosted("https://acme.s3.test"), ("https://s3.test".to_owned(), true));
        assert_eq!(hosted("https://acmes3.test"), ("https://acmes3.test".to_owned(), true));
    }

    #[test]
    fn the_bucket_is_in_the_path_where_there_is_an_endpoint() {
        let hosted = |endpoint: Option<&str>, path_style: Option<bool>| {
            let endpoint = endpoint.map(str::to_owned);
            address(&S3Config { endpoint, path_style, ..S3Config::default() }).virtual_hosted
        };
        let local = Some("http://127.0.0.1:1");
        assert!(!hosted(local, None) && !hosted(Some("https://acmes3.test"), None));
        assert!(hosted(local, Some(false)) && hosted(Some("https://acme.s3.test"), None));
        assert!(hosted(None, None) && !hosted(None, Some(true)));
    }

    #[test]
    fn an_endpoint_needs_a_scheme_and_a_host_alone() {
        for wrong in [
            "127.0.0.1:5977",
            "localhost",
            "s3://x",
            "http://",
            "",
            "http:///",
            "http://:9000",
            "http://a b",
            "http://a:99999",
            "http://[::1",
            "http://h\u{f6}st",
            "http://name:secret@host",
            "https://host/?list-type=2",
            "http://host#x",
        ] {
            assert!(check_endpoint(wrong).is_err(), "{wrong}");
            let s3 = S3Config { endpoint: Some(wrong.to_owned()), ..S3Config::default() };
            let error = builder_of("acme", &s3, None).err().unwrap();
            assert_eq!(error.kind(), etl_sdk::ErrorKind::Config);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(check_endpoint("https://s3.test/below").is_ok() && check_endpoint("http://[::1]:9000/").is_ok());
    }
}
