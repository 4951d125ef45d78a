//! The `notify` section of the job file.

use crate::listen::happening::What;
use crate::text::{Span, remember};
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Parts of urls that are as long are kept out of what is printed.
const MIN_SECRET: usize = 16;

/// Who is told when runs begin and end. Default: nobody.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NotifyConfig {
    /// Events for rules of Amazon EventBridge.
    pub eventbridge: Option<EventBridgeConfig>,
    /// Messages to a topic of Amazon SNS.
    pub sns: Option<SnsConfig>,
    /// Signed requests to a web server, such as that of a chat tool.
    pub webhook: Option<WebhookConfig>,
    /// A state machine of AWS Step Functions that waits for the command (`.waitForTaskToken`).
    pub step_functions: Option<StepFunctionsConfig>,
}

/// Events for rules of Amazon EventBridge. What a rule for runs of EMR Serverless matches is matched once it names this
/// source: `detail-type`, and in the detail `state`, `jobRunId`, `jobRunName`, `applicationId`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventBridgeConfig {
    /// Name or ARN of the bus. Default: `default`.
    pub bus: String,
    /// Default: `etl-runner`.
    pub source: String,
    /// Default: `EMR Serverless Job Run State Change`. Late data has the type `Late Data Found` instead.
    pub detail_type: String,
    /// `applicationId` of the detail. Default: the job's name.
    pub application_id: Option<String>,
}

impl Default for EventBridgeConfig {
    fn default() -> Self {
        Self {
            bus: "default".to_owned(),
            source: "etl-runner".to_owned(),
            detail_type: "EMR Serverless Job Run State Change".to_owned(),
            application_id: None,
        }
    }
}

/// Messages to a topic of Amazon SNS: the detail of the event as JSON, with the attributes `job`, `event` and `state` for
/// filters of subscriptions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnsConfig {
    /// ARN of the topic.
    pub topic_arn: String,
    /// What is told. Default: everything but `started`.
    #[serde(default = "default_on")]
    pub on: Vec<EventKind>,
}

/// Signed requests to a web server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to: `https://…`, or `http://` to this machine. It is kept out of what is printed: with chat tools it is a secret.
    /// Example: `${CHAT_URL}`
    pub url: HookUrl,
    /// The environment variable with the key of the signature. Default: requests are not signed.
    #[serde(default)]
    pub secret_env: Option<String>,
    /// What is told. Default: everything but `started`.
    #[serde(default = "default_on")]
    pub on: Vec<EventKind>,
}

/// A state machine of AWS Step Functions that waits for the command. Without a token nobody waits, and nothing is sent.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StepFunctionsConfig {
    /// The task's token. Default: that of `task_token_env`.
    pub task_token: Option<String>,
    /// The environment variable with the token. Default: `TASK_TOKEN`.
    pub task_token_env: String,
    /// How often the state machine hears that the command is alive. Default: `30s`.
    pub heartbeat: Span,
}

impl Default for StepFunctionsConfig {
    fn default() -> Self {
        Self { task_token: None, task_token_env: "TASK_TOKEN".to_owned(), heartbeat: Span { seconds: 30 } }
    }
}

/// The token is a secret.
impl fmt::Debug for StepFunctionsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepFunctionsConfig").field("task_token_env", &self.task_token_env).finish_non_exhaustive()
    }
}

/// Kinds of events that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A run begins.
    Started,
    /// Its rows are published.
    Done,
    /// There was no object in its window.
    Empty,
    /// A gate refused to publish.
    Refused,
    /// A run, or the whole command, failed.
    Failed,
    /// It was told to end.
    Stopped,
    /// It is committed, and something is still to be made visible or announced.
    Partly,
    /// Its window was done before.
    Skipped,
    /// Objects arrived in a window that is done.
    LateData,
}

impl EventKind {
    /// The kind of a happening; `None` for one of which nobody is told: that another run holds the window.
    pub fn of(what: &What) -> Option<Self> {
        use crate::listen::happening::Outcome;
        Some(match what {
            What::Started => Self::Started,
            What::CommandFailed => Self::Failed,
            What::LateData { .. } => Self::LateData,
            What::Ended(outcome) => match outcome {
                Outcome::Done => Self::Done,
                Outcome::Empty => Self::Empty,
                Outcome::Refused => Self::Refused,
                Outcome::Failed => Self::Failed,
                Outcome::Stopped => Self::Stopped,
                Outcome::Partly => Self::Partly,
                Outcome::Skipped => Self::Skipped,
                Outcome::Held => return None,
            },
        })
    }
}

fn default_on() -> Vec<EventKind> {
    use EventKind::{Done, Empty, Failed, LateData, Partly, Refused, Skipped, Stopped};
    vec![Done, Empty, Refused, Failed, Stopped, Partly, Skipped, LateData]
}

/// The url of a webhook, whose path may be a secret.
#[derive(Clone, JsonSchema)]
#[schemars(with = "String")]
pub struct HookUrl(pub reqwest::Url);

impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HookUrl({})", self.0.host_str().unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for HookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let refuse = || D::Error::custom("a webhook is an https:// url; http:// may only lead to this machine");
        let url = reqwest::Url::parse(&text).map_err(|_| refuse())?;
        let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
            return Err(refuse());
        }
        remember(&text);
        // A short path is a word, and no secret.
        let parts = [url.path().trim_matches('/'), url.query().unwrap_or_default()];
        parts.into_iter().filter(|part| part.len() >= MIN_SECRET).for_each(remember);
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_webhook_is_https_but_on_this_machine() {
        let read = |url: &str| serde_json::from_value::<HookUrl>(json!(url));
        for good in ["https://hooks.example.com/services/T0/B0/secret", "http://127.0.0.1:9/x", "http://localhost/x"] {
            assert!(read(good).is_ok(), "{good}");
        }
        for wrong in ["http://example.com/x", "ftp://127.0.0.1/", "hooks.example.com", "http://127.0.0.1.example.com/"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let url = read("https://hooks.example.com/services/T0/B0/secret").unwrap();
        assert_eq!(format!("{url:?}"), "HookUrl(hooks.example.com)");
    }
}
