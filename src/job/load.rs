//! Reads a job file: YAML, overrides, variables, shape, types, and the checks that no schema can express.

use super::config::JobConfig;
use super::environment::{Environment, substitute};
use super::mistakes::{Part, config_of, is_at_one_of, part_of, setting_of, without};
use super::yaml::{Entry, Node, NodeKind, Place, parse, wrong};
use super::{overrides, schema, shape};
use crate::catalog::GlueAddress;
use crate::job::EnrichConfig;
use crate::job::config::EnrichFields;
use crate::rows::quality::{QualityConfig, QualityFields};
use crate::storage::{PrefixReader, Section};
use etl_sdk::{BuildContext, Error, ErrorKind, RemoteFolders, Result};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest job file. A bigger one is some other file.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Sections whose place is kept and that nothing reads yet.
const RESERVED: [&str; 1] = ["load"];

/// A job file that was read and checked.
#[derive(Clone, Debug)]
pub struct Job {
    /// What the file says, with overrides and variables applied.
    pub config: JobConfig,
    /// The file as it was named.
    pub path: PathBuf,
    /// The folder that relative paths of the job start from.
    pub folder: PathBuf,
    /// The file's text as it stands, without overrides and variables: fit to be kept, it holds no secrets of the
    /// environment.
    pub text: String,
    /// Every key and value with its line, for errors that are found later.
    document: Node,
}

/// Reads and checks a job file. `overrides` are `path=value` texts, applied in order; `environment` looks up variables.
///
/// Fails with kind `Usage` for an override that is none and `Config` for all else, a missing file included; messages
/// about the content begin with `file:line`.
pub fn load(path: &Path, overrides: &[String], environment: Environment<'_>) -> Result<Job> {
    load_text(read(path)?, path, overrides, environment)
}

/// As [`load`], of a text: `path` is the name that messages carry and that relative paths start from; no file is read.
pub fn load_text(text: String, path: &Path, overrides: &[String], environment: Environment<'_>) -> Result<Job> {
    examine_text(text, path, overrides, environment)?.sound()
}

/// As [`load`], with all that is wrong with the content. Fails for a file that cannot be read, and for an override that is
/// none.
pub fn examine(path: &Path, overrides: &[String], environment: Environment<'_>) -> Result<Examined> {
    examine_text(read(path)?, path, overrides, environment)
}

fn examine_text(text: String, path: &Path, overrides: &[String], environment: Environment<'_>) -> Result<Examined> {
    let mut document = parse(&text, &path.display().to_string())?;
    for text in overrides {
        overrides::apply(&mut document, text)?;
    }
    let mut mistakes = Vec::new();
    substitute(&mut document, environment, &mut mistakes);
    drop_empty_sections(&mut document);
    if document.is_null() {
        return Err(
            wrong(&document.place, "the job file is empty").hint("`etl-runner explain job` prints what it may say")
        );
    }
    let written = document.clone();
    mistakes.extend(take_reserved(&mut document));
    let schema = schema::plain();
    let mut found = shape::mistakes(&document, &schema, &schema, "");
    found.extend(exclusive(&document));
    // What could not be replaced has no shape yet.
    found.retain(|error| !is_at_one_of(error, &mistakes));
    // It stays as it was written, so that the rest of its section can be read.
    let sound = without(&document, &found);
    mistakes.extend(found);
    let found = sound.and_then(|mut sound| Some((config_of(&mut sound, &mut mistakes)?, sound)));
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let job = found.map(|(mut config, document)| {
        config.hand_on_aws();
        Job { config, path: path.to_path_buf(), folder, text, document }
    });
    let (bounds, further) = job.as_ref().map(|job| (job.bounds(), job.validate())).unwrap_or_default();
    let mut examined = Examined { job, document: written, mistakes };
    examined.add_if(further, part_of);
    examined.add_if(bounds, setting_of);
    Ok(examined)
}

