//! What all requests of a bucket's store go through. They get the headers that the job wants, and are counted. Redirects are
//! not followed, what a store answers to a failure is cut and cleaned before anything keeps it, listings are looked at before
//! they are believed, and a connection that does not come about is an error that names the address and the setting.

use super::answer;
use super::class::causes_of;
use super::config::Section;
use super::counted::counted;
use super::headers::{Headers, Signer};
use super::keys::{self, OddKeys};
use super::operation::Operation;
use crate::process::traffic::{Answered, Call};
use crate::process::usage;
use crate::text::redact;
use async_trait::async_trait;
use bytes::Bytes;
use etl_sdk::{Error, ErrorKind, Retry};
use futures::TryStreamExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long a connection may take to come about.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one request may take, its body included. A read that takes longer is taken up where it was.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);

/// Bytes of a page of a listing: a thousand keys of a kibibyte, each byte of them escaped.
const MAX_PAGE_BYTES: usize = 32 << 20;

/// How the server behind a bucket was found, for hints.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// Where its address is set.
    pub(super) setting: Option<String>,
    /// How to have the bucket in the path.
    pub(super) path_style: String,
    /// How to name another region.
    pub(super) region: String,
}

impl Origin {
    /// Of a bucket that `section` says how to reach. `is_written` says that the endpoint is written there; `elsewhere` is
    /// where it is set otherwise, if there is one.
    pub(super) fn new(section: Option<&Section>, is_written: bool, elsewhere: Option<&str>) -> Self {
        let setting = |key: &str, plain: &str| section.map_or_else(|| plain.to_owned(), |section| section.setting(key));
        let endpoint =
            if is_written { Some(setting("endpoint", "the endpoint")) } else { elsewhere.map(str::to_owned) };
        Self {
            setting: endpoint,
            path_style: format!("{}: true", setting("path_style", "s3.path_style")),
            region: setting("region", "the region"),
        }
    }

    fn check(&self) -> String {
        match &self.setting {
            Some(setting) => format!("check {setting} and the network"),
            None => format!("check the network and {}", self.region),
        }
    }
}

/// What the requests of a bucket have in common.
#[derive(Clone, Debug)]
pub(super) struct Dress {
    /// Which place of the job they are counted for.
    pub(super) place: &'static str,
    /// What they say beside what they ask for.
    pub(super) headers: Headers,
    /// `None` for requests without a signature.
    pub(super) signer: Option<Signer>,
}

/// Makes the client of a bucket, once for all its stores.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    origin: Arc<Origin>,
    dress: Arc<Dress>,
    client: Arc<OnceLock<reqwest::Client>>,
}

impl Connector {
    pub(super) fn new(origin: Origin, dress: Arc<Dress>) -> Self {
        Self { origin: Arc::new(origin), dress, client: Arc::default() }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = if let Some(client) = self.client.get() {
            client.clone()
        } else {
            let made =
                client().map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
            self.client.get_or_init(|| made).clone()
        };
        Ok(HttpClient::new(Transport { client, origin: Arc::clone(&self.origin), dress: Arc::clone(&self.dress) }))
    }
}

/// A client that follows no redirect.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    // A redirect would take the session's token to whatever host it names.
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("etl-runner/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .http1_only()
        .build()
}

#[derive(Debug)]
struct Transport {
    client: reqwest::Client,
    origin: Arc<Origin>,
    dress: Arc<Dress>,
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let is_copy = request.headers().contains_key("x-amz-copy-source");
        let operation = Operation::of(request.method().as_str(), request.uri().query(), is_copy);
        let odd_keys = request.extensions().get::<OddKeys>().cloned();
        self.dress.headers.add_to(&mut request, operation, self.dress.signer.as_ref()).await?;
        let call = Call { place: self.dress.place, operation: operation.name() };
        let count = usage::request(call, request.body().content_length() as u64);
        let response = HttpService::call(&self.client, request).await;
        let response = response.map_err(|error| {
            count.answered(Answered::Failed);
            self.explain(error, &host)
        })?;
        count.answered(Answered::of_status(response.status().as_u16()));
        let response = counted(response, count);
        let status = response.status();
        if status.is_redirection() && response.headers().contains_key("location") {
            return Err(ours(HttpErrorKind::Unknown, self.redirected(&response)));
        }
        if !status.is_success() {
            return shortened(response).await;
        }
        match operation {
            Operation::ListObjects => self.listing(response, odd_keys.as_ref()).await,
            _ => Ok(response),
        }
    }
}

