//! The run report as data. Field names are a contract: dashboards and the job's history read them. Reports of older
//! versions are read too: a field that they do not have is empty.

use super::effect::Effect;
use super::error::ErrorReport;
use super::requests::S3Report;
use crate::text::instant_exact;
use crate::text::suggest::variant;
use crate::window::Window;
use etl_sdk::{CacheStats, EpochMillis, Error, Fact, Ledger, ReasonCode, Result, StepCounts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;
use strum::{IntoStaticStr, VariantArray};

/// Version of the report's fields. It grows when a field changes its meaning or goes away, not when one is added.
pub const SCHEMA_VERSION: u32 = 1;

/// All that is known of a run at its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Name of the run.
    pub run_id: String,
    /// Name of the job.
    pub job: String,
    /// How it ended.
    pub status: Status,
    /// The window, `[start, end)`.
    pub window: WindowReport,
    /// The run's instant, RFC 3339 in UTC.
    pub now: String,
    /// Version of the program.
    pub version: String,
    /// Whether nothing was to be published.
    pub dry_run: bool,
    /// 0 for the first run of the window that commits, then one more with each that replaces it.
    #[serde(default)]
    pub revision: u32,
    /// 0 for a run; `k` for the `k`th replay of dead letters that adds to it.
    #[serde(default)]
    pub amendment: u32,
    /// Whether the window was open: it is to be run again once it is closed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
    /// Tasks that an earlier run had finished and this one took as they were.
    #[serde(default)]
    pub resumed_tasks: u64,
    /// Set when the run ended without a commit and finished tasks are kept: the next run of the window goes on with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptTasks>,
    /// Set when the report is of several windows that were decided together, since none of them has input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty: Option<EmptyReport>,
    /// Set when files of earlier runs were merged: nothing was read but them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compacted: Option<CompactedReport>,
    /// Input objects.
    pub objects: ObjectsReport,
    /// Bytes in and out.
    pub bytes: BytesReport,
    /// Raw records read.
    pub records: u64,
    /// Rows per step, in the order rows meet them.
    pub steps: Vec<StepReport>,
    /// What was written per table.
    pub tables: Vec<TableReport>,
    /// Every file written, sorted by path.
    pub files: Vec<FileReport>,
    /// What could not be used.
    pub dead_letters: DeadLetterReport,
    /// What the quality rules found, in the order of the job file.
    #[serde(default)]
    pub quality: Vec<RuleResult>,
    /// Hit rates.
    pub caches: Vec<CacheReport>,
    /// What the enrichments say of their data.
    pub enrichments: Vec<EnrichmentReport>,
    /// Where the time went.
    pub phases: Vec<PhaseReport>,
    /// From start to end on the clock.
    pub elapsed_seconds: f64,
    /// When it began, on the clock of the machine.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Of all threads that worked for it, user and system; none if the system does not tell.
    pub cpu_seconds: Option<f64>,
    /// Most resident memory of the process while it ran; none when others ran beside it in the process, or when it was more
    /// before.
    pub peak_memory_bytes: Option<u64>,
    /// What it asked of S3, up to the keeping of this report; none of a run without buckets. What windows that run side by
    /// side share, such as a listing, is of the one that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Report>,
    /// Where it ran, when AWS Batch or ECS started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementReport>,
    /// What the run would do to what is there; only of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// What a person should know of, though the run did not fail for it.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Status {
    /// All was read and published.
    Done,
    /// No object in the window.
    Empty,
    /// Stopped by an error; nothing was published.
    #[default]
    Failed,
    /// A gate refused to publish.
    Refused,
    /// The window is committed, and something is still to be made visible.
    Partly,
    /// Another run holds the window, or has committed it first.
    Held,
    /// Told to end by a signal; nothing was published.
    Stopped,
}

impl Status {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether a run that ended so is committed.
    pub fn is_committed(self) -> bool {
        matches!(self, Self::Done | Self::Empty | Self::Partly)
    }
}

impl FromStr for Status {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        variant("status", name)
    }
}

