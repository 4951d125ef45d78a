//! What became of all windows of a command. Field names are a contract.

use super::result::{ResultStatus, WindowResult};
use crate::report::Outcome;
use crate::text::columns::{Align, Columns};
use crate::text::{count, seconds};
use etl_sdk::ErrorKind;
use serde::Serialize;
use std::collections::BTreeMap;
use strum::VariantArray;

/// Version of the fields. It grows when a field changes its meaning or goes away, not when one is added.
const SCHEMA_VERSION: u32 = 1;

/// What became of all windows of one command.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BatchReport {
    /// Grows when a field changes its meaning or goes away.
    pub schema_version: u32,
    /// `run`, `backfill` or `retry`.
    pub command: &'static str,
    /// Name of the job.
    pub job: String,
    /// `done`, `partly`, `failed` or `stopped`.
    pub status: &'static str,
    /// Whether nothing was to be published.
    pub dry_run: bool,
    /// All windows.
    pub total: u64,
    /// Windows by how they ended, each way named.
    pub counts: BTreeMap<&'static str, u64>,
    /// Rows by table, of all windows.
    pub rows: BTreeMap<String, u64>,
    /// Dead letters of all windows.
    pub dead_letters: u64,
    /// On the clock.
    pub elapsed_seconds: f64,
    /// Everything before it is done, as of the end; none until a scheduled run or a person sets it.
    pub watermark: Option<String>,
    /// Scheduled runs: closed windows that wait for the next call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// Scheduled runs: when the next window closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<String>,
    /// Backfills that did not begin all windows: the command that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// The windows; those of a backfill by time.
    pub windows: Vec<WindowResult>,
}

impl BatchReport {
    /// Sums up the windows.
    pub fn new(command: &'static str, job: &str, windows: Vec<WindowResult>, elapsed_seconds: f64) -> Self {
        let mut counts: BTreeMap<&'static str, u64> =
            ResultStatus::VARIANTS.iter().map(|status| (status.name(), 0)).collect();
        let mut rows = BTreeMap::new();
        for window in &windows {
            *counts.entry(window.status.name()).or_default() += 1;
            for (table, number) in &window.rows {
                *rows.entry(table.clone()).or_insert(0) += number;
            }
        }
        let mut report = Self {
            schema_version: SCHEMA_VERSION,
            command,
            job: job.to_owned(),
            status: "done",
            dry_run: false,
            total: windows.len() as u64,
            counts,
            rows,
            dead_letters: windows.iter().map(|window| window.dead_letters).sum(),
            elapsed_seconds,
            watermark: None,
            remaining: None,
            next_at: None,
            resume: None,
            windows,
        };
        report.status = match report.outcome() {
            Outcome::Done => "done",
            Outcome::Partly => "partly",
            Outcome::Stopped(ErrorKind::Stopped) => "stopped",
            Outcome::Stopped(_) | Outcome::Different => "failed",
        };
        report
    }

    /// How the command ends: done, partly, stopped, or failed as a whole. When only one window was run, or all failed alike,
    /// its error says how; otherwise the command has failed.
    pub fn outcome(&self) -> Outcome {
        let has = |status: ResultStatus| self.windows.iter().any(|window| window.status == status);
        let mut failed = self.windows.iter().filter(|window| window.status.is_failure());
        if has(ResultStatus::Stopped) {
            return Outcome::Stopped(ErrorKind::Stopped);
        }
        let Some(first) = failed.next() else {
            // None failed, and the others were not begun: a signal came between two windows.
            return if has(ResultStatus::Waiting) { Outcome::Stopped(ErrorKind::Stopped) } else { Outcome::Done };
        };
        if self.windows.iter().any(|window| window.status.is_good()) || has(ResultStatus::Partly) {
            return Outcome::Partly;
        }
        match first.kind {
            Some(kind)
                if failed.all(|other| other.kind == Some(kind)) && (kind == ErrorKind::Held || self.total == 1) =>
            {
                Outcome::Stopped(kind)
            }
            _ => Outcome::Stopped(ErrorKind::Internal),
        }
    }

    /// How a command ends that stops at the first failure: as that one does.
    pub fn outcome_of_first(&self) -> Outcome {
        let failed = self.windows.iter().find(|window| window.status.is_failure());
        match failed.map(|window| (window.status, window.kind)) {
            None => self.outcome(),
            Some((ResultStatus::Partly, _)) => Outcome::Partly,
            Some((_, kind)) => Outcome::Stopped(kind.unwrap_or(ErrorKind::Internal)),
        }
    }

    /// One line: `backfill: 72 windows of job shop in 12.3 s: 70 done, 1 failed, 1 skipped`.
    pub fn verdict(&self) -> String {
        let parts: Vec<String> = ResultStatus::VARIANTS
            .iter()
            .map(|status| (status.name(), self.counts.get(status.name()).copied().unwrap_or(0)))
            .filter(|(_, number)| *number > 0)
            .map(|(name, number)| format!("{} {name}", count(number)))
            .collect();
        let windows = if self.total == 1 { "window" } else { "windows" };
        let dry = if self.dry_run { ", dry run: nothing published" } else { "" };
        format!(
            "{}: {} {windows} of job {} in {}: {}{dry}",
            self.command,
            count(self.total),
            self.job,
            seconds(self.elapsed_seconds),
            parts.join(", ")
        )
    }

