//! What the workers of a transformer share: its options, its tables and its rules.

use crate::config::ClickstreamConfig;
use crate::event_row::RunFacts;
use crate::source::Source;
use crate::tables::tables;
use crate::time::write_instant;
use crate::traffic_source::RuleSet;
use etl_sdk::{Error, Result, Run, Table};
use std::sync::Arc;

/// Longest look back for event ids, in hours: a year.
const MAX_LOOK_BACK: u32 = 8_784;

/// Most bytes of a payload: texts of a column have less than two gigabytes, and one row's are twice as long as its payload.
const MAX_PAYLOAD: usize = 512 << 20;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub config: ClickstreamConfig,
    pub tables: Vec<Table>,
    pub rules: Arc<RuleSet>,
}

impl Settings {
    /// Checks the options; a list of apps without an app would keep no event of an SDK at all and is refused.
    pub fn new(config: ClickstreamConfig, rules: RuleSet) -> Result<Self> {
        let wrong = |key: &str, hint: &str| Err(Error::config("read the options").with("key", key).hint(hint));
        if config.source.any(Source::Sdk) && config.app_ids.iter().all(|app| app.trim().is_empty()) {
            return wrong("app_ids", "list the app ids to keep");
        }
        if config.unique_events.is_some_and(|unique| unique.look_back_hours > MAX_LOOK_BACK) {
            return wrong("unique_events.look_back_hours", &format!("write {MAX_LOOK_BACK} hours at most"));
        }
        if config.payload_bytes > MAX_PAYLOAD {
            return wrong(
                "payload_bytes",
                &format!("write {MAX_PAYLOAD} at most: a value of a row has less than 2 GiB"),
            );
        }
        Ok(Self { tables: tables(&config)?, config, rules: Arc::new(rules) })
    }

    pub fn run_facts(&self, run: &Run) -> RunFacts {
        let mut now = String::new();
        write_instant(run.now.0, &mut now);
        RunFacts {
            job_id: run.id.clone(),
            project_id: self.config.project_id.clone(),
            now_msec: run.now.0,
            window_start_msec: run.window_start.0,
            now,
        }
    }
}
