//! The transformer as the runner sees it.

use crate::config::ClickstreamConfig;
use crate::explain;
use crate::settings::Settings;
use crate::traffic_source::RuleSet;
use crate::worker::ClickstreamWorker;
use crate::{steps, tables, users};
use arrow::array::RecordBatch;
use etl_sdk::{BuildContext, Component, Result, Run, StepName, Table, Transformer, TransformerWorker, parse_options};
use serde_json::Value;
use std::sync::Arc;

/// The transformer as the registry lists it.
pub fn component() -> Component<dyn Transformer> {
    let summary =
        "clickstream requests (SDKs, Google Tag Manager, Sensors Analytics) to event, item, user and session rows";
    Component::new("clickstream", summary, build, || schemars::schema_for!(ClickstreamConfig).to_value())
        .explanation(explain::traffic_source())
}

/// The clickstream transformer with its rules loaded.
#[derive(Debug)]
pub struct Clickstream(Arc<Settings>);

fn build(options: Value, context: &BuildContext) -> Result<Arc<dyn Transformer>> {
    let config: ClickstreamConfig = parse_options(options)?;
    let rules = config.load_rules(context)?;
    Ok(Arc::new(Clickstream::new(config, rules)?))
}

impl Clickstream {
    /// Checks the options. Fails with the key at fault as the fact `key`.
    pub fn new(config: ClickstreamConfig, rules: RuleSet) -> Result<Self> {
        Ok(Self(Arc::new(Settings::new(config, rules)?)))
    }
}

impl Transformer for Clickstream {
    fn tables(&self) -> &[Table] {
        &self.0.tables
    }

    fn chain(&self) -> &[StepName] {
        &steps::CHAIN
    }

    fn reasons(&self) -> &[&'static str] {
        &steps::REASONS
    }

    fn worker(self: Arc<Self>, run: &Run) -> Result<Box<dyn TransformerWorker>> {
        Ok(Box::new(ClickstreamWorker::new(&self.0, run)?))
    }

    fn complete(&self, table: usize, run: &Run, rows: RecordBatch) -> Result<RecordBatch> {
        if table != tables::USER {
            return Ok(rows);
        }
        let table = &self.0.tables[tables::USER];
        users::complete(&table.schema, self.0.config.truncate, &self.0.run_facts(run), &rows)
    }
}
