//! What a job does to its rows, built once and checked: transformer, steps per table, and what is written.

use crate::job::{EnrichConfig, Job, StepConfig};
use crate::output::sink::{self, STEP as SINK_STEP, TableSinkSpec, check_writable};
use crate::registry::Registry;
use crate::rows::quality;
use crate::rows::quality::{QualityConfig, Rule, TableRules, Target};
use crate::rows::sort::merge::check_merge;
use crate::rows::sql::{FAILED as SQL_FAILED, SqlStep};
use crate::source::{STEP as SOURCE_STEP, reason};
use crate::targets::manifests::{self, ManifestRules};
use crate::text::suggest::unknown;
use arrow::datatypes::SchemaRef;
use etl_sdk::{Enrichment, Error, Keep, Ledger, Result, StepName, Table, Transformer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// A job's transformer and tables.
pub struct Pipeline {
    /// Turns records into rows.
    pub transformer: Arc<dyn Transformer>,
    /// One plan per table of the transformer, in its order.
    pub tables: Vec<TablePlan>,
    /// How a commit's files become manifests.
    pub manifests: ManifestRules,
    /// The quality rules of all tables, in the order of the job file.
    pub rules: Vec<Arc<Rule>>,
}

/// What becomes of the rows of one table.
pub struct TablePlan {
    /// The table as the transformer declares it.
    pub table: Table,
    /// Enrichments in order; each takes the schema that the one before gives.
    pub steps: Vec<Step>,
    /// Quality rules over rows, after all steps; `None` when there are none.
    pub quality: Option<Arc<TableRules>>,
    /// What is written; `None` for a table that the job does not write.
    pub sink: Option<TableSinkSpec>,
}

/// One enrichment of one table.
pub struct Step {
    /// Name in the ledger: `user-agent`, `sql:traffic-label`; numbered when a name comes twice.
    pub name: StepName,
    /// Schema of the batches it takes.
    pub input: SchemaRef,
    /// The enrichment.
    pub enrichment: Arc<dyn Enrichment>,
}

impl Pipeline {
    /// Builds and checks everything a job names; reads rule files, databases and SQL, and nothing else.
    pub fn build(job: &Job, registry: &Registry) -> Result<Self> {
        let transformer = job.build_transformer(registry)?;
        let declared = transformer.tables();
        for table in declared {
            if let Keep::Merged(merge) = &table.keep {
                check_merge(merge, &table.schema.working_schema())?;
            }
        }
        let enriched = enrich(job, registry, declared)?;
        for name in job.config.tables.keys() {
            find_table(declared, name).map_err(|error| job.placed(&["tables", name], error))?;
        }
        let schemas: Vec<SchemaRef> = enriched.iter().map(|enriched| Arc::clone(&enriched.schema)).collect();
        let plans = declared.iter().zip(enriched).map(|(table, enriched)| TablePlan::new(job, table, enriched));
        let mut tables: Vec<TablePlan> = plans.collect::<Result<_>>()?;
        let row_bytes = job.config.limits.sql_row_bytes.0;
        let targets: Vec<Target> =
            tables.iter().zip(schemas).map(|(plan, schema)| plan.target(schema, row_bytes)).collect();
        let rules = quality::build(&job.config.quality, &targets, &|path, error| job.placed(path, error))?;
        for (plan, target) in tables.iter_mut().zip(&targets) {
            plan.quality = TableRules::of(&rules, target);
        }
        let written = tables.iter().filter_map(|plan| plan.sink.as_ref());
        let manifests =
            manifests::rules(&job.config.manifest, written).map_err(|error| job.placed(&["manifest", "per"], error))?;
        let pipeline = Self { transformer, tables, manifests, rules };
        pipeline.check_limits(job)?;
        Ok(pipeline)
    }

    /// All that is wrong with what a job names, as far as its parts can be built each for itself.
    pub fn mistakes(job: &Job, registry: &Registry) -> Vec<Error> {
        let Err(first) = Self::build(job, registry) else { return Vec::new() };
        let mut found = Vec::new();
        found.extend(job.build_transformer(registry).err());
        for (index, config) in job.config.enrich.iter().enumerate().filter(|(_, config)| config.enabled) {
            let built = match &config.step {
                StepConfig::Native { name, options } => job.build_enrichment(index, name, options, registry).map(drop),
                StepConfig::Sql { file, parameters } => {
                    let table = config.table.as_deref().unwrap_or_default();
                    let step =
                        sql_step(&job.context().resolve(file), table, parameters, job.config.limits.sql_row_bytes.0);
                    step.map(drop).map_err(|error| job.placed(&["enrich", &index.to_string(), "sql"], error))
                }
            };
            found.extend(built.err());
        }
        // What is wrong with parts together.
        if !found.iter().any(|error| error.to_string() == first.to_string()) {
            found.push(first);
        }
        found
    }

    /// A ledger with all steps in the order rows meet them, at zero.
    pub fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.step(SOURCE_STEP);
        for step in self.transformer.chain() {
            ledger.step(step);
        }
        for plan in self.tables.iter().filter(|plan| plan.sink.is_some()) {
            ledger.step(&plan.table.step);
            if is_merged(&plan.table) {
                ledger.step(&merge_step(&plan.table));
            }
            for step in plan.step_names() {
                ledger.step(step);
            }
        }
        ledger.step(SINK_STEP);
        ledger
    }

    /// The reason codes that dead letters of the job can have.
    pub fn reasons(&self) -> BTreeSet<String> {
        let steps = self.tables.iter().flat_map(|plan| &plan.steps).flat_map(|step| step.enrichment.reasons());
        let built_in = reason::ALL.iter().chain(&sink::REASONS);
        let known = built_in.chain(self.transformer.reasons()).chain(steps).map(|code| (*code).to_owned());
        known.chain(self.rules.iter().filter_map(|rule| rule.dead_letter_reason().map(str::to_owned))).collect()
    }

    /// Refuses limits for reason codes that no dead letter of the job can have: they would never hold anything back.
    fn check_limits(&self, job: &Job) -> Result<()> {
        let limits = &job.config.limits.dead_letters.reasons;
        if limits.is_empty() {
            return Ok(());
        }
        let mut known = self.reasons();
        // What is switched off is known all the same.
        known.extend(job.config.quality.iter().filter_map(QualityConfig::given_reason));
        let is_sql = |step: &EnrichConfig| matches!(step.step, StepConfig::Sql { .. });
        known.extend(job.config.enrich.iter().any(is_sql).then(|| SQL_FAILED.to_owned()));
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        match limits.keys().find(|code| !known.contains(&code.as_str())) {
            Some(code) => {
                let path = ["limits", "dead_letters", "reasons", code];
                Err(job.placed(&path, unknown("reason code", code, &known)))
            }
            None => Ok(()),
        }
    }

    /// The tables that are written.
    pub fn sinks(&self) -> impl Iterator<Item = &TableSinkSpec> {
        self.tables.iter().filter_map(|plan| plan.sink.as_ref())
    }

    /// The table that a step of the ledger works on, if it works on rows of one.
    pub fn table_of(&self, step: &str) -> Option<String> {
        let plan = self.tables.iter().find(|plan| {
            plan.step_names().any(|own| own == step) || step == merge_step(&plan.table) || plan.table.step == step
        })?;
        Some(plan.table.schema.table.clone())
    }
}