/// A window as text, RFC 3339 in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowReport {
    /// First instant.
    pub start: String,
    /// First instant after.
    pub end: String,
}

/// Finished tasks of a run that came to no commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptTasks {
    /// How many.
    pub finished: u64,
    /// Tasks of the run.
    pub tasks: u64,
}

/// Windows without input that share a report: they tile its window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmptyReport {
    /// How many.
    pub windows: u64,
    /// Length of each.
    pub seconds: u64,
}

/// What was merged by a compaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompactedReport {
    /// Windows that it replaces.
    pub windows: u64,
    /// Their files.
    pub files: u64,
    /// The bytes of these.
    pub bytes: u64,
}

/// What AWS Batch and ECS say of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlacementReport {
    /// Id of the job of AWS Batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_job_id: Option<String>,
    /// Its try, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_attempt: Option<u64>,
    /// Its place in an array of jobs, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_array_index: Option<u64>,
    /// ARN of the task of ECS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_arn: Option<String>,
    /// Its cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Its task definition: `family:revision`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<String>,
}

/// Input objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectsReport {
    /// Seen in the listing.
    pub listed: u64,
    /// In the window and fit to be read.
    pub selected: u64,
    /// Left out, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Seen under path hours where no window looks for them: none reads them.
    pub strays: u64,
    /// Read to their end, or to their first fault.
    pub read: u64,
    /// In an archive class, unreadable without a restore.
    pub archived: u64,
    /// Those that end too early or are broken, so that not all of them was read.
    pub damaged: u64,
}

/// Bytes in and out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BytesReport {
    /// As stored.
    pub compressed: u64,
    /// As read by the framer.
    pub decompressed: u64,
    /// Of all output files.
    pub written: u64,
}

/// Rows of one step: `read + added = kept + filtered + dead`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepReport {
    /// Name of the step.
    pub name: String,
    /// The table it works on; none for steps before there are rows.
    pub table: Option<String>,
    /// Rows in.
    pub read: u64,
    /// Rows made.
    pub added: u64,
    /// Rows out.
    pub kept: u64,
    /// Left out on purpose, by reason.
    pub filtered: BTreeMap<String, u64>,
    /// To the dead letters, by reason.
    pub dead: BTreeMap<String, u64>,
    /// Whether every row is accounted for.
    pub balances: bool,
}

/// What was written of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableReport {
    /// Name of the table.
    pub name: String,
    /// Rows in all files.
    pub rows: u64,
    /// Number of files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Number of partitions with rows.
    pub partitions: u64,
}

/// An output file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileReport {
    /// Name of its table.
    pub table: String,
    /// Path under the sink's url.
    pub path: String,
    /// `partition_year=2026/partition_month=11`; empty without partitions.
    pub partition: String,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What could not be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadLetterReport {
    /// All of them.
    pub total: u64,
    /// By reason code, over all steps.
    pub by_reason: BTreeMap<String, u64>,
    /// Records that damaged objects have probably lost beside them: an estimate.
    pub probably_lost: u64,
    /// Where they were written.
    pub files: Vec<String>,
}

/// What a quality rule found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleResult {
    /// Name of the rule.
    pub name: String,
    /// The table it judges.
    pub table: String,
    /// `complete`, `unique`, `in`, `range`, `sql` or `rows`.
    pub kind: String,
    /// `warn`, `dead_letter` or `stop`.
    pub action: String,
    /// Rows it judged; of `rows`, the rows of the table.
    pub rows: u64,
    /// Rows that break it; none of `rows`, which judges their number.
    pub broken: u64,
    /// Whether the rule holds.
    pub passed: bool,
    /// What was found, for a person.
    pub observed: String,
    /// Values of up to three rows that break it, shortened; none when `dead_letter.raw_bytes` is 0.
    pub examples: Vec<String>,
}

/// Hit rate of a cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheReport {
    /// Name of the cache.
    pub name: String,
    /// Look-ups answered.
    pub hits: u64,
    /// Look-ups computed.
    pub misses: u64,
    /// 0 to 1; none before the first look-up.
    pub hit_rate: Option<f64>,
}