/// A job file as far as it can be understood, and what is wrong with it.
pub struct Examined {
    /// The job without what is wrong; `None` when the rest is no job.
    pub job: Option<Job>,
    document: Node,
    mistakes: Vec<Error>,
}

impl Examined {
    /// Adds what a closer look has found. What it says of a part that is known to be wrong is left out: the part was not
    /// looked at as it was written.
    pub fn add(&mut self, found: Vec<Error>) {
        self.add_if(found, part_of);
    }

    /// Adds what was found in parts in which nothing is known to be wrong.
    fn add_if(&mut self, found: Vec<Error>, part_of: fn(&Node, &Error) -> Option<Part>) {
        let known: Vec<Option<Part>> = self.mistakes.iter().map(|error| part_of(&self.document, error)).collect();
        let found = found.into_iter().flat_map(Error::split);
        self.mistakes.extend(found.filter(|error| {
            let part = part_of(&self.document, error);
            if part.is_some() { !known.contains(&part) } else { known.is_empty() }
        }));
    }

    /// Fails with all mistakes, in the order of the file.
    pub fn check(&mut self) -> Result<()> {
        let mut mistakes = std::mem::take(&mut self.mistakes);
        mistakes.sort_by_key(|error| error.place().map(|place| (place.line, place.column)));
        Error::all(mistakes)
    }

    /// The job, if nothing is wrong with it.
    pub fn sound(mut self) -> Result<Job> {
        self.check()?;
        self.job.ok_or_else(|| Error::internal("read the job file"))
    }
}

impl Job {
    /// What components may use while they are built.
    pub fn context(&self) -> BuildContext {
        BuildContext { folder: self.folder.clone(), remote: RemoteFolders(Some(Arc::new(self.prefix_reader()))) }
    }

    /// Which catalog the job tells, and how it is reached; `None` for a job without one.
    pub fn glue_address(&self) -> Option<GlueAddress> {
        let glue = self.config.catalog.glue.as_ref()?;
        Some(GlueAddress {
            aws: self.config.aws.clone(),
            retry: self.config.limits.retry,
            database: glue.database.clone(),
            catalog_id: glue.catalog_id.clone(),
            create_database: glue.create_database,
        })
    }

    /// Reads settings behind urls, reached as the source is.
    pub fn prefix_reader(&self) -> PrefixReader {
        let section = Some(self.section_of("source"));
        PrefixReader { s3: self.config.source.s3.clone(), retry: self.config.limits.retry, section }
    }

    /// The section that says how a bucket is reached.
    pub(super) fn section_of(&self, name: &'static str) -> Section {
        Section { name, place: self.locate(&[name, "s3", "endpoint"]), serves: name }
    }

    /// The file and line of a key, as `jobs/x.yaml:12`: of the deepest part of the path that was written.
    /// Elements of lists are named by their number.
    pub fn locate(&self, path: &[&str]) -> String {
        self.place(path).to_string()
    }

    /// Puts the place of a key before an error, keeping its kind and hint.
    #[must_use]
    pub fn placed(&self, path: &[&str], error: Error) -> Error {
        self.placed_as(error.kind(), path, error)
    }

    /// As [`Job::placed`], with a kind of its own.
    pub(super) fn placed_as(&self, kind: ErrorKind, path: &[&str], error: Error) -> Error {
        placed_as(kind, self.place(path), error)
    }

    /// The job file as data, with overrides and variables applied. It may hold secrets of the environment.
    pub fn effective(&self) -> serde_json::Value {
        self.document.to_value()
    }

    pub(super) fn place(&self, path: &[&str]) -> &Place {
        self.document.place_of(path.iter().copied())
    }

    pub(super) fn node(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(&self.document, |node, key| node.get(key))
    }
}

fn placed_as(kind: ErrorKind, place: &Place, error: Error) -> Error {
    let placed = place.mark(Error::new(kind, place.to_string()));
    match error.hint_text() {
        Some(hint) => placed.hint(hint.to_owned()).source(error),
        None => placed.source(error),
    }
}

