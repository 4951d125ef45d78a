//! Where the process was placed by what started it, as its environment says.

use std::sync::OnceLock;

/// What AWS Batch and ECS say of the process in its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Id of the job of AWS Batch.
    pub batch_job_id: Option<String>,
    /// Its try, counted from 1.
    pub batch_attempt: Option<u64>,
    /// Its place in an array of jobs.
    pub batch_array_index: Option<u64>,
    /// Where the agent of ECS tells of the task.
    pub ecs_metadata: Option<String>,
}

impl Placement {
    /// That of this process.
    pub fn of_environment() -> &'static Self {
        static FOUND: OnceLock<Placement> = OnceLock::new();
        FOUND.get_or_init(|| Self::read(&|name| std::env::var(name).ok().filter(|value| !value.is_empty())))
    }

    fn read(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str| variable(name).and_then(|text| text.parse().ok());
        Self {
            batch_job_id: variable("AWS_BATCH_JOB_ID"),
            batch_attempt: number("AWS_BATCH_JOB_ATTEMPT"),
            batch_array_index: number("AWS_BATCH_JOB_ARRAY_INDEX"),
            ecs_metadata: variable("ECS_CONTAINER_METADATA_URI_V4"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_not_told() {
        let placement = Placement::read(&|name| match name {
            "AWS_BATCH_JOB_ID" => Some("job:3".to_owned()),
            "AWS_BATCH_JOB_ATTEMPT" => Some("2".to_owned()),
            "AWS_BATCH_JOB_ARRAY_INDEX" => Some("third".to_owned()),
            _ => None,
        });
        let expected =
            Placement { batch_job_id: Some("job:3".to_owned()), batch_attempt: Some(2), ..Placement::default() };
        assert_eq!(placement, expected);
    }
}
