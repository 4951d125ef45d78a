//! Lines in CloudWatch's embedded metric format.

use super::values::{Frame, Metric};
use crate::listen::happening::{Happening, What};
use crate::listen::listener::{Listener, ListenerSetup, Voice};
use async_trait::async_trait;
use etl_sdk::Result;
use serde_json::{Map, Value, json};

/// Metrics of one line.
const MAX_METRICS: usize = 100;

/// Prints lines.
pub struct EmbeddedMetrics {
    frame: Frame,
    voice: Voice,
}

impl EmbeddedMetrics {
    pub fn new(setup: &ListenerSetup<'_>) -> Self {
        Self { frame: Frame::new(setup), voice: setup.voice.clone() }
    }
}

#[async_trait]
impl Listener for EmbeddedMetrics {
    fn name(&self) -> &'static str {
        "metrics.emf"
    }

    fn hears(&self, what: &What) -> bool {
        Frame::hears(what)
    }

    async fn told(&self, happening: &Happening) -> Result<()> {
        for line in lines(&self.frame, happening) {
            (self.voice.line)(&line.to_string());
        }
        Ok(())
    }
}

/// A line for each set of dimensions, and more where there are too many metrics.
fn lines(frame: &Frame, happening: &Happening) -> Vec<Value> {
    let metrics = frame.metrics(happening);
    let sets = metrics.chunk_by(|left, right| left.dimensions == right.dimensions);
    sets.flat_map(|set| set.chunks(MAX_METRICS)).map(|metrics| line(frame, happening, metrics)).collect()
}

/// One line of metrics that have the same dimensions.
fn line(frame: &Frame, happening: &Happening, metrics: &[Metric]) -> Value {
    let dimensions = metrics.first().map(|metric| metric.dimensions.as_slice()).unwrap_or_default();
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let defined: Vec<Value> =
        metrics.iter().map(|metric| json!({"Name": metric.name, "Unit": metric.unit.name()})).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": happening.at.timestamp_millis(),
            "CloudWatchMetrics": [{"Namespace": frame.namespace, "Dimensions": [names], "Metrics": defined}],
        }),
    );
    line.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    line.extend(metrics.iter().map(|metric| (metric.name.to_owned(), number(metric.value))));
    // What a search of the logs finds them by.
    line.insert("job".to_owned(), json!(happening.report.job));
    line.insert("runId".to_owned(), json!(happening.report.run_id));
    Value::Object(line)
}

/// Whole numbers without a fraction.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}