    /// All but the verdict: rows by table, what is to be known, and what failed with the command that runs it again. `job`
    /// is the job file as it was named.
    pub fn details(&self, job: &str) -> String {
        let mut columns = Columns::new(&[Align::Left, Align::Right]);
        for (table, rows) in &self.rows {
            columns.row([table.clone(), format!("{} rows", count(*rows))]);
        }
        if self.dead_letters > 0 {
            columns.row(["dead letters".to_owned(), count(self.dead_letters)]);
        }
        let mut text = columns.render(2);
        for window in &self.windows {
            for warning in &window.warnings {
                text.extend(["warning: ", &window.window().to_string(), ": ", warning, "\n"]);
            }
        }
        let failed: Vec<&WindowResult> = self
            .windows
            .iter()
            .filter(|window| window.status.is_failure() || window.status == ResultStatus::Stopped)
            .collect();
        let mut table = Columns::new(&[Align::Left, Align::Left, Align::Left]);
        for window in &failed {
            let message = window.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
            table.row([window.status.name().to_owned(), window.window().to_string(), message]);
        }
        text.push_str(&table.render(0));
        if let Some(resume) = &self.resume {
            let left = self.windows.iter().filter(|window| !window.status.is_good()).count() as u64;
            let (left, are) = (count(left), if left == 1 { "window is" } else { "windows are" });
            text.extend([&left, " ", are, " left: the same command goes on: ", resume, "\n"]);
        } else if !self.dry_run {
            match failed.as_slice() {
                [] => {}
                [one] => {
                    text.extend([
                        "run it again: etl-runner retry ",
                        job,
                        " --window ",
                        &one.window().to_string(),
                        "\n",
                    ]);
                }
                _ => text.extend(["run them again: etl-runner retry ", job, "\n"]),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Item;
    use crate::report::ErrorReport;
    use crate::window::Window;
    use etl_sdk::Error;

    fn result(hour: u32, status: ResultStatus, kind: Option<ErrorKind>) -> WindowResult {
        let window = Window::parse(&format!("2026-11-20T{hour:02}")).unwrap();
        let item = Item { window, reason: None, again: false };
        let error = kind.map(|kind| Error::new(kind, "do it"));
        let mut result = WindowResult::of(&item, status);
        (result.error, result.kind) = (error.as_ref().map(ErrorReport::from), kind);
        result
    }

    fn report(results: &[(ResultStatus, Option<ErrorKind>)]) -> BatchReport {
        let windows = results.iter().zip(0..).map(|((status, kind), hour)| result(hour, *status, *kind)).collect();
        BatchReport::new("backfill", "shop", windows, 12.34)
    }

    #[test]
    fn the_end_follows_from_the_windows() {
        use ErrorKind::{Gate, Held, Internal, Stopped, Unavailable};
        use ResultStatus::{Done, Empty, Failed, Refused, Skipped, Waiting};
        let held = (ResultStatus::Held, Some(Held));
        let (failed, refused) = ((Failed, Some(Unavailable)), (Refused, Some(Gate)));
        for (windows, outcome) in [
            (vec![], Outcome::Done),
            (vec![(Done, None), (Empty, None), (Skipped, None)], Outcome::Done),
            (vec![(Done, None), failed], Outcome::Partly),
            (vec![(ResultStatus::Partly, Some(Unavailable))], Outcome::Partly),
            (vec![failed, failed], Outcome::Stopped(Internal)),
            (vec![refused], Outcome::Stopped(Gate)),
            (vec![refused, (Waiting, None)], Outcome::Stopped(Internal)),
            (vec![held, held], Outcome::Stopped(Held)),
            (vec![(Done, None), (ResultStatus::Stopped, Some(Stopped)), (Waiting, None)], Outcome::Stopped(Stopped)),
            (vec![(Done, None), (Waiting, None)], Outcome::Stopped(Stopped)),
        ] {
            assert_eq!(report(&windows).outcome(), outcome, "{windows:?}");
        }
        let first = report(&[(Done, None), refused, (Waiting, None)]);
        assert_eq!(first.outcome_of_first(), Outcome::Stopped(Gate));
        assert_eq!(report(&[(Done, None)]).outcome_of_first(), Outcome::Done);
    }

    #[test]
    fn the_screen_says_what_failed_and_what_to_do() {
        let failed = (ResultStatus::Failed, Some(ErrorKind::Unavailable));
        let one = report(&[(ResultStatus::Done, None), failed]);
        assert_eq!(one.verdict(), "backfill: 2 windows of job shop in 12.3 s: 1 done, 1 failed");
        assert_eq!(
            one.details("j.yaml"),
            "failed  2026-11-20T01:00:00Z/2026-11-20T02:00:00Z  do it\n\
             run it again: etl-runner retry j.yaml --window 2026-11-20T01:00:00Z/2026-11-20T02:00:00Z\n"
        );
        assert!(report(&[failed, failed]).details("j.yaml").ends_with("run them again: etl-runner retry j.yaml\n"));
        assert_eq!(report(&[(ResultStatus::Done, None)]).details("j.yaml"), "");
    }
}
