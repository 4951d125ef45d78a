//! A text file for Prometheus.

use super::config::PrometheusConfig;
use super::values::{Frame, Metric};
use crate::listen::happening::{Happening, What};
use crate::listen::listener::{Listener, ListenerSetup};
use async_trait::async_trait;
use etl_sdk::{Error, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Writes the file.
pub struct Prometheus {
    frame: Frame,
    path: PathBuf,
}

impl Prometheus {
    pub fn new(config: &PrometheusConfig, setup: &ListenerSetup<'_>) -> Self {
        Self { frame: Frame::new(setup), path: setup.folder.join(&config.file) }
    }
}

#[async_trait]
impl Listener for Prometheus {
    fn name(&self) -> &'static str {
        "metrics.prometheus"
    }

    fn hears(&self, what: &What) -> bool {
        Frame::hears(what)
    }

    async fn told(&self, happening: &Happening) -> Result<()> {
        let text = text(&self.frame.metrics(happening), happening);
        replace(&self.path, &text).map_err(|error| {
            Error::config("write the file for Prometheus")
                .with("file", self.path.display())
                .source(error)
                .hint("the folder must be there, and this user must be able to write to it")
        })
    }
}

/// Replaces a file as a whole: who reads it sees the old one or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The collector reads names that end in `.prom`.
    let new = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&new, path)).inspect_err(|_| drop(fs::remove_file(&new)))
}

/// The metrics as text: those of one name stand together, behind what is said of all of them.
fn text(metrics: &[Metric], happening: &Happening) -> String {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut help: BTreeMap<String, &str> = BTreeMap::new();
    for metric in metrics {
        let name = format!("etl_runner_{}", snake(metric.name));
        let labels = metric.dimensions.iter().map(|(name, value)| (snake(name), value.as_str()));
        let labels = std::iter::once(("job".to_owned(), happening.report.job.as_str())).chain(labels);
        let labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let line = format!("{name}{{{}}} {}", labels.join(","), metric.value);
        help.insert(name.clone(), metric.name);
        by_name.entry(name).or_default().push(line);
    }
    let mut text = String::new();
    for (name, lines) in &by_name {
        let _ = writeln!(text, "# HELP {name} {} of the run that ended last.", help.get(name).unwrap_or(&""));
        let _ = writeln!(text, "# TYPE {name} gauge");
        for line in lines {
            text.extend([line, "\n"]);
        }
    }
    let name = "etl_runner_last_end_timestamp_seconds";
    let seconds = happening.at.timestamp_millis() as f64 / 1e3;
    let job = escaped(&happening.report.job);
    let _ = writeln!(text, "# HELP {name} When the run that ended last came to its end.\n# TYPE {name} gauge");
    let _ = writeln!(text, "{name}{{job=\"{job}\"}} {seconds}");
    text
}

/// `Data Processing sink count` and `ApplicationId` as Prometheus writes names.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for character in name.chars() {
        if character.is_ascii_uppercase() && before.is_ascii_lowercase() {
            snake.push('_');
        }
        snake.push(if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' });
        before = character;
    }
    snake
}

/// A label's value.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_prometheus() {
        for (name, expected) in [
            ("Data Processing sink count", "data_processing_sink_count"),
            ("Data count filtered by appIds", "data_count_filtered_by_app_ids"),
            ("ApplicationId", "application_id"),
            ("CPU time", "cpu_time"),
        ] {
            assert_eq!(snake(name), expected);
        }
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
