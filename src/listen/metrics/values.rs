//! The metrics of a run. Names, units and dimensions are a contract: those that begin with `Data` are the ones that alarms
//! and dashboards of the pipeline on Spark know.

use super::config::MetricsConfig;
use crate::listen::happening::{Happening, Outcome, What};
use crate::listen::listener::ListenerSetup;
use crate::report::{RunReport, StepReport};

/// What is common to all metrics of a job.
#[derive(Clone, Debug)]
pub struct Frame {
    pub namespace: String,
    application: String,
    service: String,
    with_details: bool,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: &'static str,
    pub unit: Unit,
    pub value: f64,
    /// Name and value, in order.
    pub dimensions: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Count,
    Seconds,
    Bytes,
}

impl Unit {
    /// As CloudWatch writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
        }
    }
}

impl Frame {
    pub fn new(setup: &ListenerSetup<'_>) -> Self {
        let MetricsConfig { namespace, application_id, service, details, .. } = setup.metrics;
        Self {
            namespace: namespace.clone(),
            application: application_id.clone().unwrap_or_else(|| setup.job.to_owned()),
            service: service.clone(),
            with_details: *details,
        }
    }

    /// Whether there are metrics of this at all.
    pub fn hears(what: &What) -> bool {
        match what {
            What::Ended(outcome) => !matches!(outcome, Outcome::Held | Outcome::Skipped),
            What::CommandFailed => true,
            What::Started | What::LateData { .. } => false,
        }
    }

    /// The metrics of a happening.
    pub fn metrics(&self, happening: &Happening) -> Vec<Metric> {
        let mut list = List { frame: self, metrics: Vec::new() };
        list.verdict(happening);
        if happening.what == What::CommandFailed {
            return list.metrics;
        }
        list.of_run(&happening.report);
        if let Some(watermark) = happening.watermark {
            let lag = (happening.at - watermark).num_milliseconds() as f64 / 1e3;
            list.add("Watermark lag", Unit::Seconds, lag);
        }
        if self.with_details {
            list.details(&happening.report);
        }
        list.metrics
    }
}

struct List<'a> {
    frame: &'a Frame,
    metrics: Vec<Metric>,
}

impl List<'_> {
    fn add(&mut self, name: &'static str, unit: Unit, value: f64) {
        self.add_of(name, unit, value, None);
    }

    fn count(&mut self, name: &'static str, count: u64) {
        self.add(name, Unit::Count, count as f64);
    }

    fn add_of(&mut self, name: &'static str, unit: Unit, value: f64, more: Option<(&'static str, &str)>) {
        let Frame { application, service, .. } = self.frame;
        let mut dimensions = vec![("ApplicationId", application.clone()), ("service", service.clone())];
        dimensions.extend(more.map(|(name, value)| (name, value.to_owned())));
        self.metrics.push(Metric { name, unit, value, dimensions });
    }

    /// Whether it failed. Of a run that was stopped, or is not at its end, neither is said.
    fn verdict(&mut self, happening: &Happening) {
        let failed = match happening.outcome() {
            Some(Outcome::Failed | Outcome::Refused) => true,
            Some(Outcome::Done | Outcome::Empty) => false,
            _ => return,
        };
        self.count("Data Processing job failed", u64::from(failed));
        self.count("Data Processing job success", u64::from(!failed));
    }

    fn of_run(&mut self, report: &RunReport) {
        let flat = report.steps.iter().find(|step| step.name == "payload").map_or(report.records, |step| step.kept);
        self.count("Data Processing source count", report.records);
        self.count("Data Processing flatted source count", flat);
        self.count("Data Processing sink count", report.tables.first().map_or(0, |table| table.rows));
        self.count("Data Processing corrupted count", report.dead_letters.total);
        self.add("Data Processing job run time seconds", Unit::Seconds, report.elapsed_seconds);
        self.count("Data Processing input file count", report.objects.read);
        self.count("Data count filtered by appIds", filtered(report, &["other_app"]));
        self.count("Data count filtered by freshness and future time", filtered(report, &["stale", "in_the_future"]));
        self.count("Data count filtered by bot", filtered(report, &["bot"]));
        self.count("Dead letters", report.dead_letters.total);
        self.count("Output files", report.tables.iter().map(|table| table.files).sum());
        self.count("Output rows", report.tables.iter().map(|table| table.rows).sum());
        self.add("Input bytes", Unit::Bytes, report.bytes.compressed as f64);
        self.add("Decompressed bytes", Unit::Bytes, report.bytes.decompressed as f64);
        self.add("Output bytes", Unit::Bytes, report.bytes.written as f64);
        if let Some(seconds) = report.cpu_seconds {
            self.add("CPU time", Unit::Seconds, seconds);
        }
        if let Some(bytes) = report.peak_memory_bytes {
            self.add("Peak memory", Unit::Bytes, bytes as f64);
        }
    }

    fn details(&mut self, report: &RunReport) {
        for step in &report.steps {
            let StepReport { name, read, added, kept, .. } = step;
            let counts = [
                ("Rows read", *read),
                ("Rows added", *added),
                ("Rows kept", *kept),
                ("Rows filtered", step.filtered_total()),
                ("Rows dead", step.dead_total()),
            ];
            for (metric, count) in counts {
                self.add_of(metric, Unit::Count, count as f64, Some(("step", name)));
            }
        }
        for table in &report.tables {
            self.add_of("Rows written", Unit::Count, table.rows as f64, Some(("table", &table.name)));
        }
        for (reason, count) in &report.dead_letters.by_reason {
            self.add_of("Dead letters by reason", Unit::Count, *count as f64, Some(("reason", reason)));
        }
    }
}

/// Rows that were left out for these reasons, in all steps.
fn filtered(report: &RunReport, reasons: &[&str]) -> u64 {
    let steps = report.steps.iter().flat_map(|step| &step.filtered);
    steps.filter(|(reason, _)| reasons.contains(&reason.as_str())).map(|(_, rows)| rows).sum()
}