impl TablePlan {
    fn new(job: &Job, table: &Table, enriched: Enriched) -> Result<Self> {
        let config = job.config.tables.get(&table.schema.table);
        let partition_by = config.and_then(|config| config.partition_by.as_ref()).unwrap_or(&table.partition_by);
        let written = config.and_then(|config| config.write).unwrap_or(true);
        let sink = TableSinkSpec::new(&table.schema, enriched.schema, partition_by)
            .map_err(|error| job.placed(&["tables", &table.schema.table, "partition_by"], error))?
            .with_most_partitions(job.config.limits.partitions);
        Ok(Self { table: table.clone(), steps: enriched.steps, quality: None, sink: written.then_some(sink) })
    }

    /// Ledger steps that rows pass before the sink, in order: the enrichments, then the quality rules.
    pub fn step_names(&self) -> impl Iterator<Item = &str> {
        let enrichments = self.steps.iter().map(|step| step.name.as_str());
        enrichments.chain(self.quality.iter().map(|rules| rules.step.as_str()))
    }

    /// The table as quality rules see it, with the schema that the last step gives.
    fn target(&self, schema: SchemaRef, row_bytes: u64) -> Target {
        Target { table: self.table.schema.table.clone(), schema, written: self.sink.is_some(), row_bytes }
    }
}

