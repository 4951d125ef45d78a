//! Signed requests to a web server.

use super::config::{EventKind, WebhookConfig};
use super::detail::Detail;
use super::signature::sign;
use crate::listen::happening::{Happening, What};
use crate::listen::listener::Listener;
use crate::storage::http_client;
use crate::text::remember;
use async_trait::async_trait;
use etl_sdk::{Error, ErrorKind, Result, Retry};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::sleep;

/// Tries of one request, and the time between two.
const ATTEMPTS: u32 = 3;
const BETWEEN: Duration = Duration::from_millis(500);

const TIMESTAMP: HeaderName = HeaderName::from_static("x-etl-runner-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-etl-runner-signature");
/// The same for each try to send the same: the receiver can leave out what it has.
const DELIVERY: HeaderName = HeaderName::from_static("x-etl-runner-delivery");

/// The server that `notify.webhook` names.
pub struct Webhook {
    config: WebhookConfig,
    application: String,
    client: OnceCell<reqwest::Client>,
}

/// The detail of the event, behind a line that chat tools show.
#[derive(Serialize)]
struct Body<'a> {
    text: String,
    #[serde(flatten)]
    detail: &'a Detail,
}

impl Webhook {
    pub fn new(config: &WebhookConfig, job: &str) -> Self {
        Self { config: config.clone(), application: job.to_owned(), client: OnceCell::new() }
    }

    /// The headers of a request with this body.
    fn headers(&self, happening: &Happening, detail: &Detail, body: &[u8]) -> Result<HeaderMap> {
        let value =
            |text: &str| HeaderValue::from_str(text).map_err(|error| Error::internal("write a header").source(error));
        let timestamp = happening.at.timestamp();
        let delivery = format!("{}/{}/{}", detail.job_run_id, detail.event, happening.at.timestamp_millis());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
        headers.insert(DELIVERY, value(&delivery)?);
        if let Some(key) = self.key()? {
            let signature = sign(key.as_bytes(), timestamp, body).unwrap_or_default();
            headers.insert(SIGNATURE, value(&signature)?);
        }
        Ok(headers)
    }

    fn key(&self) -> Result<Option<String>> {
        let Some(name) = &self.config.secret_env else { return Ok(None) };
        let key = std::env::var(name).ok().filter(|key| !key.is_empty()).ok_or_else(|| {
            Error::config("sign a request")
                .with("secret_env", name)
                .hint("set the variable to the key that the receiver knows too")
        })?;
        remember(&key);
        Ok(Some(key))
    }

    async fn send(&self, headers: &HeaderMap, body: &[u8]) -> Result<()> {
        let client = self.client.get_or_try_init(|| async { http_client() }).await;
        let client = client.map_err(|error| Error::internal("make a client").source(error.without_url()))?;
        let request = client.post(self.config.url.0.clone()).headers(headers.clone()).body(body.to_vec());
        let refused = |kind, retry| Error::new(kind, "send a request").with("host", self.host()).retry(retry);
        let answer = request.send().await.map_err(|error| {
            refused(ErrorKind::Unavailable, Retry::Later)
                .source(error.without_url())
                .hint("check notify.webhook.url and the network")
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let may_pass = status.is_server_error() || status.as_u16() == 429;
        let (kind, retry) =
            if may_pass { (ErrorKind::Unavailable, Retry::Later) } else { (ErrorKind::Config, Retry::Never) };
        let hint = if status.is_redirection() {
            "redirects are not followed: name the url that it leads to"
        } else {
            "check notify.webhook.url and the receiver"
        };
        Err(refused(kind, retry).with("status", status.as_u16()).hint(hint))
    }

    fn host(&self) -> &str {
        self.config.url.0.host_str().unwrap_or_default()
    }
}

#[async_trait]
impl Listener for Webhook {
    fn name(&self) -> &'static str {
        "notify.webhook"
    }

    fn hears(&self, what: &What) -> bool {
        EventKind::of(what).is_some_and(|kind| self.config.on.contains(&kind))
    }

    async fn told(&self, happening: &Happening) -> Result<()> {
        let detail = Detail::of(happening, &self.application);
        let body = serde_json::to_vec(&Body { text: happening.text(), detail: &detail })
            .map_err(|error| Error::internal("write a request").source(error))?;
        let headers = self.headers(happening, &detail, &body)?;
        let mut attempt = 1;
        loop {
            match self.send(&headers, &body).await {
                Err(error) if attempt < ATTEMPTS && error.retry_status() == Retry::Later => sleep(BETWEEN).await,
                result => return result,
            }
            attempt += 1;
        }
    }
}
