//! The figures of runs as metrics: lines in CloudWatch's embedded metric format, calls of CloudWatch, a file for Prometheus.

mod cloudwatch;
mod config;
mod emf;
mod prometheus;
mod values;

pub use self::config::MetricsConfig;

use self::cloudwatch::CloudWatch;
use self::emf::EmbeddedMetrics;
use self::prometheus::Prometheus;
use super::listener::{Listener, ListenerSetup};

/// The listeners that the section names.
pub(super) fn listeners(setup: &ListenerSetup<'_>) -> Vec<Box<dyn Listener>> {
    let mut list: Vec<Box<dyn Listener>> = Vec::new();
    if setup.metrics.emf {
        list.push(Box::new(EmbeddedMetrics::new(setup)));
    }
    if setup.metrics.cloudwatch {
        list.push(Box::new(CloudWatch::new(setup)));
    }
    if let Some(config) = &setup.metrics.prometheus {
        list.push(Box::new(Prometheus::new(config, setup)));
    }
    list
}
