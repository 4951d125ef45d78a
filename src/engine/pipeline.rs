//! What a job does to its rows, built once and checked: transformer, steps per table, and what is written.

use crate::commit::ManifestRules;
use crate::job::{Job, StepConfig};
use crate::output::sink::{STEP as SINK_STEP, TableSinkSpec};
use crate::registry::Registry;
use crate::rows::quality;
use crate::rows::quality::{Rule, TableRules, Target};
use crate::rows::sort::merge::check_merge;
use crate::rows::sql::SqlStep;
use crate::source::STEP as SOURCE_STEP;
use crate::targets::manifests;
use crate::text::suggest::unknown;
use arrow::datatypes::SchemaRef;
use etl_sdk::{Enrichment, Error, Keep, Ledger, Result, StepName, Table, Transformer};
use serde_json::Value;
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
        let tables = transformer.tables();
        let mut plans: Vec<(Vec<Step>, SchemaRef)> =
            tables.iter().map(|table| (Vec::new(), table.schema.working_schema())).collect();
        for table in tables {
            if let Keep::Merged(merge) = &table.keep {
                check_merge(merge, &table.schema.working_schema())?;
            }
        }
        let mut names: Vec<String> = Vec::new();
        for (place, config) in job.config.enrich.iter().enumerate().filter(|(_, config)| config.enabled) {
            let number = place.to_string();
            let table = match &config.table {
                None => 0,
                Some(name) => {
                    find_table(tables, name).map_err(|error| job.placed(&["enrich", &number, "table"], error))?
                }
            };
            let (steps, schema) = &mut plans[table];
            let name = step_name(&config.step, &mut names);
            let enrichment: Arc<dyn Enrichment> = match &config.step {
                StepConfig::Native { name, options } => job.build_enrichment(place, name, options, registry)?,
                StepConfig::Sql { file, parameters } => {
                    let step = sql_step(&job.context().resolve(file), &tables[table].schema.table, parameters);
                    Arc::new(step.map_err(|error| job.placed(&["enrich", &number, "sql"], error))?)
                }
            };
            let output = enrichment
                .output_schema(schema)
                .map_err(|error| job.placed(&["enrich", &number], error.with("table", &tables[table].schema.table)))?;
            steps.push(Step { name: name.into(), input: std::mem::replace(schema, output), enrichment });
        }
        for name in job.config.tables.keys() {
            find_table(tables, name).map_err(|error| job.placed(&["tables", name], error))?;
        }
        let schemas: Vec<SchemaRef> = plans.iter().map(|(_, schema)| Arc::clone(schema)).collect();
        let mut tables: Vec<TablePlan> = tables
            .iter()
            .zip(plans)
            .map(|(table, (steps, schema))| {
                let config = job.config.tables.get(&table.schema.table);
                let partition_by =
                    config.and_then(|config| config.partition_by.as_ref()).unwrap_or(&table.partition_by);
                let written = config.and_then(|config| config.write).unwrap_or(true);
                let sink = TableSinkSpec::new(&table.schema, schema, partition_by)
                    .map_err(|error| job.placed(&["tables", &table.schema.table, "partition_by"], error))?;
                Ok(TablePlan { table: table.clone(), steps, quality: None, sink: written.then_some(sink) })
            })
            .collect::<Result<_>>()?;
        let targets: Vec<Target> = tables.iter().zip(schemas).map(|(plan, schema)| plan.target(schema)).collect();
        let rules = quality::build(&job.config.quality, &targets, &|path, error| job.placed(path, error))?;
        for (plan, target) in tables.iter_mut().zip(&targets) {
            plan.quality = TableRules::of(&rules, target);
        }
        let written = tables.iter().filter_map(|plan| plan.sink.as_ref());
        let manifests =
            manifests::rules(&job.config.manifest, written).map_err(|error| job.placed(&["manifest", "per"], error))?;
        Ok(Self { transformer, tables, manifests, rules })
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

    /// The table that a step of the ledger works on, if it works on rows of one.
    pub fn table_of(&self, step: &str) -> Option<String> {
        let plan = self.tables.iter().find(|plan| {
            plan.step_names().any(|own| own == step) || step == merge_step(&plan.table) || plan.table.step == step
        })?;
        Some(plan.table.schema.table.clone())
    }
}

impl TablePlan {
    /// Ledger steps that rows pass before the sink, in order: the enrichments, then the quality rules.
    pub fn step_names(&self) -> impl Iterator<Item = &str> {
        let enrichments = self.steps.iter().map(|step| step.name.as_str());
        enrichments.chain(self.quality.iter().map(|rules| rules.step.as_str()))
    }

    /// The table as quality rules see it, with the schema that the last step gives.
    fn target(&self, schema: SchemaRef) -> Target {
        Target { table: self.table.schema.table.clone(), schema, written: self.sink.is_some() }
    }
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

fn sql_step(file: &Path, table: &str, parameters: &Value) -> Result<SqlStep> {
    let name = file.display().to_string();
    let sql = std::fs::read_to_string(file)
        .map_err(|error| Error::config("read the SQL file").with("file", &name).source(error))?;
    SqlStep::new(&name, table, &sql, parameters)
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
