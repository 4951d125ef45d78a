//! The end-to-end figure beside its floors.

use crate::floors::Floor;
use crate::measure::Taken;
use serde_json::{Value, json};
use std::fmt::Write;

/// What one benchmark run measured.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Totals of the generator.
    pub data: Value,
    /// What the program took.
    pub run: Taken,
    /// The program's own report.
    pub report: Value,
    /// Inflate, parse and encode, in this order; empty when they were not measured.
    pub floors: Vec<(&'static str, Floor)>,
    /// What a reader of the figures should know.
    pub notes: Vec<String>,
}

impl Outcome {
    fn number(&self, name: &str) -> f64 {
        self.data.get(name).and_then(Value::as_f64).unwrap_or(0.0)
    }

    /// Processor seconds of all floors.
    pub fn floor_seconds(&self) -> f64 {
        self.floors.iter().map(|(_, floor)| floor.cpu_seconds).sum()
    }

    /// Processor time end to end as a multiple of the floors; `None` without floors.
    pub fn multiple(&self) -> Option<f64> {
        let floor = self.floor_seconds();
        (floor > 0.0).then(|| self.run.cpu_seconds / floor)
    }

    /// All figures.
    pub fn to_json(&self) -> Value {
        let floors: serde_json::Map<String, Value> =
            self.floors.iter().map(|(name, floor)| ((*name).to_owned(), floor.to_json())).collect();
        json!({
            "data": self.data,
            "run": self.run.to_json(),
            "events_per_second": self.number("events") / self.run.wall_seconds,
            "raw_mb_per_second": self.number("bytes_raw") / 1e6 / self.run.wall_seconds,
            "tables": self.report.get("tables"),
            "caches": self.report.get("caches"),
            "floors": floors,
            "floor_cpu_seconds": self.floor_seconds(),
            "cpu_multiple_of_floor": self.multiple(),
            "notes": self.notes,
        })
    }

    /// The figures for a person.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let events = self.number("events");
        let raw = self.number("bytes_raw");
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "data        {events:.0} events, {:.0} requests, {:.1} MB raw, {:.1} MB compressed, {:.0} objects",
            self.number("requests"),
            raw / 1e6,
            self.number("bytes_compressed") / 1e6,
            self.number("objects"),
        );
        let run = self.run;
        let _ = writeln!(
            out,
            "end to end  {:.2} s, {:.0} events/s, {:.1} MB/s raw; {:.2} CPU s; peak {:.0} MiB",
            run.wall_seconds,
            events / run.wall_seconds,
            raw / 1e6 / run.wall_seconds,
            run.cpu_seconds,
            run.peak_bytes as f64 / f64::from(1 << 20),
        );
        for table in self.report.get("tables").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| table.get(name).map(|value| value.to_string().replace('"', "")).unwrap_or_default();
            let _ = writeln!(
                out,
                "  {:<12}{:>10} rows {:>4} files {:>12} bytes",
                text("name"),
                text("rows"),
                text("files"),
                text("bytes")
            );
        }
        for (name, floor) in &self.floors {
            let _ = writeln!(
                out,
                "floor       {name:<8}{:>7.2} CPU s, {:.0} MB in",
                floor.cpu_seconds,
                floor.bytes_in as f64 / 1e6
            );
        }
        if let Some(multiple) = self.multiple() {
            let _ =
                writeln!(out, "floors      {:.2} CPU s; end to end is {multiple:.2} times that", self.floor_seconds());
        }
        for note in &self.notes {
            let _ = writeln!(out, "note        {note}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_ratios_of_what_was_measured() {
        let floor = |cpu_seconds| Floor { cpu_seconds, bytes_in: 2_000_000, bytes_out: 0 };
        let outcome = Outcome {
            data: json!({"events": 1_000, "requests": 300, "bytes_raw": 4_000_000, "bytes_compressed": 1_000_000, "objects": 2}),
            run: Taken { wall_seconds: 2.0, cpu_seconds: 3.0, peak_bytes: 64 << 20 },
            report: json!({"tables": [{"name": "event_v2", "rows": 990, "files": 3, "bytes": 12345}]}),
            floors: vec![("inflate", floor(0.5)), ("parse", floor(0.25)), ("encode", floor(0.75))],
            notes: vec!["a note".to_owned()],
        };
        let figures = outcome.to_json();
        assert_eq!(figures["events_per_second"], 500.0);
        assert_eq!(figures["raw_mb_per_second"], 2.0);
        assert_eq!(figures["cpu_multiple_of_floor"], 2.0);
        let text = outcome.to_text();
        assert!(text.contains("2.00 times") && text.contains("peak 64 MiB") && text.contains("a note"), "{text}");
        assert_eq!(Outcome { floors: Vec::new(), ..outcome }.multiple(), None);
    }
}
