//! The clickstream transformer: requests of the clickstream SDKs, of Google Tag Manager and of Sensors Analytics to event,
//! item, user and session rows.
//!
//! A record is one request line of the collector: a JSON object whose `data` holds the client's events, as a JSON array
//! or as Base64 of gzip of one. The rules are those of clickstream-analytics-on-aws 1.2.0, batch application; where
//! we do better on purpose, the dead letter's reason or the doc comment says so.
//!
//! Where rows differ from the reference's on purpose, `docs/compatibility.md` says how, and [`Compat`] chooses.
//! What is the same in both modes and still differs:
//! - A null `ingest_time` there ends the job; here it is a dead letter.
//! - `NaN` and `Infinity` without quotes make a line or payload a dead letter; there they become text.
//! - Results of rules do not depend on the order of events.
//! - Arrays and objects in place of a number or boolean that may be anything read as null, and the keys after them are
//!   read; there they are misread.
//! - Events outside of the years 0 to 9999 are dead letters, because no partition can be named after them.
//! - Of several items with one id in an event the first is kept, and of equal users and sessions the last one processed;
//!   there it depends on the engine.

mod config;
mod custom;
mod event;
mod event_row;
mod explain;
mod fields;
mod gtm;
mod items;
pub mod java;
mod nested;
mod page;
mod payload;
mod record;
mod rows;
mod sensors;
mod sessions;
mod source;
mod steps;
mod tables;
mod third_party;
mod time;
mod traffic;
pub mod traffic_source;
pub mod url;
mod users;
mod values;
mod worker;

pub use config::{ClickstreamConfig, Compat, UniqueEvents};
pub use explain::{ColumnAnswer, TrafficAnswer, explain_traffic_source};
pub use source::{Source, Sources, SourcesByApp};

use crate::traffic_source::RuleSet;
use crate::worker::ClickstreamWorker;
use arrow::array::RecordBatch;
use etl_sdk::{BuildContext, Component, Error, Result, Run, Table, Transformer, TransformerWorker, parse_options};
use serde_json::Value;
use std::sync::Arc;

/// Longest look back for event ids, in hours: a year.
const MOST_LOOK_BACK: u32 = 8_784;

/// The transformer as the registry lists it.
pub const COMPONENT: Component<dyn Transformer> = Component {
    name: "clickstream",
    summary: "clickstream requests (SDKs, Google Tag Manager, Sensors Analytics) to event, item, user and session rows",
    build,
    options_schema,
};

/// The clickstream transformer with its rules loaded.
#[derive(Debug)]
pub struct Clickstream {
    config: ClickstreamConfig,
    tables: Vec<Table>,
    rules: Arc<RuleSet>,
}

fn build(options: Value, context: &BuildContext) -> Result<Arc<dyn Transformer>> {
    let config: ClickstreamConfig = parse_options(options)?;
    let rules = config.load_rules(context)?;
    Ok(Arc::new(Clickstream::new(config, rules)?))
}

fn options_schema() -> Value {
    schemars::schema_for!(ClickstreamConfig).to_value()
}

impl Clickstream {
    /// Checks the options; a list of apps without an app would keep no event of an SDK at all and is refused.
    pub fn new(config: ClickstreamConfig, rules: RuleSet) -> Result<Self> {
        if config.source.any(Source::Sdk) && config.app_ids.iter().all(|app| app.trim().is_empty()) {
            return Err(Error::config("read the options").with("key", "app_ids").hint("list the app ids to keep"));
        }
        if config.unique_events.is_some_and(|unique| unique.look_back_hours > MOST_LOOK_BACK) {
            return Err(Error::config("read the options")
                .with("key", "unique_events.look_back_hours")
                .hint(format!("write {MOST_LOOK_BACK} hours at most")));
        }
        let tables = tables::tables(&config)?;
        Ok(Self { config, tables, rules: Arc::new(rules) })
    }

    fn run_facts(&self, run: &Run) -> event_row::RunFacts {
        let mut now = String::new();
        time::write_instant(run.now_msec, &mut now);
        event_row::RunFacts {
            job_id: run.id.clone(),
            project_id: self.config.project_id.clone(),
            now_msec: run.now_msec,
            window_start_msec: run.window_start_msec,
            now,
        }
    }
}

impl Transformer for Clickstream {
    fn tables(&self) -> &[Table] {
        &self.tables
    }

    fn chain(&self) -> &[&'static str] {
        &[steps::PAYLOAD, steps::VALIDATE, steps::FILTER, steps::PARSE]
    }

    fn worker(self: Arc<Self>, run: &Run) -> Result<Box<dyn TransformerWorker>> {
        Ok(Box::new(ClickstreamWorker::new(&self, run)?))
    }

    fn complete(&self, table: usize, run: &Run, rows: RecordBatch) -> Result<RecordBatch> {
        if table != tables::USER {
            return Ok(rows);
        }
        users::complete(&self.tables[tables::USER].schema, self.config.truncate, &self.run_facts(run), &rows)
    }
}
