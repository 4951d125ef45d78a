//! Drops the rows of bots: those whose device category is exactly `Bot`. Null is no bot.
//!
//! Only the rows of the table the step runs on are dropped. The category comes from the `user-agent` step; its `uap`
//! engine calls a device whose name holds `bot` a bot, so a phone called `Cubot` is one too.

mod config;
#[cfg(test)]
mod tests;

pub use config::Options;

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use etl_sdk::{BuildContext, Component, Enrichment, EnrichmentWorker, Output, Result, Run, StepName};
use serde_json::Value;
use std::sync::Arc;

/// The step as the registry lists it.
pub fn component() -> Component<dyn Enrichment> {
    let summary = "drops the rows of bots";
    Component::new("bot-filter", summary, build, || schemars::schema_for!(Options).to_value())
}

/// Reason code of the rows it filters.
pub const REASON: &str = "bot";

fn build(options: Value, _context: &BuildContext) -> Result<Arc<dyn Enrichment>> {
    Ok(Arc::new(BotFilter { options: etl_sdk::parse_options(options)? }))
}

struct BotFilter {
    options: Options,
}

impl Enrichment for BotFilter {
    fn output_schema(&self, input: &SchemaRef) -> Result<SchemaRef> {
        find_column(input, &self.options.column)?;
        Ok(Arc::clone(input))
    }

    fn worker(self: Arc<Self>, _run: &Run, input: &SchemaRef) -> Result<Box<dyn EnrichmentWorker>> {
        Ok(Box::new(Worker { column: find_column(input, &self.options.column)?, value: self.options.value.clone() }))
    }
}

fn find_column(input: &SchemaRef, name: &str) -> Result<usize> {
    etl_sdk::text_column(input, name)
        .map_err(|error| error.hint("bot-filter reads what user-agent writes: put it after that step"))
}

struct Worker {
    column: usize,
    value: String,
}

impl EnrichmentWorker for Worker {
    fn enrich(&mut self, step: &StepName, batch: RecordBatch, out: &mut Output) -> Result<RecordBatch> {
        let categories = etl_sdk::as_text(batch.column(self.column))?;
        let bots = BooleanBuffer::collect_bool(categories.len(), |row| {
            categories.is_valid(row) && categories.value(row) == self.value
        });
        let count = bots.count_set_bits();
        if count == 0 {
            return Ok(batch);
        }
        out.filter(step, REASON, count as u64);
        Ok(filter_record_batch(&batch, &BooleanArray::new(!&bots, None))?)
    }
}
