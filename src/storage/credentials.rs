//! The one chain of credentials, for `object_store` and the SDK: environment variables, profiles (keys, roles, SSO, an
//! external process), web identity, the role of a container, the role of an instance.
//!
//! The chain itself keeps nothing: each request would ask again. [`Kept`] keeps them for all buckets of the process.

use super::answer::text_of;
use super::aws::{AwsConfig, RoleConfig};
use super::class::causes_of;
use crate::process::clock::Clock;
use crate::process::task::run_apart;
use crate::text::remember;
use async_trait::async_trait;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::imds::client::error::{ImdsError, TokenError};
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_s3::error::{ConnectorError, SdkError};
use etl_sdk::{Error, ErrorKind, Result, Retry};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Where buckets are when nothing says so.
const DEFAULT_REGION: &str = "us-east-1";

/// How long finding credentials may take, which is less than `limits.retry.stall`, so that the cause is reported.
const MAX_LOADING: Duration = Duration::from_secs(20);

/// Credentials are replaced this long before they expire.
const FRESH: Duration = Duration::from_mins(5);

/// Time between two attempts to replace credentials that are still good.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(30);

/// What job file, environment and profile say of AWS.
///
/// The environment is that of the process, and so is this: it is loaded once for each section, whose clients share the
/// credentials. Nothing is asked of the network here.
pub(super) fn aws_config(aws: &AwsConfig) -> Result<SdkConfig> {
    static LOADED: Mutex<BTreeMap<AwsConfig, SdkConfig>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = loaded.get(aws) {
        return Ok(known.clone());
    }
    let config = run_apart("read the settings of AWS", async { Ok(load(aws).await) })?;
    Ok(loaded.entry(aws.clone()).or_insert(config).clone())
}

async fn load(aws: &AwsConfig) -> SdkConfig {
    let mut of_profile = ProfileFileRegionProvider::builder();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).identity_cache(IdentityCache::no_cache());
    if let Some(profile) = &aws.profile {
        of_profile = of_profile.profile_name(profile);
        loader = loader.profile_name(profile);
    }
    // Without the instance's region: asking for it takes seconds where there is no instance.
    let region = RegionProviderChain::first_try(aws.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(of_profile.build())
        .or_else(Region::new(DEFAULT_REGION));
    let config = loader.region(region).load().await;
    let Some(chain) = config.credentials_provider() else { return config };
    let chain = match &aws.role {
        Some(role) => SharedCredentialsProvider::new(assumed(role, aws, &config, chain).await),
        None => chain,
    };
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(Kept::new(chain))).build()
}

/// The credentials of a role, which those of `chain` may assume.
async fn assumed(
    role: &RoleConfig,
    aws: &AwsConfig,
    config: &SdkConfig,
    chain: SharedCredentialsProvider,
) -> AssumeRoleProvider {
    let mut base = config.to_builder();
    if let Some(endpoint) = &aws.endpoint {
        base.set_endpoint_url(Some(endpoint.clone()));
    }
    let mut provider = AssumeRoleProvider::builder(&role.arn)
        .session_name(role.session_name.as_deref().unwrap_or("etl-runner"))
        .configure(&base.build());
    if let Some(id) = &role.external_id {
        provider = provider.external_id(id);
    }
    provider.build_from_provider(chain).await
}

/// Credentials that are kept until shortly before they expire.
#[derive(Debug)]
struct Kept {
    chain: SharedCredentialsProvider,
    last: tokio::sync::Mutex<Option<Last>>,
}

#[derive(Debug)]
enum Last {
    Found {
        credentials: Credentials,
        replace_at: Option<SystemTime>,
    },
    /// There never were any, and asking again takes seconds and finds none.
    Missing(Failure),
}

impl Kept {
    fn new(chain: SharedCredentialsProvider) -> Self {
        Self { chain, last: tokio::sync::Mutex::new(None) }
    }

    async fn credentials(&self, now: SystemTime) -> provider::Result {
        let mut last = self.last.lock().await;
        match &*last {
            Some(Last::Found { credentials, replace_at }) if replace_at.is_none_or(|at| now < at) => {
                return Ok(credentials.clone());
            }
            Some(Last::Missing(failure)) => return Err(CredentialsError::provider_error(failure.clone())),
            _ => {}
        }
        let loaded = tokio::time::timeout(MAX_LOADING, self.chain.provide_credentials()).await;
        match loaded.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(MAX_LOADING))) {
            Ok(credentials) => {
                let replace_at = credentials.expiry().map(|expiry| {
                    // Those that are given out for less than that are not asked for with each request either.
                    expiry.checked_sub(FRESH).unwrap_or(now).max(now + BETWEEN_ATTEMPTS).min(expiry)
                });
                *last = Some(Last::Found { credentials: credentials.clone(), replace_at });
                Ok(credentials)
            }
            Err(error) => {
                let failure = Failure::of(&error);
                match &mut *last {
                    Some(Last::Found { credentials, replace_at })
                        if credentials.expiry().is_some_and(|at| now < at) =>
                    {
                        *replace_at = Some(now + BETWEEN_ATTEMPTS);
                        return Ok(credentials.clone());
                    }
                    None if failure.retry == Retry::Never => *last = Some(Last::Missing(failure.clone())),
                    _ => {}
                }
                Err(CredentialsError::provider_error(failure))
            }
        }
    }
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials(Clock::system().now().into()))
    }
}

