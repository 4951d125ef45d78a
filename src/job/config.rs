//! The job file's sections. The doc comments are the documentation of the job file.

use crate::catalog::CatalogConfig;
use crate::limits::LimitsConfig;
use crate::listen::events::NotifyConfig;
use crate::listen::metrics::MetricsConfig;
use crate::listen::status::StatusConfig;
use crate::output::dead_letter::DeadLetterConfig;
use crate::output::sink::SinkConfig;
use crate::rows::quality::QualityConfig;
use crate::schedule::ScheduleConfig;
use crate::source::SourceConfig;
use crate::storage::{AwsConfig, S3Config};
use crate::targets::manifests::ManifestConfig;
use crate::text::Span;
use etl_sdk::{Error, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// One job: where raw batches are, what becomes of them, and where the tables go.
///
/// `${NAME}` and `${NAME:-default}` are replaced from the environment. Relative paths are relative to the job file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobConfig {
    /// Name of the job, part of file names and of the state: lower case letters, digits and dashes.
    pub job: String,
    /// Where the raw batches are and how they are read.
    pub source: SourceConfig,
    /// What turns raw records into rows.
    pub transformer: ComponentConfig,
    /// Steps that add to the rows of a table, in this order.
    #[serde(default)]
    pub enrich: Vec<EnrichConfig>,
    /// Settings per table; tables not named here keep the transformer's.
    #[serde(default)]
    pub tables: BTreeMap<String, TableConfig>,
    /// Rules that the rows of a table must meet before anything is published, in this order.
    #[serde(default)]
    pub quality: Vec<QualityConfig>,
    /// Where the tables go.
    pub sink: SinkConfig,
    /// Manifests for a warehouse and lists of partitions for a catalog, written with every run under `_manifests` of the
    /// sink.
    #[serde(default)]
    pub manifest: ManifestConfig,
    /// Where the runner keeps what it knows of its runs. Default: the folder `_state` of the sink.
    #[serde(default)]
    pub state: StateConfig,
    /// What becomes of records that cannot be used.
    #[serde(default)]
    pub dead_letter: DeadLetterConfig,
    /// Bounds that stop a run, and the resources it may take.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// How `run` goes on by itself when it is called without a window. Default: it needs a window.
    #[serde(default)]
    pub schedule: Option<ScheduleConfig>,
    /// How AWS is reached, for all its services. Default: as the environment says.
    #[serde(default)]
    pub aws: AwsConfig,
    /// Who is told of the tables and their partitions. Default: nobody.
    #[serde(default)]
    pub catalog: CatalogConfig,
    /// Reserved for the warehouse; not read yet.
    #[serde(default)]
    pub load: Option<Reserved>,
    /// Where else each run is recorded. Default: nowhere.
    #[serde(default)]
    pub status: StatusConfig,
    /// Who is told when runs begin and end. Default: nobody.
    #[serde(default)]
    pub notify: NotifyConfig,
    /// Where the figures of each run go. Default: nowhere but into its report.
    #[serde(default)]
    pub metrics: MetricsConfig,
}

impl JobConfig {
    /// How buckets are reached, by the names of the sections that say so.
    pub fn buckets(&self) -> impl Iterator<Item = (&'static str, &S3Config)> {
        let written = [
            ("source", Some(&self.source.s3)),
            ("sink", Some(&self.sink.s3)),
            ("state", self.state.s3.as_ref()),
            ("dead_letter", self.dead_letter.s3.as_ref()),
        ];
        written.into_iter().filter_map(|(section, s3)| Some((section, s3?)))
    }

    /// Hands what is said of AWS as a whole to the sections that reach buckets.
    pub(super) fn hand_on_aws(&mut self) {
        let buckets =
            [Some(&mut self.source.s3), Some(&mut self.sink.s3), self.state.s3.as_mut(), self.dead_letter.s3.as_mut()];
        for s3 in buckets.into_iter().flatten() {
            s3.aws.clone_from(&self.aws);
        }
    }
}

/// A section whose feature does not exist yet. Writing anything in it is an error, so that nobody relies on it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reserved {}

/// A transformer and its options.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComponentConfig {
    /// Its name; `etl-runner list` prints all of them.
    pub name: String,
    /// Its options; `etl-runner explain NAME` prints them.
    #[serde(default)]
    pub with: Value,
}

