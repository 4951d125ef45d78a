//! Placed: where the process runs, as AWS Batch and ECS say.

use super::context::JobContext;
use crate::process::placement::Placement;
use crate::report::PlacementReport;
use crate::storage::http_client;
use serde::Deserialize;
use std::sync::OnceLock;
use std::time::Duration;

/// How long the agent of ECS may take to tell of the task. It answers from the same machine.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// What the agent tells of the task, as far as reports say it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    #[serde(rename = "TaskARN")]
    arn: Option<String>,
    cluster: Option<String>,
    family: Option<String>,
    revision: Option<String>,
}

/// Where the process runs; `None` when neither started it. The agent is asked once in a process; without an answer the
/// report does without.
pub fn placed(context: &JobContext<'_>) -> Option<PlacementReport> {
    static FOUND: OnceLock<Option<PlacementReport>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let placement = Placement::of_environment();
            if *placement == Placement::default() {
                return None;
            }
            let task = placement.ecs_metadata.as_deref().and_then(|uri| {
                let asked = async { tokio::time::timeout(PATIENCE, ask(uri)).await.ok().flatten() };
                context.runtime.block_on(asked)
            });
            Some(report(placement, task))
        })
        .clone()
}

fn report(placement: &Placement, task: Option<Task>) -> PlacementReport {
    let definition = |task: &Task| Some(format!("{}:{}", task.family.as_ref()?, task.revision.as_ref()?));
    let report = PlacementReport {
        batch_job_id: placement.batch_job_id.clone(),
        batch_attempt: placement.batch_attempt,
        batch_array_index: placement.batch_array_index,
        ..PlacementReport::default()
    };
    match task {
        Some(task) => {
            PlacementReport { task_definition: definition(&task), task_arn: task.arn, cluster: task.cluster, ..report }
        }
        None => report,
    }
}

async fn ask(uri: &str) -> Option<Task> {
    let answer = http_client().ok()?.get(format!("{uri}/task")).send().await.ok()?;
    if !answer.status().is_success() || answer.content_length().is_some_and(|bytes| bytes > MAX_ANSWER as u64) {
        return None;
    }
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}
