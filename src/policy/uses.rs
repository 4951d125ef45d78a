//! What jobs do on AWS and what that takes: one list.
//!
//! S3 asks for `s3:PutObject` to begin, send and complete an upload, and takes a key that is not there for a listing of that
//! key: without `s3:ListBucket` for it the answer is 403 and not 404, and a lease that nobody holds would be an error.

use super::document::{Conditions, Effect, Statement};
use super::facts::{Facts, Key, Prefix};
use super::purpose::Purpose::{self, Assume, Catalog, Load, Read, Run};
use std::collections::BTreeMap;

/// Something that jobs do.
pub(super) struct Use {
    /// The reason as a name.
    sid: &'static str,
    /// Who does it.
    pub(super) by: &'static [Purpose],
    /// The reason in words.
    why: &'static str,
    effect: Effect,
    actions: &'static [&'static str],
    /// What it is done on; nothing when the job does not do it. Each becomes a statement.
    on: fn(&Facts) -> Vec<On>,
}

/// What a statement is about.
struct On {
    resources: Vec<String>,
    conditions: Conditions,
}

const FIND: &[&str] = &["s3:ListBucket"];
const FETCH: &[&str] = &["s3:GetObject"];
const FIND_UPLOADS: &[&str] = &["s3:ListBucketMultipartUploads"];

/// Files are uploads that are completed, given up, or measured by `gc`.
const KEEP_FILES: &[&str] =
    &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];

/// The state is written object by object.
const KEEP_OBJECTS: &[&str] = &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"];

/// The parts of an upload are put together from what was encrypted before.
const ENCRYPT: &[&str] = &["kms:GenerateDataKey", "kms:Decrypt"];

/// A token names the task; there is no resource for it.
const ANSWER: &[&str] = &["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"];

const KEEP_CATALOG: &[&str] = &[
    "glue:GetTable",
    "glue:CreateTable",
    "glue:UpdateTable",
    "glue:BatchGetPartition",
    "glue:BatchCreatePartition",
    "glue:BatchUpdatePartition",
    "glue:BatchDeletePartition",
];

/// All of it, in the order of the policy.
pub(super) const USES: &[Use] = &[
    allow("FindInput", &[Run, Read], "find the objects of a window", FIND, |job| job.listed(&job.input)),
    allow("ReadInput", &[Run], "read raw batches", FETCH, |job| job.objects(&job.input)),
    allow("FindSettings", &[Run, Read, Catalog], "find the settings that components name", FIND, |job| {
        job.listed(&job.settings)
    }),
    allow("ReadSettings", &[Run, Read, Catalog], "read them", FETCH, |job| job.objects(&job.settings)),
    allow("FindOutput", &[Run, Read, Catalog, Load], "find tables and manifests", FIND, |job| job.listed(&job.output)),
    allow(
        "KeepOutput",
        &[Run],
        "write, read and replace tables, manifests and what is kept below them",
        KEEP_FILES,
        |job| job.objects(&job.output),
    ),
    allow("ReadOutput", &[Read, Load], "read tables and manifests", FETCH, |job| job.objects(&job.output)),
    Use {
        effect: Effect::Deny,
        ..allow("KeepApart", &[Load], "leave state and dead letters alone", FETCH, |job| job.objects(&job.apart))
    },
    allow("FindState", &[Run, Read], "find what is known of runs", FIND, |job| job.listed(&job.state)),
    allow("KeepState", &[Run], "keep the commit log, leases and reports", KEEP_OBJECTS, |job| job.objects(&job.state)),
    allow("ReadState", &[Read], "read the commit log and reports", FETCH, |job| job.objects(&job.state)),
    allow("FindCommits", &[Catalog], "find what runs have committed", FIND, |job| job.listed(&job.log)),
    allow("ReadCommits", &[Catalog], "read it", FETCH, |job| job.objects(&job.log)),
    allow("FindDeadLetters", &[Run, Read], "find dead letters", FIND, |job| job.listed(&job.dead_letters)),
    allow("KeepDeadLetters", &[Run], "write, read and replace dead letters", KEEP_FILES, |job| {
        job.objects(&job.dead_letters)
    }),
    allow("ReadDeadLetters", &[Read], "read dead letters", FETCH, |job| job.objects(&job.dead_letters)),
    allow("FindUploads", &[Run], "resume or clear away what a killed run left", FIND_UPLOADS, Facts::buckets_of_files),
    allow("FindJobLatest", &[Run], "learn whether job-latest.json is there", FIND, |job| job.listed(&job.job_latest)),
    allow(
        "KeepJobLatest",
        &[Run],
        "keep job-latest.json for other pipelines",
        &["s3:GetObject", "s3:PutObject"],
        |job| job.objects(&job.job_latest),
    ),
    allow("MakeDatabase", &[Run, Catalog], "make the database of the catalog", &["glue:CreateDatabase"], |job| {
        one(job.catalog.iter().flat_map(|catalog| catalog.database.clone()).collect())
    }),
    allow("KeepCatalog", &[Run, Catalog], "make tables and keep their partitions", KEEP_CATALOG, |job| {
        one(job.catalog.iter().flat_map(|catalog| catalog.tables.clone()).collect())
    }),
    allow("ListPartitions", &[Catalog], "compare the catalog with the tables", &["glue:GetPartitions"], |job| {
        one(job.catalog.iter().flat_map(|catalog| catalog.tables.clone()).collect())
    }),
    allow("EncryptOutput", &[Run], "encrypt what is written, and read it again", ENCRYPT, Facts::encrypted),
    allow("DecryptOutput", &[Read, Catalog, Load], "read what is encrypted", &["kms:Decrypt"], Facts::encrypted),
    allow("MirrorStatus", &[Run], "keep the record of runs", &["dynamodb:GetItem", "dynamodb:PutItem"], |job| {
        one(job.status_table.clone())
    }),
    allow("FindStatusFiles", &[Run], "learn whether there is a record of a run", FIND, |job| {
        job.listed(&job.status_files)
    }),
    allow("KeepStatusFiles", &[Run], "keep the record of runs", &["s3:GetObject", "s3:PutObject"], |job| {
        job.objects(&job.status_files)
    }),
    allow("SendEvents", &[Run], "tell of runs on the bus", &["events:PutEvents"], |job| one(job.bus.clone())),
    allow("PublishMessages", &[Run], "tell the topic of runs", &["sns:Publish"], |job| one(job.topic.clone())),
    allow("AnswerStateMachine", &[Run], "answer the state machine that waits", ANSWER, |job| {
        one(job.is_waited_for.then(|| "*".to_owned()).into_iter().collect())
    }),
    allow("PutMetrics", &[Run], "send metrics", &["cloudwatch:PutMetricData"], Facts::measured),
    allow("AssumeRole", &[Assume], "assume the role of the job", &["sts:AssumeRole"], Facts::assumed),
];