/// What an enrichment says of its data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnrichmentReport {
    /// The step.
    pub step: String,
    /// `build date` and the like, in its own words.
    pub facts: BTreeMap<String, String>,
}

/// A part of the run and its time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhaseReport {
    /// `list`, `read`, `merge`, `publish`.
    pub name: String,
    /// On the clock.
    pub elapsed_seconds: f64,
}

impl From<Window> for WindowReport {
    fn from(window: Window) -> Self {
        Self { start: instant_exact(window.start), end: instant_exact(window.end) }
    }
}

impl From<&CacheStats> for CacheReport {
    fn from(stats: &CacheStats) -> Self {
        Self { name: stats.name.to_string(), hits: stats.hits, misses: stats.misses, hit_rate: stats.hit_rate() }
    }
}

impl StepReport {
    /// The counts of one step.
    pub fn new(name: &str, table: Option<&str>, counts: &StepCounts) -> Self {
        let owned = |reasons: &BTreeMap<ReasonCode, u64>| {
            reasons.iter().map(|(reason, rows)| (reason.to_string(), *rows)).collect()
        };
        Self {
            name: name.to_owned(),
            table: table.map(str::to_owned),
            read: counts.read,
            added: counts.added,
            kept: counts.kept,
            filtered: owned(&counts.filtered),
            dead: owned(&counts.dead),
            balances: counts.balances(),
        }
    }

    /// Rows left out on purpose.
    pub fn filtered_total(&self) -> u64 {
        self.filtered.values().sum()
    }

    /// Rows in the dead letters.
    pub fn dead_total(&self) -> u64 {
        self.dead.values().sum()
    }
}

impl EnrichmentReport {
    /// The facts of one step.
    pub fn new(step: &str, facts: &[Fact]) -> Self {
        let facts = facts.iter().map(|fact| (fact.name.to_string(), fact.value.clone())).collect();
        Self { step: step.to_owned(), facts }
    }
}

impl RunReport {
    /// A report of a run that has done nothing yet; its status is `failed` until it is set.
    pub fn new(run_id: impl Into<String>, job: impl Into<String>, window: Window, now_msec: EpochMillis) -> Self {
        let now = chrono::DateTime::from_timestamp_millis(now_msec.0).unwrap_or_default();
        Self {
            schema_version: SCHEMA_VERSION,
            run_id: run_id.into(),
            job: job.into(),
            window: window.into(),
            now: instant_exact(now),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Self::default()
        }
    }

    /// Takes the steps and the dead letters' counts from the ledger. `table_of` names the table of a step.
    pub fn set_ledger(&mut self, ledger: &Ledger, table_of: &dyn Fn(&str) -> Option<String>) {
        self.steps =
            ledger.steps().map(|(name, counts)| StepReport::new(name, table_of(name).as_deref(), counts)).collect();
        let mut by_reason = BTreeMap::new();
        for (reason, rows) in self.steps.iter().flat_map(|step| &step.dead) {
            *by_reason.entry(reason.clone()).or_insert(0) += rows;
        }
        self.dead_letters.total = by_reason.values().sum();
        self.dead_letters.by_reason = by_reason;
    }

    /// Takes the files, sorted by path, and sums them up per table. `tables` are the names in the order to print;
    /// a table without files is listed with zeros.
    pub fn set_files(&mut self, tables: &[&str], mut files: Vec<FileReport>) {
        files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        self.tables = tables
            .iter()
            .map(|name| {
                let own = || files.iter().filter(|file| file.table == *name);
                let mut partitions: Vec<&str> = own().map(|file| file.partition.as_str()).collect();
                partitions.sort_unstable();
                partitions.dedup();
                TableReport {
                    name: (*name).to_owned(),
                    rows: own().map(|file| file.rows).sum(),
                    files: own().count() as u64,
                    bytes: own().map(|file| file.bytes).sum(),
                    partitions: partitions.len() as u64,
                }
            })
            .collect();
        self.bytes.written = files.iter().map(|file| file.bytes).sum();
        self.files = files;
    }
}
