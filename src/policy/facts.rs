//! What of AWS a job uses.

use super::arn::Arns;
use super::purpose::Purpose;
use crate::catalog::GlueConfig;
use crate::job::{Job, JobConfig, Places, StepConfig};
use crate::storage::{Encryption, Storage};
use etl_sdk::Result;
use serde_json::Value;

/// What of AWS a job uses. Each list is empty for what it does not have, or has on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// How things are named.
    pub arns: Arns,
    /// Where raw batches are.
    pub input: Vec<Prefix>,
    /// Where components read their settings.
    pub settings: Vec<Prefix>,
    /// Where the tables and manifests are.
    pub output: Vec<Prefix>,
    /// The job's state, when it is not below the output.
    pub state: Vec<Prefix>,
    /// The job's state, wherever it is.
    pub log: Vec<Prefix>,
    /// The job's dead letters, when they are not below the output.
    pub dead_letters: Vec<Prefix>,
    /// State and dead letters below the output, of all jobs that have theirs there: no business of who reads the tables alone.
    pub apart: Vec<Prefix>,
    /// The file that other pipelines read.
    pub job_latest: Vec<Prefix>,
    /// The catalog, its database and its tables.
    pub catalog: Option<CatalogNames>,
    /// Keys with which S3 encrypts what is written.
    pub keys: Vec<Key>,
    /// The table with the record of runs.
    pub status_table: Vec<String>,
    /// The files with the record of runs, when they are not below the output.
    pub status_files: Vec<Prefix>,
    /// The bus that events go to.
    pub bus: Vec<String>,
    /// The topic that messages go to.
    pub topic: Vec<String>,
    /// Whether a state machine waits for runs.
    pub is_waited_for: bool,
    /// The namespace of metrics that are sent.
    pub namespace: Option<String>,
    /// The role that is assumed.
    pub role: Option<String>,
    /// What needs no statement, and why.
    pub without: Vec<String>,
}

/// What the job touches in the Glue Data Catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogNames {
    /// The catalog, the database, and the tables by what their names begin with.
    pub tables: Vec<String>,
    /// The catalog and the database, when the job may make it.
    pub database: Vec<String>,
}

/// A key of KMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name; of an alias that of all keys beside it.
    pub arn: String,
    /// The alias that it must have.
    pub alias: Option<String>,
    /// The region of the bucket.
    pub region: String,
}

/// Keys of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The bucket.
    pub bucket: String,
    /// What their keys begin with, without a slash at its end; or the one key.
    pub path: String,
    /// It is the one key.
    pub is_key: bool,
}

impl Prefix {
    /// The keys of an `s3://` url; `None` for another place.
    fn of_url(url: &str) -> Option<Self> {
        let (bucket, path) = url.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
        Some(Self { bucket: bucket.to_owned(), path: path.trim_end_matches('/').to_owned(), is_key: false })
    }

    fn below(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) };
        Self { path, ..self.clone() }
    }

    /// Whether all keys of another are among these.
    fn holds(&self, other: &Self) -> bool {
        let below = other.path.strip_prefix(&self.path);
        let is_below = below.is_some_and(|rest| self.path.is_empty() || rest.is_empty() || rest.starts_with('/'));
        self.bucket == other.bucket && !self.is_key && is_below
    }
}

impl Facts {
    /// Reads them from the job file alone, as far as the purpose needs them. The region is the job's unless `arns` has one.
    pub fn of(job: &Job, arns: &Arns, purpose: Purpose) -> Result<Self> {
        let config = &job.config;
        let places = Places::open(job)?;
        let region = arns.region.clone().or_else(|| config.aws.region.clone());
        let mut facts = Self { arns: Arns { region, ..arns.clone() }, ..Self::default() };
        facts.role = config.aws.role.as_ref().map(|role| role.arn.clone());
        facts.input = facts.found("source", &places.source, config.source.s3.anonymous);
        facts.output = facts.found("sink", &places.sink, false);
        let state = facts.found("state", &places.state, false);
        let dead_letters = facts.found("dead letters", &places.dead_letters, false);
        let nested = |place: &&Prefix| facts.output.iter().any(|output| output.holds(place));
        facts.apart = state.iter().chain(&dead_letters).filter(nested).cloned().collect();
        facts.log = state.iter().map(|place| place.below(&config.job)).collect();
        let own = |places: &[Prefix], name: &str| -> Vec<Prefix> {
            places.iter().filter(|place| !nested(place)).map(|place| place.below(name)).collect()
        };
        (facts.state, facts.dead_letters) =
            (own(&state, &config.job), own(&dead_letters, &format!("job={}", config.job)));
        let latest = config.state.job_latest.as_deref().and_then(Prefix::of_url);
        let latest = latest.map(|file| Prefix { is_key: true, ..file });
        facts.job_latest = latest.filter(|file| !nested(&file)).into_iter().collect();
        facts.settings = settings(job);
        let is_told = matches!(purpose, Purpose::Run | Purpose::Catalog);
        let glue = config.catalog.glue.as_ref().filter(|glue| glue.enabled && is_told);
        facts.catalog = glue.map(|glue| CatalogNames::of(glue, &facts.arns)).transpose()?;
        // In the source nothing is written.
        for (section, s3) in config.buckets().filter(|(section, _)| *section != "source") {
            let Some(Encryption::Kms(kms)) = &s3.encryption else { continue };
            let key = Key::of(&kms.kms_key, section, s3.region.as_ref(), &facts.arns)?;
            if !facts.keys.contains(&key) {
                facts.keys.push(key);
            }
        }
        if purpose == Purpose::Run {
            facts.listeners(config)?;
        }
        Ok(facts)
    }

