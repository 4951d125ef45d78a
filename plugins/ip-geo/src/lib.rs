//! Continent, country and city from the IP address, by any database in the MMDB format.
//!
//! Of an `X-Forwarded-For` list the first public address counts: the client's own, behind what its network put in front.
//! Null, empty, unreadable, private and local addresses, and ones the database does not know, leave the columns as they
//! are; so does a part of the place that the database lacks. Host names are never resolved.

mod address;
mod config;
mod database;
mod map_file;
mod place;
#[cfg(test)]
mod test_database;
#[cfg(test)]
mod tests;

pub use config::{Compat, Options, OutputColumns};

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, SchemaRef};
use database::Database;
use etl_sdk::{
    BuildContext, CacheStats, Component, Enrichment, EnrichmentWorker, Fact, Fill, Found, LookUps, Output, Result, Run,
    StepName,
};
use place::Place;
use serde_json::Value;
use std::sync::Arc;

/// The step as the registry lists it.
pub fn component() -> Component<dyn Enrichment> {
    let summary = "continent, country and city from the IP address (a database in the MMDB format)";
    Component::new("ip-geo", summary, build, || schemars::schema_for!(Options).to_value())
}

fn build(options: Value, context: &BuildContext) -> Result<Arc<dyn Enrichment>> {
    let options: Options = etl_sdk::parse_options(options)?;
    let database = Database::open(context.resolve(&options.database))?;
    Ok(Arc::new(IpGeo { options, database: Arc::new(database) }))
}

struct IpGeo {
    options: Options,
    database: Arc<Database>,
}

impl IpGeo {
    /// The columns to fill, each with its part of a [`Place`].
    fn columns(&self) -> impl Iterator<Item = (usize, &str)> {
        let OutputColumns { continent, country, city, region, metro } = &self.options.output;
        [continent, country, city, region, metro]
            .into_iter()
            .enumerate()
            .filter_map(|(part, column)| Some((part, column.as_deref()?)))
    }

    fn fill(&self, input: &SchemaRef) -> Result<Fill> {
        Fill::new(input, self.columns().map(|(_, column)| (column, DataType::Utf8)))
    }
}

impl Enrichment for IpGeo {
    fn output_schema(&self, input: &SchemaRef) -> Result<SchemaRef> {
        etl_sdk::text_column(input, &self.options.input)?;
        Ok(Arc::clone(self.fill(input)?.schema()))
    }

    fn worker(self: Arc<Self>, _run: &Run, input: &SchemaRef) -> Result<Box<dyn EnrichmentWorker>> {
        Ok(Box::new(Worker {
            input: etl_sdk::text_column(input, &self.options.input)?,
            parts: self.columns().map(|(part, _)| part).collect(),
            fill: self.fill(input)?,
            look_ups: LookUps::new("ip-geo", self.options.cache_entries),
            compat: self.options.compat,
            database: Arc::clone(&self.database),
        }))
    }

    fn facts(&self) -> Vec<Fact> {
        self.database.facts()
    }
}

struct Worker {
    input: usize,
    /// The part of a place that each filled column takes.
    parts: Vec<usize>,
    fill: Fill,
    look_ups: LookUps<Place>,
    compat: Compat,
    database: Arc<Database>,
}

/// The address of a text; empty when it holds none, so that what is too long to be one is kept out of the cache.
fn address_of(text: &str, compat: Compat) -> &str {
    let address = address::of_list(text, compat);
    if address.len() > address::MAX_ADDRESS { "" } else { address }
}

impl EnrichmentWorker for Worker {
    fn enrich(&mut self, _step: &StepName, batch: RecordBatch, _out: &mut Output) -> Result<RecordBatch> {
        let (database, compat) = (&self.database, self.compat);
        let texts = etl_sdk::as_text(batch.column(self.input))?;
        let places = self.look_ups.find(
            texts,
            |text| address_of(text, compat),
            |address| Ok(Some(database.place(address, compat)?).filter(|place| !place.is_empty())),
        )?;
        let mut arrays = Vec::with_capacity(self.parts.len());
        for (column, part) in self.parts.iter().enumerate() {
            let existing = self.fill.existing(&batch, column).map(|array| etl_sdk::as_text(array)).transpose()?;
            arrays.push(fill_column(places, *part, existing));
        }
        self.fill.apply(&batch, arrays)
    }

    fn caches(&self) -> Vec<CacheStats> {
        vec![self.look_ups.stats()]
    }
}

/// The new value where there is one, else the existing one.
fn fill_column(places: &[Found<Place>], part: usize, existing: Option<&StringArray>) -> ArrayRef {
    let new = |row: usize| places[row].as_ref().and_then(|place| place.parts[part].as_deref());
    let old = |row: usize| existing.filter(|column| column.is_valid(row)).map(|column| column.value(row));
    let values = || (0..places.len()).map(|row| new(row).or_else(|| old(row)));
    let bytes = values().flatten().map(str::len).sum();
    let mut builder = StringBuilder::with_capacity(places.len(), bytes);
    values().for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}
