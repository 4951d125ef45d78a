//! What a schema cannot say of a job: names, and settings that exclude each other.

use super::config::JobConfig;
use super::load::Job;
use super::yaml::wrong;
use crate::limits::MIN_MEMORY;
use crate::source::{Layout, Select};
use crate::text::{ByteSize, Span};
use crate::window::Instant;
use etl_sdk::{Error, Result};
use std::fmt;
use std::ops::RangeInclusive;

/// Longest job name; it is part of file names and keys.
const MAX_NAME: usize = 64;

/// More threads than this no machine serves well, and many cannot be started.
const MAX_THREADS: u64 = 1_024;

/// The least bytes of a record: fewer hold no request of any kind.
const MIN_RECORD: u64 = 64;

/// The least bytes of a file and of a row group: below, a file is its footer.
const MIN_FILE: u64 = 4 << 10;

const DAY: u64 = 86_400;
const YEAR: u64 = 366 * DAY;

/// A lease is renewed three times in its length, and a bucket takes tenths of a second for a call.
const MIN_LEASE_IN_BUCKET: u64 = 2;

impl Job {
    /// Checks the settings against each other. Reads nothing but the job.
    pub fn validate(&self) -> Vec<Error> {
        let mut found: Vec<Error> =
            [self.check_name(), self.check_schedule()].into_iter().filter_map(Result::err).collect();
        found.extend(self.check_places());
        found.extend(self.check_buckets());
        found.extend(self.check_tables());
        found
    }

    fn wrong(&self, path: &[&str], what: impl fmt::Display) -> Error {
        wrong(self.place(path), what)
    }

    fn check_name(&self) -> Result<()> {
        let name = &self.config.job;
        let fits = name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && name.len() <= MAX_NAME;
        if fits {
            return Ok(());
        }
        Err(self.wrong(&["job"], format_args!("`job` cannot be `{name}`")).hint(
            "the name is part of file names: lower case letters, digits and dashes, 64 at most, such as shop-events",
        ))
    }

    fn check_places(&self) -> Vec<Error> {
        let mut found = Vec::new();
        let (source, sink) = (&self.config.source, &self.config.sink);
        for (section, url) in [("source", &source.url), ("sink", &sink.url)] {
            if url.trim().is_empty() {
                found.push(
                    self.wrong(&[section, "url"], format_args!("`{section}.url` is empty"))
                        .hint("write a folder, file:///folder or s3://bucket/prefix"),
                );
            }
        }
        if source.url.trim_end_matches('/') == sink.url.trim_end_matches('/') {
            found.push(
                self.wrong(&["sink", "url"], "source and sink are the same place")
                    .hint("the job would read its own tables in the next run"),
            );
        }
        if source.layout == Layout::Flat && source.select == Select::Path {
            found.push(
                self.wrong(&["source", "select"], "a flat layout has no time in its paths to select by")
                    .hint("write `select: modified`, or name the layout"),
            );
        }
        if let Some(index) = source.suffixes.iter().position(String::is_empty) {
            found.push(self.wrong(&["source", "suffixes", &index.to_string()], "an empty suffix fits everything"));
        }
        found
    }

    fn check_buckets(&self) -> Vec<Error> {
        let config = &self.config;
        let mut found = Vec::new();
        for (section, s3) in config.buckets() {
            if s3.anonymous && s3.requester_pays {
                let path = [section, "s3", "requester_pays"];
                let what = format_args!("`{}` needs credentials, and `anonymous: true` sends none", path.join("."));
                found.push(self.wrong(&path, what).hint("S3 must know whom to bill: remove one of the two"));
            }
        }
        if config.state.s3.as_ref().is_some_and(|s3| s3.storage_class.is_some()) {
            let wrong = self.wrong(&["state", "s3", "storage_class"], "the state has no storage class of its own");
            found.push(
                wrong.hint("its objects are small and short-lived, which other classes bill more for: remove it"),
            );
        }
        found
    }

    fn check_tables(&self) -> Vec<Error> {
        let mut found = Vec::new();
        for (table, settings) in &self.config.tables {
            for (index, part) in settings.partition_by.iter().flatten().enumerate() {
                let path = ["tables", table, "partition_by", &index.to_string()];
                let twice = settings.partition_by.iter().flatten().take(index).any(|before| before.name == part.name);
                if twice {
                    found.push(self.wrong(&path, format_args!("the partition column `{}` is named twice", part.name)));
                }
                let fits =
                    !part.name.is_empty() && part.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                if !fits {
                    found.push(
                        self.wrong(&path, format_args!("`{}` cannot name a partition column", part.name))
                            .hint("letters, digits and underscores: the name is part of the path and of the catalog"),
                    );
                }
            }
        }
        found
    }

