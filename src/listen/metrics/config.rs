//! The `metrics` section of the job file.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Where the figures of each run go, beside its report. Default: nowhere.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// `true` prints lines in CloudWatch's embedded metric format, of which CloudWatch Logs makes metrics: on stdout, and on
    /// stderr with `--output json`. Default: `false`.
    pub emf: bool,
    /// `true` sends the metrics to CloudWatch (`PutMetricData`). Default: `false`.
    pub cloudwatch: bool,
    /// A text file for Prometheus.
    pub prometheus: Option<PrometheusConfig>,
    /// Namespace in CloudWatch. Default: `Clickstream/DataPipeline`.
    pub namespace: String,
    /// The dimension `ApplicationId`. Default: the job's name.
    pub application_id: Option<String>,
    /// The dimension `service`. Default: `EMR-Serverless`, so that alarms on the pipeline that this one replaces go on.
    pub service: String,
    /// `false` leaves out the metrics that have a dimension more: rows by step, dead letters by reason. Each value of a
    /// dimension is a metric that CloudWatch charges for. Default: `true`.
    pub details: bool,
}

/// A text file for Prometheus, as the textfile collector of its node exporter reads it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusConfig {
    /// The file; the collector reads names that end in `.prom`. It is replaced as a whole, and holds the run that ended last.
    /// Example: `/var/lib/node_exporter/shop.prom`
    pub file: PathBuf,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            emf: false,
            cloudwatch: false,
            prometheus: None,
            namespace: "Clickstream/DataPipeline".to_owned(),
            application_id: None,
            service: "EMR-Serverless".to_owned(),
            details: true,
        }
    }
}
