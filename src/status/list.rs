//! The windows as lines.

use super::model::{StatusReport, WindowReport, WindowStatus};
use crate::text::columns::{Align, Columns};
use crate::text::{count, instant, printable};
use std::fmt::Write as _;
use strum::VariantArray;

/// Failures that are explained; `--list` and `--output json` have all.
const SHOWN_FAILURES: usize = 10;

/// One line: `72 windows: 70 done, 1 missing, 1 failed`.
pub fn summary(report: &StatusReport) -> String {
    let number = |status: &WindowStatus| report.counts.get(status.name()).copied().unwrap_or(0);
    let parts: Vec<String> = WindowStatus::VARIANTS
        .iter()
        .filter(|status| number(status) > 0)
        .map(|status| format!("{} {}", count(number(status)), status.name()))
        .collect();
    let windows = if report.total == 1 { "window" } else { "windows" };
    if parts.is_empty() {
        return "no windows are known: nothing ran yet".to_owned();
    }
    let again = match report.failed_reruns {
        0 => String::new(),
        number => format!("; the last re-run of {} ended without a commit", count(number)),
    };
    format!("{} {windows}: {}{again}", count(report.total), parts.join(", "))
}

/// All windows of the report, a line each.
pub fn list(report: &StatusReport) -> String {
    let mut columns = Columns::new(&[
        Align::Left,
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Left,
        Align::Left,
    ]);
    let header = ["window", "status", "rows", "dead letters", "revision", "failures", "committed", ""];
    columns.row(header.map(str::to_owned));
    for window in &report.windows {
        let committed = window.committed_at.clone().unwrap_or_default();
        let number = |number: u64| if committed.is_empty() { String::new() } else { count(number) };
        columns.row([
            window.window().to_string(),
            window.status.name().to_owned(),
            number(window.rows.values().sum()),
            number(window.dead_letters),
            window.revision.map(|revision| revision.to_string()).unwrap_or_default(),
            if window.failures == 0 { String::new() } else { count(u64::from(window.failures)) },
            committed.clone(),
            remark(window),
        ]);
    }
    columns.render(0)
}

fn remark(window: &WindowReport) -> String {
    let mut remarks = Vec::new();
    if let Some(running) = &window.running {
        remarks.push(format!("{}:{} since {}", running.host, running.pid, running.since));
    }
    if let Some(failure) = &window.failure {
        remarks.push(format!("{} {}: {}", failure.status, failure.at, failure.message));
    }
    if window.status == WindowStatus::Provisional {
        remarks.push("run before it closed, to be run again".to_owned());
    }
    for late in &window.late {
        let objects = if late.objects == 1 { "object" } else { "objects" };
        remarks.push(format!("{} late {objects} in {}", count(late.objects), late.taken_by));
    }
    if !window.owed.is_empty() {
        remarks.push(format!("announcement owed: {}", window.owed.join(", ")));
    }
    if window.replays > 0 {
        remarks.push(format!("with {} replayed", window.replays));
    }
    remarks.join("; ")
}

/// What failed, why, and the command that runs it again; nothing when nothing did. `job` is the job file as it was named.
pub fn failures(report: &StatusReport, job: &str) -> String {
    let is_failed = |window: &&WindowReport| window.status.is_failure() || window.is_failed_rerun();
    let failed: Vec<&WindowReport> = report.windows.iter().filter(is_failed).collect();
    let mut text = String::new();
    for window in failed.iter().take(SHOWN_FAILURES) {
        let Some(failure) = &window.failure else { continue };
        let what = if window.status.is_failure() { "" } else { "re-run " };
        let times = if window.failures > 1 { format!(", {} attempts", window.failures) } else { String::new() };
        let _ = writeln!(text, "{what}{} {}  {}{times}", failure.status, window.window(), failure.at);
        let _ = writeln!(text, "  {}", printable(&failure.message));
    }
    if failed.len() > SHOWN_FAILURES {
        let more = count((failed.len() - SHOWN_FAILURES) as u64);
        let _ = writeln!(text, "and {more} more: --only failed,refused,stopped --list");
    }
    match failed.as_slice() {
        [] => {}
        [one] => text.push_str(
            &["run it again: etl-runner retry ", job, " --window ", &one.window().to_string(), "\n"].concat(),
        ),
        _ => text.push_str(&["run them again: etl-runner retry ", job, "\n"].concat()),
    }
    text.push_str(&missing(report, job));
    text
}

/// The windows that never began, and the command that runs them; nothing when there are none, or when the schedule or a
/// backfill that is told already has them.
fn missing(report: &StatusReport, job: &str) -> String {
    let number = report.counts.get(WindowStatus::Missing.name()).copied().unwrap_or(0);
    let Some(missing) = report.missing.filter(|_| report.backfills.is_empty()) else { return String::new() };
    let (windows, them) = if number == 1 { ("window", "it") } else { ("windows", "them") };
    let (from, to) = (instant(missing.start), instant(missing.end));
    let every = report.every.as_deref().unwrap_or_default();
    format!(
        "{} missing {windows} never began, and retry does not run {them}: etl-runner backfill {job} --from {from} --to {to} \
         --every {every}\n",
        count(number)
    )
}
