//! A state machine of AWS Step Functions that waits for the command: it hears that the command is alive, and how it ended.

use super::config::StepFunctionsConfig;
use crate::listen::aws::LazyClient;
use crate::listen::end::CommandEnd;
use crate::listen::happening::{Happening, What};
use crate::listen::limit::cut;
use crate::listen::listener::{Listener, ListenerSetup};
use crate::process::task::spawn;
use crate::storage::service_error;
use crate::text::remember;
use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use etl_sdk::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

/// Longest output of a task, as the service counts it.
const MAX_OUTPUT: usize = 256 << 10;

/// Longest name and text of a failure.
const MAX_ERROR: usize = 256;
const MAX_CAUSE: usize = 32 << 10;

/// The task that waits.
pub struct StepFunctions {
    token: String,
    heartbeat: Duration,
    client: Arc<LazyClient<Client>>,
    beating: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl StepFunctions {
    /// The task of the token that there is; `None` when there is none.
    pub fn new(config: &StepFunctionsConfig, setup: &ListenerSetup<'_>) -> Option<Self> {
        let of_environment = || std::env::var(&config.task_token_env).ok();
        let token = config.task_token.clone().or_else(of_environment).filter(|token| !token.is_empty())?;
        remember(&token);
        Some(Self {
            token,
            heartbeat: config.heartbeat.duration().max(Duration::from_secs(1)),
            client: Arc::new(LazyClient::new(setup.aws, "notify.step_functions", Client::new)),
            beating: Mutex::default(),
        })
    }
}

#[async_trait]
impl Listener for StepFunctions {
    fn name(&self) -> &'static str {
        "notify.step_functions"
    }

    /// It waits for the command, not for its runs.
    fn hears(&self, _: &What) -> bool {
        false
    }

    async fn told(&self, _: &Happening) -> Result<()> {
        Ok(())
    }

    async fn command_begins(&self) -> Result<()> {
        let (client, token, every) = (Arc::clone(&self.client), self.token.clone(), self.heartbeat);
        let beat = spawn(&Handle::current(), async move {
            loop {
                tokio::time::sleep(every).await;
                let Ok(client) = client.get().await else { continue };
                let beaten = client.send_task_heartbeat().task_token(&token).send().await;
                // Nobody waits any more: the state machine has given up, or was stopped.
                let is_gone = |code: &str| matches!(code, "TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken");
                if beaten.is_err_and(|error| error.code().is_some_and(is_gone)) {
                    return;
                }
            }
        });
        *self.beating.lock().unwrap_or_else(PoisonError::into_inner) = Some(beat);
        Ok(())
    }

    async fn command_ends(&self, end: &CommandEnd) -> Result<()> {
        drop(self.beating.lock().unwrap_or_else(PoisonError::into_inner).take());
        let client = self.client.get().await?;
        if end.is_done {
            let sent = client.send_task_success().task_token(&self.token).output(output(end)?).send().await;
            return sent
                .map(|_| ())
                .map_err(|error| service_error("end the task", ("of", "the state machine"), &error));
        }
        let sent = client
            .send_task_failure()
            .task_token(&self.token)
            .error(cut(&end.outcome, MAX_ERROR))
            .cause(cause(end)?)
            .send()
            .await;
        sent.map(|_| ()).map_err(|error| service_error("end the task", ("of", "the state machine"), &error))
    }
}

/// The end as JSON, with as many runs as there is room for.
fn output(end: &CommandEnd) -> Result<String> {
    fit(end, MAX_OUTPUT)
}

/// The same for a failure: the error, and the runs that there is room for.
fn cause(end: &CommandEnd) -> Result<String> {
    fit(end, MAX_CAUSE)
}

fn fit(end: &CommandEnd, most: usize) -> Result<String> {
    let mut end = end.clone();
    loop {
        let text =
            serde_json::to_string(&end).map_err(|error| Error::internal("write the end of a task").source(error))?;
        if text.len() <= most {
            return Ok(text);
        }
        let Some(left) = end.runs.len().checked_sub(1) else { return Ok(cut(&text, most)) };
        end.runs.truncate(left / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::end::RunBrief;
    use crate::listen::happening::Outcome;
    use serde_json::Value;

    #[test]
    fn runs_are_left_out_until_the_rest_fits() {
        let run = RunBrief {
            run_id: "r".repeat(300),
            window_start: String::new(),
            window_end: String::new(),
            outcome: Outcome::Done,
            rows: std::iter::once(("event".to_owned(), 7)).collect(),
            dead_letters: 0,
            report: None,
            error: None,
        };
        let end = CommandEnd {
            job: "shop".to_owned(),
            command: "backfill",
            is_done: true,
            outcome: "done".to_owned(),
            error: None,
            ended: 900,
            runs: vec![run; 900],
        };
        let text = output(&end).unwrap();
        assert!(text.len() <= MAX_OUTPUT && text.len() > MAX_OUTPUT / 3, "{}", text.len());
        let shown: Value = serde_json::from_str(&cause(&end).unwrap()).unwrap();
        assert_eq!((shown["ended"].as_u64(), shown["outcome"].as_str()), (Some(900), Some("done")));
        assert!(!shown["runs"].as_array().unwrap().is_empty());
    }
}
