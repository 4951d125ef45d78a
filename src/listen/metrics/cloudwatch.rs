//! Metrics to CloudWatch.

use super::values::{Frame, Metric, Unit};
use crate::listen::aws::LazyClient;
use crate::listen::happening::{Happening, What};
use crate::listen::listener::{Listener, ListenerSetup};
use crate::storage::service_error;
use async_trait::async_trait;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use etl_sdk::Result;

/// Metrics of one call: the service takes 1,000, and 1 MB.
const MAX_METRICS: usize = 1_000;
const MAX_BYTES: usize = 900_000;

/// Bytes of a metric on the wire beside its names and values, at most.
const OVERHEAD: usize = 200;

/// Sends the metrics of runs.
pub struct CloudWatch {
    frame: Frame,
    client: LazyClient<Client>,
}

impl CloudWatch {
    pub fn new(setup: &ListenerSetup<'_>) -> Self {
        Self { frame: Frame::new(setup), client: LazyClient::new(setup.aws, "metrics.cloudwatch", Client::new) }
    }
}

#[async_trait]
impl Listener for CloudWatch {
    fn name(&self) -> &'static str {
        "metrics.cloudwatch"
    }

    fn hears(&self, what: &What) -> bool {
        Frame::hears(what)
    }

    async fn told(&self, happening: &Happening) -> Result<()> {
        let client = self.client.get().await?;
        let at = DateTime::from_millis(happening.at.timestamp_millis());
        for metrics in calls(&self.frame.metrics(happening)) {
            let data = metrics.iter().map(|metric| datum(metric, at)).collect();
            let sent = client.put_metric_data().namespace(&self.frame.namespace).set_metric_data(Some(data)).send();
            sent.await.map_err(|error| service_error("send metrics", ("namespace", &self.frame.namespace), &error))?;
        }
        Ok(())
    }
}

/// The metrics in portions that fit into a call.
fn calls(metrics: &[Metric]) -> Vec<&[Metric]> {
    let mut calls = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (index, metric) in metrics.iter().enumerate() {
        let size = size(metric);
        if index - from == MAX_METRICS || (index > from && bytes + size > MAX_BYTES) {
            calls.push(&metrics[from..index]);
            (from, bytes) = (index, 0);
        }
        bytes += size;
    }
    if from < metrics.len() {
        calls.push(&metrics[from..]);
    }
    calls
}

/// Most bytes of a metric on the wire, each byte of its texts escaped.
fn size(metric: &Metric) -> usize {
    let dimensions = metric.dimensions.iter().map(|(name, value)| OVERHEAD / 2 + 3 * (name.len() + value.len()));
    OVERHEAD + 3 * metric.name.len() + dimensions.sum::<usize>()
}

fn datum(metric: &Metric, at: DateTime) -> MetricDatum {
    let unit = match metric.unit {
        Unit::Count => StandardUnit::Count,
        Unit::Seconds => StandardUnit::Seconds,
        Unit::Bytes => StandardUnit::Bytes,
    };
    let dimensions = metric.dimensions.iter().filter(|(_, value)| !value.is_empty());
    let dimensions = dimensions.map(|(name, value)| Dimension::builder().name(*name).value(value).build());
    MetricDatum::builder()
        .metric_name(metric.name)
        .set_dimensions(Some(dimensions.collect()))
        .timestamp(at)
        .value(metric.value)
        .unit(unit)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(count: usize, value: &str) -> Vec<Metric> {
        let metric =
            Metric { name: "Rows read", unit: Unit::Count, value: 1.0, dimensions: vec![("step", value.to_owned())] };
        vec![metric; count]
    }

    #[test]
    fn calls_hold_no_more_than_the_service_takes() {
        let sizes = |metrics: &[Metric]| calls(metrics).iter().map(|call| call.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&metrics(2_001, "x")), [1_000, 1_000, 1]);
        let long = metrics(1_000, &"x".repeat(1_000));
        let portions = calls(&long);
        assert!(portions.len() > 1 && portions.iter().map(|call| call.len()).sum::<usize>() == 1_000);
        assert!(portions.iter().all(|call| call.iter().map(size).sum::<usize>() <= MAX_BYTES));
        assert!(calls(&[]).is_empty());
    }
}
