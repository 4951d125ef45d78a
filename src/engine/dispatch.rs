//! A run's work as units, and what has them done.
//!
//! A unit says what is to be done, not where: it is small, it can be sent as text, and it may be done on any thread or
//! machine, in any order and more than once. It is done when its result is there; of two results of one unit, one counts.

use super::tasks::Task;
use crate::process::stop::Stop;
use etl_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A part of a run's work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkUnit<'a> {
    /// Objects to read. Its result is a [`TaskResult`](crate::commit::TaskResult).
    Task(Cow<'a, Task>),
    /// A table to merge when all tasks are done.
    Merge(TableMerge),
}

/// The merge of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableMerge {
    /// Index among the tables of the pipeline.
    pub table: usize,
    /// Number among the parts of the run, which are its tasks and then its tables: part of file names.
    pub part: usize,
}

/// Has units done.
pub trait Dispatch: Sync {
    /// How many of `units` units this process does at the same time, sharing its memory.
    fn at_once(&self, units: usize) -> usize;

    /// Returns when all units are done. When one fails, `stop` is set and the others end early; the result is the first
    /// failure.
    fn run(&self, units: &[WorkUnit<'_>], work: &dyn UnitWork, stop: &Stop) -> Result<()>;
}

/// Knows how to do the units of one stage of a run, and keeps their results.
pub trait UnitWork: Sync {
    /// Makes the worker of one thread.
    fn worker(&self) -> Result<Box<dyn UnitWorker + '_>>;
}

/// Does units, one after the other.
pub trait UnitWorker {
    /// Does a unit, unless its result is there already. After an error the worker is of no more use.
    fn run(&mut self, unit: &WorkUnit<'_>) -> Result<()>;

    /// Ends the worker when no unit is left.
    fn finish(self: Box<Self>);
}

/// The error of a worker that is given a unit of another stage.
pub fn unexpected(unit: &WorkUnit<'_>) -> Error {
    let kind = match unit {
        WorkUnit::Task(_) => "task",
        WorkUnit::Merge(_) => "merge",
    };
    Error::internal("do a unit of another stage of the run").with("unit", kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::InputObject;
    use etl_sdk::{EpochMillis, ObjectRef, Run};
    use std::sync::Arc;

    #[test]
    fn what_a_unit_says_survives_as_text() {
        let object = |key: &str, etag: Option<&str>, ordinal| InputObject {
            object: Arc::new(ObjectRef { uri: format!("s3://raw/{key}"), etag: etag.map(str::to_owned), ordinal }),
            path: object_store::path::Path::parse(key).unwrap(),
            size: u64::from(ordinal) << 40,
            modified: chrono::DateTime::from_timestamp(1_795_132_800, 123_456_789).unwrap(),
        };
        let objects = vec![object("hour=05/a%2Fb é+.log", Some("\"e-1\""), 7), object("c.log.gz", None, 0)];
        let merge = TableMerge { table: 2, part: 40 };
        for unit in [WorkUnit::Task(Cow::Owned(Task { number: 3, objects })), WorkUnit::Merge(merge)] {
            let text = serde_json::to_string(&unit).unwrap();
            assert_eq!(serde_json::from_str::<WorkUnit<'_>>(&text).unwrap(), unit, "{text}");
        }
        let run = Run {
            id: "shop-20261120".to_owned(),
            now: EpochMillis(3),
            window_start: EpochMillis(-1),
            window_end: EpochMillis(i64::MAX),
        };
        let text = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), run, "{text}");
    }
}
