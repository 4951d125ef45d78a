//! Backfills that are not at their end: which windows somebody asked for, so that a stop does not make anybody forget them.
//!
//! Each is a small object of its own beside the log; nothing that is decided rests on it. It goes when its windows are done.

use super::objects::{Objects, to_json};
use crate::window::{Every, Window};
use chrono::{DateTime, Utc};
use etl_sdk::{Error, Result};
use serde::{Deserialize, Serialize};

const BACKFILLS: &str = "backfills";

/// Most backfills that are remembered; the oldest are forgotten.
const MAX_SPANS: usize = 32;

/// What a backfill was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillSpan {
    /// From its first window's start to its last window's end.
    pub span: Window,
    /// Length of its windows.
    pub every: Every,
    /// The latest windows first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub newest_first: bool,
    /// Also windows that were done when it began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// Also in place of windows within its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub supersede: bool,
    /// Windows at the same time.
    pub parallel: usize,
    /// Keys of the job file that it overrode. Values are not kept: one may be a secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// When it began, by the clock of its machine.
    pub since: DateTime<Utc>,
}

impl BackfillSpan {
    /// Remembers it. The same span is remembered once, since the first time it was asked for.
    pub fn keep(&self, objects: &Objects) -> Result<()> {
        let mut known = all(objects)?;
        if !self.again && known.iter().any(|other| Self { since: self.since, ..other.clone() } == *self) {
            return Ok(());
        }
        known.retain(|other| other.path() != self.path());
        known.sort_by_key(|other| other.since);
        let too_many = (known.len() + 1).saturating_sub(MAX_SPANS);
        known.iter().take(too_many).try_for_each(|oldest| oldest.forget(objects))?;
        objects.put(&self.path(), to_json(self)?)
    }

    /// Forgets it.
    pub fn forget(&self, objects: &Objects) -> Result<()> {
        objects.delete(&self.path())
    }

    fn path(&self) -> String {
        format!("{BACKFILLS}/{}-{}.json", self.span.id(), self.every)
    }
}

/// All that are remembered, oldest span first.
pub fn all(objects: &Objects) -> Result<Vec<BackfillSpan>> {
    let paths: Vec<String> = objects.list(BACKFILLS, None)?.into_iter().map(|object| object.path).collect();
    let read = |(path, bytes): (&String, Option<bytes::Bytes>)| {
        let span = serde_json::from_slice(&bytes?);
        Some(span.map_err(|error| {
            Error::config("read the span of a backfill")
                .with("uri", objects.uri_of(path))
                .source(error)
                .hint("remove the object: it only says which backfill is not at its end")
        }))
    };
    paths.iter().zip(objects.get_all(&paths)?).filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use std::sync::Arc;

    fn span(day: u32, minutes: i64) -> BackfillSpan {
        BackfillSpan {
            span: Window::parse(&format!("2026-11-{day:02}/P2D")).unwrap(),
            every: Every::HOUR,
            newest_first: false,
            again: false,
            supersede: false,
            parallel: 2,
            overrides: Vec::new(),
            since: DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes),
        }
    }

    #[test]
    fn each_span_is_remembered_once_and_the_oldest_are_forgotten() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let objects = Objects::over(Arc::new(object_store::memory::InMemory::new()), runtime.handle().clone());
        span(3, 0).keep(&objects).unwrap();
        span(3, 9).keep(&objects).unwrap();
        assert_eq!(all(&objects).unwrap(), [span(3, 0)]);
        let again = BackfillSpan { again: true, ..span(3, 9) };
        again.keep(&objects).unwrap();
        assert_eq!(all(&objects).unwrap(), std::slice::from_ref(&again));
        for minutes in 0..40 {
            let every = if minutes < 20 { Every::HOUR } else { "2h".parse().unwrap() };
            BackfillSpan { every, ..span(5 + (minutes % 20) as u32, 10 + minutes) }.keep(&objects).unwrap();
        }
        let kept = all(&objects).unwrap();
        assert_eq!(kept.len(), MAX_SPANS);
        assert!(!kept.contains(&again), "{kept:?}");
        kept[0].forget(&objects).unwrap();
        assert_eq!(all(&objects).unwrap().len(), MAX_SPANS - 1);
    }
}