impl Transport {
    /// Says of a connection that did not come about what the address is and where it was set.
    fn explain(&self, error: HttpError, host: &str) -> HttpError {
        let is_connect = |error: &HttpError| {
            causes_of(error).filter_map(|cause| cause.downcast_ref::<reqwest::Error>()).any(reqwest::Error::is_connect)
        };
        if !is_connect(&error) {
            return error;
        }
        let failure = Error::new(ErrorKind::Unavailable, format!("connect to {}", redact(host)))
            .source(why_not(&error))
            .hint(format!("{}; then run the same command again, finished tasks are kept", self.origin.check()));
        ours(error.kind(), failure)
    }

    fn redirected(&self, response: &HttpResponse) -> Error {
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.map(|value| answer::cut(&redact(value.split('?').next().unwrap_or_default()), 200))
        };
        let place = match header("x-amz-bucket-region") {
            Some(region) => format!("the bucket is in {region}: set {}", self.origin.region),
            None => self.origin.check(),
        };
        Error::config("answer of the store")
            .with("status", response.status().as_u16())
            .with("location", header("location").unwrap_or_default())
            .source("it sends the request elsewhere, where credentials do not follow")
            .hint(place)
    }

    async fn listing(&self, response: HttpResponse, odd_keys: Option<&OddKeys>) -> Result<HttpResponse, HttpError> {
        let (parts, body) = response.into_parts();
        let (bytes, is_whole) = first_of(body, MAX_PAGE_BYTES).await?;
        if !is_whole {
            let failure = Error::new(ErrorKind::Unavailable, "read a listing")
                .with("bytes", format!("more than {MAX_PAGE_BYTES}"))
                .retry(Retry::Never)
                .hint(format!("no page of a listing is as long: {}", self.origin.check()));
            return Err(ours(HttpErrorKind::Unknown, failure));
        }
        let bytes = match keys::root_of(&bytes) {
            keys::Root::Listing => odd_keys.map_or(Ok(bytes.clone()), |odd| keys::sift(&bytes, odd)),
            keys::Root::Other(what) => Err(self.no_listing(&what)),
            keys::Root::Cut => Err(Error::new(ErrorKind::Unavailable, "read a listing").source("it ends early")),
        };
        let bytes = bytes.map_err(|error| ours(HttpErrorKind::Unknown, error))?;
        Ok(HttpResponse::from_parts(parts, bytes.into()))
    }

    fn no_listing(&self, what: &str) -> Error {
        let failure =
            Error::config("read a listing").source(format!("the answer is no listing of a bucket but {what}"));
        failure.hint(if what.contains("ListAllMyBucketsResult") {
            format!("the bucket's name did not reach the server: set {}", self.origin.path_style)
        } else {
            format!("is there a store at this address? {}", self.origin.check())
        })
    }
}

fn ours(kind: HttpErrorKind, error: Error) -> HttpError {
    HttpError::new(kind, error)
}

/// Why there is no connection, in words that do not depend on libraries where the operating system says it.
fn why_not(error: &(dyn StdError + 'static)) -> String {
    let last = causes_of(error).last().map(ToString::to_string).unwrap_or_default();
    match causes_of(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind).last() {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::TimedOut) => format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()),
        _ if last.contains("elapsed") || last.contains("timed out") => {
            format!("no connection within {} s", CONNECT_TIMEOUT.as_secs())
        }
        _ => last,
    }
}

/// The answer with no more of its body than is kept.
async fn shortened(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (parts, body) = response.into_parts();
    let (bytes, is_whole) = first_of(body, answer::READ_BYTES).await?;
    let text = answer::fit(&String::from_utf8_lossy(&bytes), is_whole);
    Ok(HttpResponse::from_parts(parts, text.into()))
}

/// The first `most` bytes of a body, and whether there are no others.
async fn first_of(body: HttpResponseBody, most: usize) -> Result<(Bytes, bool), HttpError> {
    let mut chunks = body.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        let room = most - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((bytes.into(), false));
        }
    }
    Ok((bytes.into(), true))
}