    fn check_schedule(&self) -> Result<()> {
        let Some(schedule) = &self.config.schedule else { return Ok(()) };
        let every = schedule.every;
        if self.config.source.select == Select::Path && !every.is_of_whole_hours() {
            return Err(self
                .wrong(
                    &["schedule", "every"],
                    format_args!("windows of {every} need objects that are selected by time"),
                )
                .hint("paths name an hour: write whole hours, or `source.select: modified`"));
        }
        if let Some(start) = schedule.start.filter(|start| !every.is_border(start.0)) {
            let (before, after) = (Instant(every.floor(start.0)), Instant(every.after(start.0)));
            return Err(self
                .wrong(&["schedule", "start"], format_args!("no window of {every} starts at {}", String::from(start)))
                .hint(format!("write {} or {}", String::from(before), String::from(after))));
        }
        Ok(())
    }

    /// Checks every number against what can hold at all. What the numbers need together is found out when a run is fitted
    /// into its memory.
    pub(super) fn bounds(&self) -> Vec<Error> {
        self.check_counts().into_iter().chain(self.check_sizes()).chain(self.check_spans()).collect()
    }

    fn check_counts(&self) -> Vec<Error> {
        let (limits, sink, manifest) = (&self.config.limits, &self.config.sink, &self.config.manifest);
        let any = 1..=u64::MAX;
        let threads = limits.threads.unwrap_or(1) as u64;
        self.check_ranges(
            &[
                ("limits.threads", threads, 1..=MAX_THREADS),
                ("limits.expansion_ratio", u64::from(limits.expansion_ratio), any.clone()),
                ("limits.depth", u64::from(limits.depth), any.clone()),
                ("limits.objects", limits.objects, any.clone()),
                ("limits.retry.attempts", u64::from(limits.retry.attempts), any.clone()),
                ("sink.row_group_rows", sink.row_group_rows as u64, any.clone()),
                ("sink.max_open_writers", sink.max_open_writers as u64, any.clone()),
                ("manifest.files", u64::from(manifest.files), any.clone()),
                (
                    "schedule.catch_up",
                    self.config.schedule.as_ref().map_or(1, |schedule| schedule.catch_up.into()),
                    any,
                ),
            ],
            |count| count.to_string(),
        )
    }

    fn check_sizes(&self) -> Vec<Error> {
        let (limits, sink, manifest) = (&self.config.limits, &self.config.sink, &self.config.manifest);
        let from = |least: u64| least..=u64::MAX;
        self.check_ranges(
            &[
                ("limits.memory", limits.memory.0, from(MIN_MEMORY.0)),
                ("limits.memory_total", limits.memory_total.map_or(1, |total| total.0), from(1)),
                ("limits.record_bytes", limits.record_bytes.0, from(MIN_RECORD)),
                ("limits.object_bytes", limits.object_bytes.0, from(MIN_RECORD)),
                ("limits.zstd_window", limits.zstd_window.0, 1 << 10..=2 << 30),
                ("limits.task_bytes", limits.task_bytes.0, from(1)),
                ("sink.target_file_size", sink.target_file_size.0, from(MIN_FILE)),
                ("sink.row_group_bytes", sink.row_group_bytes.0, from(MIN_FILE)),
                ("manifest.bytes", manifest.bytes.0, from(1)),
            ],
            |bytes| ByteSize(bytes).to_string(),
        )
    }

    fn check_spans(&self) -> Vec<Error> {
        let JobConfig { limits, source, state, schedule, .. } = &self.config;
        let is_in_bucket = state.url.as_ref().unwrap_or(&self.config.sink.url).starts_with("s3://");
        let lease = if is_in_bucket { MIN_LEASE_IN_BUCKET } else { 1 };
        let seconds = |span: Span| u64::try_from(span.seconds).unwrap_or(0);
        let buffer = schedule.as_ref().map_or(0, |schedule| seconds(schedule.buffer));
        let late = schedule.as_ref().and_then(|schedule| schedule.look_back).map_or(0, seconds);
        self.check_ranges(
            &[
                ("limits.retry.budget", seconds(limits.retry.budget), 1..=DAY),
                ("limits.listeners", seconds(limits.listeners), 1..=DAY),
                ("limits.retry.stall", seconds(limits.retry.stall), 1..=DAY),
                ("source.look_back", seconds(source.look_back), 0..=YEAR),
                ("source.look_ahead", seconds(source.look_ahead), 0..=YEAR),
                ("schedule.buffer", buffer, 0..=YEAR),
                ("schedule.look_back", late, 0..=YEAR),
                ("state.lease", state.lease.map_or(lease, seconds), lease..=DAY),
            ],
            |seconds| Span { seconds: seconds as i64 }.to_string(),
        )
    }

    /// Names the settings that lie outside of their range.
    fn check_ranges(&self, settings: &[(&str, u64, RangeInclusive<u64>)], text: impl Fn(u64) -> String) -> Vec<Error> {
        let outside = settings.iter().filter(|(_, value, range)| !range.contains(value));
        let refuse = |(key, value, range): &(&str, u64, RangeInclusive<u64>)| {
            let path: Vec<&str> = key.split('.').collect();
            let bound = if value < range.start() {
                format!("at least {}", text(*range.start()))
            } else {
                format!("at most {}", text(*range.end()))
            };
            self.wrong(&path, format_args!("`{key}` must be {bound}, not {}", text(*value)))
        };
        outside.map(refuse).collect()
    }
}
