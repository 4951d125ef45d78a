//! The calls of the catalog, with what to do when one is refused.

use crate::process::stop::Stop;
use crate::storage::retry::persist;
use crate::storage::{AwsConfig, RetryConfig, service_error};
use aws_sdk_glue::Client;
use aws_sdk_glue::error::{ProvideErrorMetadata, SdkError};
use etl_sdk::{Result, Retry};
use std::error::Error as StdError;
use std::future::Future;
use tokio::runtime::Handle;

/// Which catalog it is and how it is reached.
#[derive(Clone, Debug)]
pub struct GlueAddress {
    /// How AWS is reached.
    pub aws: AwsConfig,
    /// How often a call is tried again.
    pub retry: RetryConfig,
    /// Name of the database.
    pub database: String,
    /// The account whose catalog it is; that of the credentials without one.
    pub catalog_id: Option<String>,
    /// Whether a database that is not there is made.
    pub create_database: bool,
}

/// A database of the catalog. Its calls wait for their answers, and are to be made from plain threads.
#[derive(Clone)]
pub struct Glue {
    pub(super) client: Client,
    pub(super) address: GlueAddress,
    pub(super) stop: Stop,
    runtime: Handle,
}

impl Glue {
    /// A client; nothing is asked of the network here.
    pub fn new(address: GlueAddress, runtime: Handle, stop: Stop) -> Result<Self> {
        let config = address.aws.sdk_config("catalog.glue", 1)?;
        Ok(Self { client: Client::new(&config), address, stop, runtime })
    }

    /// Another database, reached in the same way.
    #[must_use]
    pub fn of(&self, database: &str, catalog_id: Option<&str>) -> Self {
        let (database, catalog_id) = (database.to_owned(), catalog_id.map(str::to_owned));
        Self { address: GlueAddress { database, catalog_id, ..self.address.clone() }, ..self.clone() }
    }

    /// Does a call until there is an answer, or its failures do not pass; refusals with the `expected` codes
    /// are answers. What fails here is not to be tried again around it. `table` is what is spoken of.
    pub(super) fn call<T, E, F>(
        &self,
        operation: &'static str,
        table: &str,
        expected: &[&str],
        call: impl Fn() -> F,
    ) -> Result<Result<T, E>>
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let attempt = || async {
            match call().await {
                Ok(answer) => Ok(Ok(answer)),
                Err(SdkError::ServiceError(refused))
                    if expected.iter().any(|code| refused.err().code() == Some(code)) =>
                {
                    Ok(Err(refused.into_err()))
                }
                Err(error) => {
                    let name = format!("{}.{table}", self.address.database);
                    Err(service_error(operation, ("table", &name), &error))
                }
            }
        };
        let answer = self.stop.unless(persist(&self.address.retry, &self.stop, attempt));
        self.runtime.block_on(answer).map_err(|error| error.retry(Retry::Never))
    }
}

/// Refusals that mean that another process was faster: what is there now is looked at.
pub(super) const OVERTAKEN: [&str; 3] =
    ["AlreadyExistsException", "EntityNotFoundException", "ConcurrentModificationException"];

/// The refusal that means that a table, or its database, is not there.
pub(super) const NOT_THERE: [&str; 1] = ["EntityNotFoundException"];
