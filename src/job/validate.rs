//! What a schema cannot say of a job: names, and settings that exclude each other.

use super::load::Job;
use super::yaml::wrong;
use crate::source::{Layout, Select};
use crate::window::Instant;
use etl_sdk::{Error, Result};
use std::fmt;

/// Longest job name; it is part of file names and keys.
const MAX_NAME: usize = 64;

impl Job {
    /// Checks the settings against each other. Reads nothing but the job.
    pub fn validate(&self) -> Result<()> {
        self.check_name()?;
        self.check_places()?;
        self.check_tables()?;
        self.check_schedule()?;
        self.check_bounds()
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

    fn check_places(&self) -> Result<()> {
        let (source, sink) = (&self.config.source, &self.config.sink);
        for (section, url) in [("source", &source.url), ("sink", &sink.url)] {
            if url.trim().is_empty() {
                return Err(self
                    .wrong(&[section, "url"], format_args!("`{section}.url` is empty"))
                    .hint("write a folder, file:///folder or s3://bucket/prefix"));
            }
        }
        if source.url.trim_end_matches('/') == sink.url.trim_end_matches('/') {
            return Err(self
                .wrong(&["sink", "url"], "source and sink are the same place")
                .hint("the job would read its own tables in the next run"));
        }
        if source.layout == Layout::Flat && source.select == Select::Path {
            return Err(self
                .wrong(&["source", "select"], "a flat layout has no time in its paths to select by")
                .hint("write `select: modified`, or name the layout"));
        }
        if let Some(index) = source.suffixes.iter().position(String::is_empty) {
            return Err(self.wrong(&["source", "suffixes", &index.to_string()], "an empty suffix fits everything"));
        }
        Ok(())
    }

    fn check_tables(&self) -> Result<()> {
        for (table, settings) in &self.config.tables {
            for (index, part) in settings.partition_by.iter().flatten().enumerate() {
                let path = ["tables", table, "partition_by", &index.to_string()];
                let twice = settings.partition_by.iter().flatten().take(index).any(|before| before.name == part.name);
                if twice {
                    return Err(self.wrong(&path, format_args!("the partition column `{}` is named twice", part.name)));
                }
                let fits =
                    !part.name.is_empty() && part.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                if !fits {
                    return Err(self
                        .wrong(&path, format_args!("`{}` cannot name a partition column", part.name))
                        .hint("letters, digits and underscores: the name is part of the path and of the catalog"));
                }
            }
        }
        Ok(())
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
        if schedule.catch_up == 0 {
            return Err(self.wrong(&["schedule", "catch_up"], "`schedule.catch_up` must be at least 1"));
        }
        Ok(())
    }

    /// Zero of these stops every run before it reads anything.
    fn check_bounds(&self) -> Result<()> {
        let (limits, sink, manifest) = (&self.config.limits, &self.config.sink, &self.config.manifest);
        let bounds = [
            ("limits", "threads", limits.threads.map_or(1, |threads| threads as u64)),
            ("limits", "memory", limits.memory.0),
            ("limits", "memory_total", limits.memory_total.map_or(1, |total| total.0)),
            ("limits", "record_bytes", limits.record_bytes.0),
            ("limits", "object_bytes", limits.object_bytes.0),
            ("limits", "expansion_ratio", u64::from(limits.expansion_ratio)),
            ("limits", "depth", u64::from(limits.depth)),
            ("limits", "objects", limits.objects),
            ("limits", "task_bytes", limits.task_bytes.0),
            ("limits.retry", "attempts", u64::from(limits.retry.attempts)),
            ("limits.retry", "stall", u64::try_from(limits.retry.stall.seconds).unwrap_or(0)),
            ("sink", "target_file_size", sink.target_file_size.0),
            ("sink", "row_group_rows", sink.row_group_rows as u64),
            ("sink", "row_group_bytes", sink.row_group_bytes.0),
            ("sink", "max_open_writers", sink.max_open_writers as u64),
            ("manifest", "files", u64::from(manifest.files)),
            ("manifest", "bytes", manifest.bytes.0),
        ];
        match bounds.iter().find(|(_, _, value)| *value == 0) {
            Some((section, key, _)) => {
                let path: Vec<&str> = section.split('.').chain([*key]).collect();
                Err(self.wrong(&path, format_args!("`{section}.{key}` must be at least 1")))
            }
            None => Ok(()),
        }
    }
}