/// Why there are no credentials.
#[derive(Clone, Debug)]
struct Failure {
    retry: Retry,
    text: String,
}

impl Failure {
    fn of(error: &CredentialsError) -> Self {
        let causes = || causes_of(error);
        let refused = causes().find_map(|cause| is_lasting(cause.downcast_ref::<ImdsError>()?));
        let retry = match (error, refused) {
            (CredentialsError::ProviderTimedOut(_), _) | (_, Some(false)) => Retry::Later,
            _ if causes().any(<dyn StdError>::is::<ConnectorError>) && !is_missing(error) => Retry::Later,
            _ => Retry::Never,
        };
        let text = if is_missing(error) || refused == Some(true) {
            let profile = std::env::var("AWS_PROFILE").unwrap_or_else(|_| "default".to_owned());
            format!(
                "AWS_ACCESS_KEY_ID is not set, profile `{profile}` has no keys, and no role of a container or instance \
                 answered"
            )
        } else {
            text_of(error)
        };
        Self { retry, text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Failure {}

fn is_missing(error: &CredentialsError) -> bool {
    matches!(error, CredentialsError::CredentialsNotLoaded(_))
}

/// Whether the metadata address of instances refuses for good; `None` when it did not answer. Networks that are no
/// instance's have proxies that answer in its place.
fn is_lasting(error: &ImdsError) -> Option<bool> {
    let status = match error {
        ImdsError::ErrorResponse(response) => response.response().status(),
        error => error.source()?.downcast_ref::<SdkError<TokenError>>()?.raw_response()?.status(),
    };
    Some(!status.is_server_error())
}

/// The credentials for a part of the job file, in the form that each client asks for, with failures that name it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    chain: SharedCredentialsProvider,
    user: User,
}

/// The part of the job file that needs credentials, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) enum User {
    /// The bucket of a section; none of a command that has no job file.
    Bucket(Option<&'static str>),
    /// Another service.
    Service(&'static str),
}

impl Told {
    pub(super) fn new(chain: SharedCredentialsProvider, user: User) -> Self {
        Self { chain, user }
    }

    async fn find(&self) -> Result<Credentials> {
        let found = self.chain.provide_credentials().await.map_err(|error| self.explain(&error))?;
        [found.access_key_id(), found.secret_access_key()].into_iter().chain(found.session_token()).for_each(remember);
        Ok(found)
    }

    /// The failure with the section of the job file that it is about, and what to do.
    fn explain(&self, error: &CredentialsError) -> Error {
        let failure = error.source().and_then(|cause| cause.downcast_ref().cloned());
        let failure: Failure = failure.unwrap_or_else(|| Failure::of(error));
        let kind = if failure.retry == Retry::Never { ErrorKind::Permission } else { ErrorKind::Unavailable };
        let ours = Error::new(kind, "find credentials").retry(failure.retry);
        let public = match &self.user {
            User::Bucket(Some(section)) => format!("; {section}.s3.anonymous: true reads a public bucket"),
            User::Bucket(None) => "; anonymous: true reads a public bucket".to_owned(),
            User::Service(_) => String::new(),
        };
        let ours = match &self.user {
            User::Bucket(Some(section)) => ours.with("section", format!("{section}.s3")),
            User::Service(section) => ours.with("section", section),
            User::Bucket(None) => ours,
        };
        ours.source(failure).hint(format!(
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (with SSO, after `aws sso login`), or run \
             with a role{public}"
        ))
    }
}

#[async_trait]
impl CredentialProvider for Told {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        match self.find().await {
            Ok(found) => Ok(Arc::new(AwsCredential {
                key_id: found.access_key_id().to_owned(),
                secret_key: found.secret_access_key().to_owned(),
                token: found.session_token().map(str::to_owned),
            })),
            Err(error) => Err(object_store::Error::Generic { store: "S3", source: Box::new(error) }),
        }
    }
}

impl ProvideCredentials for Told {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.find().await.map_err(CredentialsError::provider_error) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::store_error;
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A chain that answers with the number of the call, or fails.
    #[derive(Debug, Default)]
    struct Counted {
        calls: AtomicU64,
        /// From when the credentials of a call expire; `None` for those that last.
        expires: Option<SystemTime>,
        /// Calls that succeed.
        good: u64,
    }

    impl Counted {
        fn answer(&self) -> provider::Result {
            let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
            if call > self.good {
                return Err(CredentialsError::not_loaded("nothing"));
            }
            Ok(Credentials::new(call.to_string(), "secret", None, self.expires, "test"))
        }
    }

    #[derive(Clone, Debug)]
    struct Chain(Arc<Counted>);

    impl ProvideCredentials for Chain {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(self.0.answer())
        }
    }

    fn kept(good: u64, expires: Option<SystemTime>) -> (Kept, Arc<Counted>) {
        let counted = Arc::new(Counted { expires, good, ..Counted::default() });
        (Kept::new(SharedCredentialsProvider::new(Chain(Arc::clone(&counted)))), counted)
    }

    fn calls(counted: &Counted) -> u64 {
        counted.calls.load(Ordering::Relaxed)
    }

    fn minutes(minutes: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minutes)
    }