fn read(path: &Path) -> Result<String> {
    let fail = |error: io::Error| {
        // Exit code 2 for each of them: the command line names a file that is no job file.
        Error::config("read the job file")
            .with("file", path.display())
            .source(error)
            .hint("a path without a leading slash starts from the current folder")
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)).map_err(fail)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::config("read the job file")
            .with("file", path.display())
            .with("limit", "4MiB")
            .hint("the file is larger than any job file; is it another file?"));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| Error::config("read the job file").with("file", path.display()).source(error.utf8_error()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// A section whose lines are all commented out reads as null; it means the same as no section.
fn drop_empty_sections(document: &mut Node) {
    if let NodeKind::Mapping(entries) = &mut document.kind {
        entries.retain(|entry| !entry.value.is_null());
    }
}

fn take_reserved(document: &mut Node) -> Vec<Error> {
    let NodeKind::Mapping(entries) = &mut document.kind else { return Vec::new() };
    let reserved = entries.extract_if(.., |entry| RESERVED.contains(&entry.key.as_str()));
    let refuse = |entry: Entry| {
        wrong(&entry.place, format_args!("the section `{}` is not there yet", entry.key))
            .hint("its name is kept for a later version; remove it")
    };
    reserved.map(refuse).collect()
}

/// Finds keys that exclude each other, here and not in [`typed`], which knows neither hints nor the key at fault. What is
/// wrong otherwise is left to it.
fn exclusive(document: &Node) -> Vec<Error> {
    let placed = |path: [&str; 3], error: Error| placed_as(error.kind(), document.place_of(path), error);
    let steps = elements::<EnrichFields>(document, "enrich").filter_map(|(index, step)| {
        let error = EnrichConfig::try_from(step).err()?;
        Some(placed(["enrich", &index, ""], error))
    });
    let rules = elements::<QualityFields>(document, "quality").filter_map(|(index, rule)| {
        let wrong = QualityConfig::try_from(rule).err()?;
        Some(placed(["quality", &index, wrong.key], wrong.error))
    });
    steps.chain(rules).collect()
}

/// The elements of a list that can be read as such, each behind its number.
fn elements<T: DeserializeOwned>(document: &Node, section: &str) -> impl Iterator<Item = (String, T)> {
    let items = match document.get(section).map(|node| &node.kind) {
        Some(NodeKind::Sequence(items)) => items.as_slice(),
        _ => &[],
    };
    let items = items.iter().enumerate();
    items.filter_map(|(index, item)| Some((index.to_string(), serde_json::from_value(item.to_value()).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
job: shop-events
source:
  url: ${RAW:-./raw}
  layout: flat
transformer:
  name: records
enrich:
  - name: user-agent
    table: event
sink:
  url: ./out
limits:
  memory: 256MiB
state:
  # nothing yet
";

    fn with(change: &dyn Fn(&str) -> String, overrides: &[&str]) -> Result<Job> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.yaml");
        std::fs::write(&path, change(GOOD)).unwrap();
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        load(&path, &overrides, &|name| (name == "SET").then(|| "value".to_owned()))
    }

    fn failure(change: &dyn Fn(&str) -> String, overrides: &[&str]) -> (String, ErrorKind) {
        let error = with(change, overrides).expect_err("the job file is wrong");
        let text = error.to_string();
        (text.split_once("job.yaml:").map_or(text.clone(), |(_, rest)| rest.to_owned()), error.kind())
    }

    #[test]
    fn a_job_is_read_with_overrides_and_variables() {
        let job = with(&str::to_owned, &["sink.url=s3://out/x", "limits.threads=3", "enrich.0.enabled=false"]).unwrap();
        assert_eq!(job.config.source.url, "./raw");
        assert_eq!(job.config.sink.url, "s3://out/x");
        assert_eq!(job.config.limits.threads, Some(3));
        assert_eq!(job.config.limits.memory, crate::text::ByteSize::mib(256));
        assert!(!job.config.enrich[0].enabled);
        assert!(job.text.contains("${RAW:-./raw}"), "the text stays as it was written");
        assert!(job.locate(&["enrich", "0", "table"]).ends_with("job.yaml:9"));
        assert_eq!(job.locate(&["limits", "threads"]), "--set limits.threads=3");
    }

    #[test]
    fn faults_name_their_line_and_key() {
        type Case<'a> = (&'a str, &'a str, &'a str);
        let cases: [Case<'_>; 16] = [
            ("layout: flat", "layuot: flat", "4: unknown key `source.layuot`"),
            ("layout: flat", "layout: flaty", "4: `source.layout` cannot be `flaty`"),
            (
                "memory: 256MiB",
                "memory: lots",
                "13: `limits.memory`: `lots` is not a size; write 512MiB, 64KiB, 1GB or a number of bytes",
            ),
            (
                "memory: 256MiB",
                "dead_letters: some",
                "13: `limits.dead_letters`: \"some\" is no limit; write a share such as 5%, 100% at most, or a count such as \
                 1000",
            ),
            ("  url: ./out\n", "", "1: `sink` is missing"), // an empty section is no section
            ("job: shop-events", "job: Shop", "1: `job` cannot be `Shop`"),
            ("layout: flat", "layout: flat\n  select: path", "5: a flat layout has no time in its paths to select by"),
            (
                "- name: user-agent",
                "- name: user-agent\n    sql: x.sql",
                "8: an enrichment has a `name` or a `sql` file, not both",
            ),
            (
                "- name: user-agent\n    table: event",
                "- table: event",
                "8: an enrichment needs a `name` or a `sql` file",
            ),
            (
                "limits:",
                "schedule: {every: 7h}\nlimits:",
                "12: `schedule.every`: `7h` is not a length of windows; write 5m, 15m, 1h, 6h, 1d, 1w, 1mo or another \
                 length that divides the day, or whole days, weeks or months",
            ),
            (
                "limits:",
                "schedule:\n  every: 1d\n  start: 2026-11-20T05\nlimits:",
                "14: no window of 1d starts at 2026-11-20T05:00:00Z",
            ),
            (
                "layout: flat",
                "layout: hive-hourly\n  select: path\nschedule: {every: 15m}",
                "6: windows of 15m need objects that are selected by time",
            ),
            ("limits:", "load: {topic: x}\nlimits:", "12: the section `load` is not there yet"),
            ("memory: 256MiB", "threads: 0", "13: `limits.threads` must be at least 1, not 0"),
            ("url: ./out", "url: ./raw", "11: source and sink are the same place"),
            (
                "limits:",
                "tables:\n  event:\n    partition_by:\n      - {name: y, column: a, part: year}\n      - {name: y, column: a, part: month}\nlimits:",
                "16: the partition column `y` is named twice",
            ),
        ];
        for (from, to, message) in cases {
            assert!(GOOD.contains(from), "{from}");
            let (text, kind) = failure(&|good| good.replacen(from, to, 1), &[]);
            assert_eq!(text, message);
            assert_eq!(kind, ErrorKind::Config);
        }
    }

    #[test]
    fn an_unknown_override_is_named_as_it_was_written() {
        let (text, _) = failure(&str::to_owned, &["source.ulr=./other"]);
        assert_eq!(text, "--set source.ulr=./other: unknown key `source.ulr`");
    }

    #[test]
    fn files_that_are_no_job_are_refused() {
        let (text, _) = failure(&|_| String::new(), &[]);
        assert_eq!(text, "1: the job file is empty");
        let (text, _) = failure(&|_| "x".repeat(5 << 20), &[]);
        assert!(text.contains("limit=4MiB"), "{text}");
        let missing = load(Path::new("/nowhere/job.yaml"), &[], &|_| None).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Config);
    }
}