const fn allow(
    sid: &'static str,
    by: &'static [Purpose],
    why: &'static str,
    actions: &'static [&'static str],
    on: fn(&Facts) -> Vec<On>,
) -> Use {
    Use { sid, by, why, effect: Effect::Allow, actions, on }
}

impl Use {
    /// Its statements for a job; those after the first are numbered.
    pub(super) fn statements(&self, job: &Facts) -> Vec<Statement> {
        let statement = |(index, target): (usize, On)| Statement {
            sid: if index == 0 { self.sid.to_owned() } else { format!("{}{}", self.sid, index + 1) },
            effect: self.effect,
            action: self.actions.to_vec(),
            resource: target.resources,
            condition: target.conditions,
            why: self.why,
        };
        (self.on)(job).into_iter().enumerate().map(statement).collect()
    }
}

impl Facts {
    /// The buckets of these keys, each for listings of its keys alone.
    fn listed(&self, prefixes: &[Prefix]) -> Vec<On> {
        let mut by_bucket: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for prefix in prefixes {
            by_bucket.entry(&prefix.bucket).or_default().push(pattern(prefix));
        }
        let target = |(bucket, patterns): (&str, Vec<String>)| {
            // A listing of a whole bucket has no prefix that could be compared.
            let is_whole = patterns.iter().any(|pattern| pattern == "*");
            let condition = ("StringLike", BTreeMap::from([("s3:prefix", patterns)]));
            let conditions = if is_whole { Conditions::new() } else { Conditions::from([condition]) };
            On { resources: vec![self.arns.bucket(bucket)], conditions }
        };
        by_bucket.into_iter().map(target).collect()
    }

    /// The objects of these keys.
    fn objects(&self, prefixes: &[Prefix]) -> Vec<On> {
        let object = |prefix: &Prefix| format!("{}/{}", self.arns.bucket(&prefix.bucket), pattern(prefix));
        one(prefixes.iter().map(object).collect())
    }

    /// The buckets that have uploads. IAM knows no prefix for the listing of those.
    fn buckets_of_files(&self) -> Vec<On> {
        let mut buckets: Vec<String> =
            self.output.iter().chain(&self.dead_letters).map(|prefix| self.arns.bucket(&prefix.bucket)).collect();
        buckets.dedup();
        one(buckets)
    }

    /// The keys, each through S3 of its region alone. IAM takes the alias of a key for a condition, and not for its name.
    fn encrypted(&self) -> Vec<On> {
        let target = |key: &Key| {
            let service = vec![format!("s3.{}.amazonaws.com", key.region)];
            let mut conditions = Conditions::from([("StringEquals", BTreeMap::from([("kms:ViaService", service)]))]);
            if let Some(alias) = &key.alias {
                let alias = BTreeMap::from([("kms:ResourceAliases", vec![alias.clone()])]);
                conditions.insert("ForAnyValue:StringEquals", alias);
            }
            On { resources: vec![key.arn.clone()], conditions }
        };
        self.keys.iter().map(target).collect()
    }

    /// Metrics, which have no resource, of one namespace.
    fn measured(&self) -> Vec<On> {
        let target = |namespace: &String| {
            let namespace = BTreeMap::from([("cloudwatch:namespace", vec![namespace.clone()])]);
            On { resources: vec!["*".to_owned()], conditions: Conditions::from([("StringEquals", namespace)]) }
        };
        self.namespace.iter().map(target).collect()
    }

    fn assumed(&self) -> Vec<On> {
        one(self.role.iter().cloned().collect())
    }
}

/// A statement about all of these, if there are any.
fn one(resources: Vec<String>) -> Vec<On> {
    if resources.is_empty() { Vec::new() } else { vec![On { resources, conditions: Conditions::new() }] }
}

/// The keys as IAM writes them.
fn pattern(prefix: &Prefix) -> String {
    let path = literal(&prefix.path);
    match (prefix.is_key, path.is_empty()) {
        (true, _) => path,
        (false, true) => "*".to_owned(),
        (false, false) => format!("{path}/*"),
    }
}

/// A text that stands for itself, where `*`, `?` and `$` stand for more.
fn literal(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '*' | '?' | '$' => written.extend(["${", character.encode_utf8(&mut [0; 4]), "}"]),
            _ => written.push(character),
        }
    }
    written
}