    /// The credentials at an instant, by the number of the call they are from.
    async fn at(kept: &Kept, now: SystemTime) -> Option<String> {
        kept.credentials(now).await.ok().map(|found| found.access_key_id().to_owned())
    }

    #[tokio::test]
    async fn credentials_are_asked_for_once_until_they_are_about_to_expire() {
        let (lasting, counted) = kept(9, None);
        for minute in [0, 1, 1_000_000] {
            assert_eq!(at(&lasting, minutes(minute)).await.as_deref(), Some("1"));
        }
        assert_eq!(calls(&counted), 1);

        let (expiring, counted) = kept(9, Some(minutes(60)));
        for (minute, call) in [(0, "1"), (54, "1"), (55, "2")] {
            assert_eq!(at(&expiring, minutes(minute)).await.as_deref(), Some(call), "{minute}");
        }
        assert_eq!(calls(&counted), 2);

        let (brief, counted) = kept(9, Some(minutes(1)));
        for (now, call) in [(minutes(0), "1"), (minutes(0) + BETWEEN_ATTEMPTS, "2")] {
            assert_eq!(at(&brief, now).await.as_deref(), Some(call));
            assert_eq!(at(&brief, now).await.as_deref(), Some(call));
        }
        assert_eq!(calls(&counted), 2);
    }

    #[tokio::test]
    async fn credentials_that_cannot_be_replaced_serve_until_they_expire() {
        let (kept, counted) = kept(1, Some(minutes(60)));
        for (minute, call, asked) in [(0, Some("1"), 1), (56, Some("1"), 2), (56, Some("1"), 2), (57, Some("1"), 3)] {
            assert_eq!(at(&kept, minutes(minute)).await.as_deref(), call, "{minute}");
            assert_eq!(calls(&counted), asked, "{minute}");
        }
        assert_eq!(at(&kept, minutes(60)).await, None);
    }

    #[tokio::test]
    async fn missing_credentials_are_looked_for_once_and_named() {
        let (kept, counted) = kept(0, None);
        let chain = SharedCredentialsProvider::new(kept);
        for (section, named) in
            [(Some("source"), "source.s3.anonymous"), (Some("sink"), "sink.s3.anonymous"), (None, " anonymous")]
        {
            let bucket = Told::new(chain.clone(), User::Bucket(section));
            let error = store_error("list", "s3://b", bucket.get_credential().await.unwrap_err());
            assert_eq!((error.kind(), error.retry_status()), (ErrorKind::Permission, Retry::Never));
            let hint = error.hint_text().unwrap();
            assert!(hint.contains(named) && hint.contains("AWS_PROFILE"), "{hint}");
            assert!(error.to_string().contains("AWS_ACCESS_KEY_ID is not set"), "{error}");
        }
        assert_eq!(calls(&counted), 1);
    }

    #[tokio::test]
    async fn a_chain_that_does_not_answer_may_be_asked_again() {
        let failure = Failure::of(&CredentialsError::provider_timed_out(MAX_LOADING));
        assert_eq!(failure.retry, Retry::Later);
        let unreachable = ConnectorError::io("connection refused".into());
        assert_eq!(Failure::of(&CredentialsError::provider_error(unreachable)).retry, Retry::Later);
        let wrong = Failure::of(&CredentialsError::invalid_configuration("no such key"));
        assert_eq!(wrong.retry, Retry::Never);
        assert!(wrong.text.contains("no such key"), "{wrong}");
    }

    #[tokio::test]
    async fn both_clients_get_the_same_credentials() {
        let (kept, counted) = kept(9, None);
        let bucket = Told::new(SharedCredentialsProvider::new(kept), User::Bucket(None));
        assert_eq!(bucket.get_credential().await.unwrap().key_id, "1");
        assert_eq!(bucket.provide_credentials().await.unwrap().access_key_id(), "1");
        assert_eq!(calls(&counted), 1);
    }
}