    /// Who is told of runs.
    fn listeners(&mut self, config: &JobConfig) -> Result<()> {
        let name = |section: &str, service: &str, resource: &str, known: &str| {
            if known.starts_with("arn:") { Ok(known.to_owned()) } else { self.arns.of(section, service, resource) }
        };
        if let Some(dynamodb) = &config.status.dynamodb {
            let table = name("status.dynamodb", "dynamodb", &format!("table/{}", dynamodb.table), &dynamodb.table)?;
            self.status_table = vec![table];
        }
        if let Some(events) = &config.notify.eventbridge {
            let bus = name("notify.eventbridge", "events", &format!("event-bus/{}", events.bus), &events.bus)?;
            self.bus = vec![bus];
        }
        self.topic = config.notify.sns.iter().map(|sns| sns.topic_arn.clone()).collect();
        self.is_waited_for = config.notify.step_functions.is_some();
        self.namespace = config.metrics.cloudwatch.then(|| config.metrics.namespace.clone());
        let file = config.status.file.as_deref().and_then(Prefix::of_url);
        let file = file.map(|file| match file.path.split_once('{') {
            // Each run has a file of its own there.
            Some((before, _)) => {
                let path = before.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
                Prefix { path, ..file }
            }
            None => Prefix { is_key: true, ..file },
        });
        self.status_files =
            file.filter(|file| !self.output.iter().any(|output| output.holds(file))).into_iter().collect();
        Ok(())
    }

    /// The keys of a place, if requests to it are signed.
    fn found(&mut self, name: &str, place: &Storage, is_anonymous: bool) -> Vec<Prefix> {
        let Some(prefix) = Prefix::of_url(place.url()) else {
            self.without.push(format!("{name}: the folder {} is on this machine", place.url()));
            return Vec::new();
        };
        if is_anonymous {
            self.without.push(format!("{name}: {} is read without credentials", place.url()));
            return Vec::new();
        }
        vec![prefix]
    }
}

impl Key {
    /// The key of an id, an alias, or the ARN of either.
    fn of(name: &str, section: &str, region: Option<&String>, arns: &Arns) -> Result<Self> {
        let arns = Arns { region: region.or(arns.region.as_ref()).cloned(), ..arns.clone() };
        let section = format!("{section}.s3.encryption");
        let whole = if name.starts_with("arn:") {
            name.to_owned()
        } else if name.starts_with("alias/") {
            arns.of(&section, "kms", name)?
        } else {
            arns.of(&section, "kms", &format!("key/{name}"))?
        };
        let region = whole.split(':').nth(3).unwrap_or_default().to_owned();
        Ok(match whole.split_once(":alias/") {
            Some((account, alias)) => {
                Self { arn: format!("{account}:key/*"), alias: Some(format!("alias/{alias}")), region }
            }
            None => Self { arn: whole, alias: None, region },
        })
    }
}

impl CatalogNames {
    fn of(glue: &GlueConfig, arns: &Arns) -> Result<Self> {
        let account = glue.catalog_id.clone().or_else(|| arns.account.clone());
        let arns = Arns { account, ..arns.clone() };
        let name = |resource: &str| arns.of("catalog.glue", "glue", resource);
        let GlueConfig { database, table_prefix, .. } = glue;
        let whole = vec![name("catalog")?, name(&format!("database/{database}"))?];
        let mut tables = whole.clone();
        tables.push(name(&format!("table/{database}/{table_prefix}*"))?);
        Ok(Self { tables, database: if glue.create_database { whole } else { Vec::new() } })
    }
}

/// The `s3://` urls among the options of components.
fn settings(job: &Job) -> Vec<Prefix> {
    let config = &job.config;
    let steps = config.enrich.iter().filter(|step| step.enabled).filter_map(|step| match &step.step {
        StepConfig::Native { options, .. } => Some(options),
        StepConfig::Sql { .. } => None,
    });
    named_in(&std::iter::once(&config.transformer.with).chain(steps).collect::<Vec<_>>())
}

/// The `s3://` urls among some values, each once.
pub(super) fn named_in(values: &[&Value]) -> Vec<Prefix> {
    let mut found: Vec<Prefix> = Vec::new();
    for value in values {
        let more = match value {
            Value::String(text) => Prefix::of_url(text).into_iter().collect(),
            Value::Array(all) => named_in(&all.iter().collect::<Vec<_>>()),
            Value::Object(all) => named_in(&all.values().collect::<Vec<_>>()),
            _ => Vec::new(),
        };
        for prefix in more {
            if !found.contains(&prefix) {
                found.push(prefix);
            }
        }
    }
    found
}