/// One enrichment step of a table.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "EnrichFields")]
pub struct EnrichConfig {
    /// What it does.
    pub step: StepConfig,
    /// The table it works on; the transformer's first table when there is none.
    pub table: Option<String>,
    /// Whether it is done at all.
    pub enabled: bool,
}

/// The kinds of enrichment steps.
#[derive(Clone, Debug)]
pub enum StepConfig {
    /// An enrichment of the registry.
    Native {
        /// Its name.
        name: String,
        /// Its options.
        options: Value,
    },
    /// A SELECT over the table's rows.
    Sql {
        /// The file that holds it.
        file: PathBuf,
        /// The values of its `$name` parameters.
        parameters: Value,
    },
}

/// One enrichment step: `name` for a built-in, or `sql` for a SELECT in a file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EnrichConfig")]
pub(super) struct EnrichFields {
    /// A built-in enrichment; `etl-runner list` prints all of them.
    #[serde(default)]
    name: Option<String>,
    /// A file with one SELECT over the table's rows. It may add columns, fill columns and filter rows; it sees one row
    /// at a time, so it has no aggregates, joins, ordering or limits.
    #[serde(default)]
    sql: Option<PathBuf>,
    /// The table it works on. Default: the transformer's first table.
    #[serde(default)]
    table: Option<String>,
    /// The built-in's options, or the values of `$name` parameters of the SQL.
    #[serde(default)]
    with: Value,
    /// `false` leaves the step out.
    #[serde(default = "yes")]
    enabled: bool,
}

impl TryFrom<EnrichFields> for EnrichConfig {
    type Error = Error;

    fn try_from(fields: EnrichFields) -> Result<Self> {
        let step = match (fields.name, fields.sql) {
            (Some(name), None) => StepConfig::Native { name, options: fields.with },
            (None, Some(file)) => StepConfig::Sql { file, parameters: fields.with },
            (name, _) => {
                let what = match name {
                    Some(_) => "an enrichment has a `name` or a `sql` file, not both",
                    None => "an enrichment needs a `name` or a `sql` file",
                };
                return Err(Error::config(what).hint("`etl-runner list` prints the names"));
            }
        };
        Ok(Self { step, table: fields.table, enabled: fields.enabled })
    }
}

/// The schema is that of the keys as they are written.
impl JsonSchema for EnrichConfig {
    fn schema_name() -> Cow<'static, str> {
        EnrichFields::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        EnrichFields::json_schema(generator)
    }
}

/// Settings of one table.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TableConfig {
    /// Partition columns of the path, outermost first. Default: the transformer's.
    /// Example: `[{name: year, column: event_timestamp, part: year}]`
    #[schemars(with = "Option<Vec<PartitionBySchema>>")]
    pub partition_by: Option<Vec<etl_sdk::PartitionBy>>,
    /// `false` does not write the table.
    #[schemars(default = "yes")]
    pub write: Option<bool>,
}

/// One partition column of the path.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only describes etl_sdk::PartitionBy, which knows nothing of JSON Schema")]
struct PartitionBySchema {
    /// Name in the path.
    name: String,
    /// The column it is computed from.
    column: String,
    /// What is taken of the column: `value`, `year`, `month`, `day`, `hour` or `date`.
    part: PartSchema,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code, reason = "only describes etl_sdk::PartitionPart")]
enum PartSchema {
    Value,
    Year,
    Month,
    Day,
    Hour,
    Date,
}

/// Where run reports and the state are kept.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StateConfig {
    /// A folder or `s3://bucket/prefix`. Default: `_state` under the sink's url.
    pub url: Option<String>,
    /// How to reach an `s3://` url. Default: the sink's settings.
    pub s3: Option<S3Config>,
    /// The `job-latest.json` of a Spark pipeline that this job takes over from, or that others read: a file or an
    /// `s3://bucket/key`, reached as `url` is. Without a watermark of its own, the first scheduled run starts where it
    /// ends; it is written whenever the watermark moves, and so only after success. Default: none.
    pub job_latest: Option<String>,
    /// How long a run holds its window after the runner was last heard of. It renews its hold while it lives, so this is
    /// how long others wait after a machine is lost. Default: `60s`.
    pub lease: Option<Span>,
}

impl StateConfig {
    /// [`StateConfig::lease`] or its default.
    pub fn lease_length(&self) -> Duration {
        Duration::from_secs(self.lease.map_or(60, |span| span.seconds.unsigned_abs().max(1)))
    }
}

fn yes() -> bool {
    true
}