/// The enrichments of one table, and the schema that the last of them gives.
struct Enriched {
    steps: Vec<Step>,
    schema: SchemaRef,
}

/// The job's enrichments by table.
fn enrich(job: &Job, registry: &Registry, tables: &[Table]) -> Result<Vec<Enriched>> {
    let start = |table: &Table| Enriched { steps: Vec::new(), schema: table.schema.working_schema() };
    let mut all: Vec<Enriched> = tables.iter().map(start).collect();
    let mut names: Vec<String> = Vec::new();
    for (index, config) in job.config.enrich.iter().enumerate().filter(|(_, config)| config.enabled) {
        let number = index.to_string();
        let table = match &config.table {
            None => 0,
            Some(name) => find_table(tables, name).map_err(|error| job.placed(&["enrich", &number, "table"], error))?,
        };
        let name = step_name(&config.step, &mut names);
        let table_name = &tables[table].schema.table;
        let enrichment: Arc<dyn Enrichment> = match &config.step {
            StepConfig::Native { name, options } => job.build_enrichment(index, name, options, registry)?,
            StepConfig::Sql { file, parameters } => {
                let step =
                    sql_step(&job.context().resolve(file), table_name, parameters, job.config.limits.sql_row_bytes.0);
                Arc::new(step.map_err(|error| job.placed(&["enrich", &number, "sql"], error))?)
            }
        };
        let Enriched { steps, schema } = &mut all[table];
        let output = enrichment
            .output_schema(schema)
            .and_then(|output| {
                let mut added = output.fields().iter().skip(schema.fields().len());
                added.try_for_each(|field| check_writable(field)).map_err(|error| error.with("step", &name))?;
                Ok(output)
            })
            .map_err(|error| job.placed(&["enrich", &number], error.with("table", table_name)))?;
        steps.push(Step { name: name.into(), input: std::mem::replace(schema, output), enrichment });
    }
    Ok(all)
}

/// The ledger step that merges a table's partial rows.
pub fn merge_step(table: &Table) -> String {
    format!("merge {}", table.schema.table)
}

/// Whether a table's rows are merged before they are written.
pub fn is_merged(table: &Table) -> bool {
    matches!(table.keep, Keep::Merged(_))
}

fn find_table(tables: &[Table], name: &str) -> Result<usize> {
    tables.iter().position(|table| table.schema.table == name).ok_or_else(|| {
        let known: Vec<_> = tables.iter().map(|table| table.schema.table.as_str()).collect();
        unknown("table", name, &known)
    })
}

fn sql_step(file: &Path, table: &str, parameters: &Value, row_bytes: u64) -> Result<SqlStep> {
    let name = file.display().to_string();
    let sql = std::fs::read_to_string(file)
        .map_err(|error| Error::config("read the SQL file").with("file", &name).source(error))?;
    SqlStep::new(&name, table, &sql, parameters, row_bytes)
}

fn step_name(step: &StepConfig, names: &mut Vec<String>) -> String {
    let name = match step {
        StepConfig::Native { name, .. } => name.clone(),
        StepConfig::Sql { file, .. } => format!("sql:{}", file.file_stem().unwrap_or_default().to_string_lossy()),
    };
    let same = names.iter().filter(|known| **known == name).count();
    names.push(name.clone());
    if same == 0 { name } else { format!("{name} {}", same + 1) }
}
