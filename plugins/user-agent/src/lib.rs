//! Browser, operating system and device from the user agent.
//!
//! A null or empty user agent makes all columns null; anything else fills them, with null for what the engine does not
//! know. What the columns hold before is overwritten. `woothee.rs` and `uap.rs` say what each engine gives.

mod columns;
mod config;
mod details;
#[cfg(test)]
mod tests;
mod uap;
mod woothee;

pub use config::{Compat, EngineName, Options, OutputColumns};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use columns::{map_column, map_type, text_column};
use details::{Details, Part};
use etl_sdk::{
    BuildContext, CacheStats, Component, Enrichment, EnrichmentWorker, Error, Fact, Fill, LookUps, Output, Result, Run,
    StepName,
};
use serde_json::Value;
use std::sync::Arc;

/// The step as the registry lists it.
pub fn component() -> Component<dyn Enrichment> {
    let summary = "browser, operating system and device from the user agent (woothee or uap-core)";
    Component::new("user-agent", summary, build, || schemars::schema_for!(Options).to_value())
}

fn build(options: Value, context: &BuildContext) -> Result<Arc<dyn Enrichment>> {
    let options: Options = etl_sdk::parse_options(options)?;
    let engine = match (options.engine, &options.regexes) {
        (EngineName::Woothee, None) => Engine::Woothee,
        (EngineName::Woothee, Some(_)) => {
            return Err(Error::config("read the options")
                .with("key", "regexes")
                .hint("only `engine: uap` has regexes"));
        }
        (EngineName::Uap, None) => Engine::Uap(Arc::new(uap::Uap::built_in(options.compat))),
        (EngineName::Uap, Some(path)) => {
            Engine::Uap(Arc::new(uap::Uap::from_file(context.resolve(path), options.compat)?))
        }
    };
    Ok(Arc::new(UserAgent { options, engine }))
}

#[derive(Clone)]
enum Engine {
    Woothee,
    Uap(Arc<uap::Uap>),
}

impl Engine {
    fn resolve(&self, text: &str) -> Result<Details> {
        match self {
            Self::Woothee => Ok(woothee::resolve(text)),
            Self::Uap(uap) => uap.resolve(text),
        }
    }
}

/// One column to fill.
#[derive(Clone, Copy)]
enum Filled {
    Text(Part),
    Map,
}

struct UserAgent {
    options: Options,
    engine: Engine,
}

impl UserAgent {
    fn columns(&self) -> impl Iterator<Item = (Filled, &str)> {
        let OutputColumns { browser, browser_version, os, os_version, device, device_category, map } =
            &self.options.output;
        let texts = [browser, browser_version, os, os_version, device, device_category];
        let texts = Part::COLUMNS.into_iter().map(Filled::Text).zip(texts);
        texts.chain([(Filled::Map, map)]).filter_map(|(filled, column)| Some((filled, column.as_deref()?)))
    }

    fn fill(&self, input: &SchemaRef) -> Result<Fill> {
        let data_type = |filled| match filled {
            Filled::Text(_) => DataType::Utf8,
            Filled::Map => map_type(),
        };
        Fill::new(input, self.columns().map(|(filled, column)| (column, data_type(filled))))
    }
}

impl Enrichment for UserAgent {
    fn output_schema(&self, input: &SchemaRef) -> Result<SchemaRef> {
        etl_sdk::text_column(input, &self.options.input)?;
        Ok(Arc::clone(self.fill(input)?.schema()))
    }

    fn worker(self: Arc<Self>, _run: &Run, input: &SchemaRef) -> Result<Box<dyn EnrichmentWorker>> {
        Ok(Box::new(Worker {
            input: etl_sdk::text_column(input, &self.options.input)?,
            columns: self.columns().map(|(filled, _)| filled).collect(),
            fill: self.fill(input)?,
            look_ups: LookUps::new("user-agent", self.options.cache_entries),
            engine: self.engine.clone(),
        }))
    }

    fn facts(&self) -> Vec<Fact> {
        match &self.engine {
            Engine::Woothee => vec![Fact { name: "engine".into(), value: "woothee".into() }],
            Engine::Uap(uap) => {
                let mut facts = vec![Fact { name: "engine".into(), value: "uap".into() }];
                facts.extend(uap.facts());
                facts
            }
        }
    }
}

/// Longest text an engine looks at, in bytes. It bounds the time a hostile header takes and the size of a cache entry;
/// real user agents stay under 1,000.
const MAX_TEXT: usize = 2_048;

struct Worker {
    input: usize,
    columns: Vec<Filled>,
    fill: Fill,
    look_ups: LookUps<Details>,
    engine: Engine,
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

impl EnrichmentWorker for Worker {
    fn enrich(&mut self, _step: &StepName, batch: RecordBatch, _out: &mut Output) -> Result<RecordBatch> {
        let texts = etl_sdk::as_text(batch.column(self.input))?;
        let engine = &self.engine;
        let details = self.look_ups.find(texts, shortened, |text| engine.resolve(text).map(Some))?;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for filled in &self.columns {
            arrays.push(match filled {
                Filled::Text(part) => text_column(details, *part),
                Filled::Map => map_column(details, texts)?,
            });
        }
        self.fill.apply(&batch, arrays)
    }

    fn caches(&self) -> Vec<CacheStats> {
        vec![self.look_ups.stats()]
    }
}
