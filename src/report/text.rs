//! The run report as a screen: the verdict first, then the rows from input to output.

use super::effect::Effect;
use super::model::{RunReport, Status, StepReport};
use super::requests::S3Report;
use crate::text::columns::Align::{Left, Right};
use crate::text::columns::Columns;
use crate::text::{bytes, count, printable, seconds};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Dead letter files that are listed before the rest is counted.
const MAX_FILES: usize = 3;

impl RunReport {
    /// The screen, ended by a line break, without colours. The first line is the verdict with the window. The error is left
    /// out where it is told elsewhere.
    pub fn screen(&self, with_error: bool) -> String {
        let mut text = format!("{}\n", self.verdict());
        let _ = writeln!(text, "run {}, now {}, version {}", self.run_id, self.now, self.version);
        if let Some(error) = self.error.as_ref().filter(|_| with_error) {
            let _ = writeln!(text, "error: {}", printable(&error.message));
            if let Some(hint) = &error.hint {
                let _ = writeln!(text, "  hint: {}", printable(hint));
            }
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {}", printable(warning));
        }
        for (name, fact) in self.effect.iter().flat_map(Effect::lines) {
            let _ = writeln!(text, "{name}: {}", printable(&fact));
        }
        if self.status == Status::Empty {
            // There is nothing else to say: all counts are zero.
            text.push_str(&self.skipped());
            return text;
        }
        for part in [
            self.inputs(),
            self.step_table(),
            self.table_table(),
            self.quality_table(),
            self.dead_letter_list(),
            self.footer(),
        ] {
            if !part.is_empty() {
                text.push('\n');
                text.push_str(&part);
            }
        }
        text
    }

    /// One line: how it ended, which job and window, in what time.
    pub fn verdict(&self) -> String {
        let dry = match (self.dry_run, self.status) {
            (false, _) => "",
            (true, Status::Done | Status::Partly) => ", dry run: nothing published",
            (true, Status::Empty | Status::Failed | Status::Refused | Status::Stopped | Status::Held) => ", dry run",
        };
        let what = match self.status {
            Status::Done if self.provisional => "done, provisional: the window is open".to_owned(),
            Status::Empty if self.provisional => "empty so far, provisional: the window is open".to_owned(),
            Status::Done => "done".to_owned(),
            Status::Empty => match &self.empty {
                Some(empty) => format!("empty: no object in {} windows", count(empty.windows)),
                None => "empty: no object in this window".to_owned(),
            },
            Status::Failed => "FAILED: nothing published".to_owned(),
            Status::Refused => "REFUSED by a gate: nothing published".to_owned(),
            Status::Partly => "PARTLY DONE: committed, not all of it is visible or announced".to_owned(),
            Status::Held => "HELD by another run: nothing published".to_owned(),
            Status::Stopped => "STOPPED: nothing published".to_owned(),
        };
        format!(
            "{what}  job {}  window {}/{}  in {}{dry}",
            self.job,
            self.window.start,
            self.window.end,
            seconds(self.elapsed_seconds)
        )
    }

    /// Objects of the listing that are none of the window's, by reason; empty without any.
    fn skipped(&self) -> String {
        let mut columns = Columns::new(&[Left, Left]);
        if !self.objects.skipped.is_empty() {
            columns.row(["skipped".to_owned(), reasons(&self.objects.skipped)]);
        }
        columns.render(0)
    }

    /// Whether it came so far that what was read is counted: each step has counts then.
    fn is_counted(&self) -> bool {
        !self.steps.is_empty()
    }

    fn inputs(&self) -> String {
        let objects = &self.objects;
        if !self.is_counted() && objects.listed == 0 {
            return String::new();
        }
        let mut found = format!("{} listed, {} selected", count(objects.listed), count(objects.selected));
        if self.is_counted() {
            let _ = write!(found, ", {} read", count(objects.read));
        }
        if objects.archived > 0 {
            let _ = write!(found, ", {} archived and not read", count(objects.archived));
        }
        if objects.damaged > 0 {
            let _ = write!(found, ", {} damaged", count(objects.damaged));
        }
        let mut columns = Columns::new(&[Left, Left]);
        columns.row(["objects".to_owned(), found]);
        if !objects.skipped.is_empty() {
            columns.row(["skipped".to_owned(), reasons(&objects.skipped)]);
        }
        if self.resumed_tasks > 0 {
            let tasks = if self.resumed_tasks == 1 { "task" } else { "tasks" };
            let resumed =
                format!("{} {tasks} that an earlier run had finished, not read again", count(self.resumed_tasks));
            columns.row(["resumed".to_owned(), resumed]);
        }
        if let Some(kept) = self.kept {
            let of = format!("{} of {} tasks are finished", count(kept.finished), count(kept.tasks));
            columns.row(["kept".to_owned(), format!("{of}; the next run of the window goes on with them")]);
        }
        if self.is_counted() {
            let (stored, framed) = (bytes(self.bytes.compressed), bytes(self.bytes.decompressed));
            let written = bytes(self.bytes.written);
            let written = if self.status.is_committed() { format!(", {written} written") } else { String::new() };
            columns.row(["bytes".to_owned(), format!("{stored} compressed, {framed} decompressed{written}")]);
            columns.row(["records".to_owned(), count(self.records)]);
        }
        columns.render(0)
    }

    fn step_table(&self) -> String {
        if self.steps.is_empty() {
            return String::new();
        }
        let mut columns = Columns::headed([
            ("step", Left),
            ("table", Left),
            ("read", Right),
            ("+ added", Right),
            ("= kept", Right),
            ("+ filtered", Right),
            ("+ dead", Right),
            ("", Left),
            ("", Left),
        ]);
        for step in &self.steps {
            columns.row([
                step.name.clone(),
                step.table.clone().unwrap_or_else(|| "-".to_owned()),
                count(step.read),
                count(step.added),
                count(step.kept),
                count(step.filtered_total()),
                count(step.dead_total()),
                balance(step),
                reasons(&step.filtered),
            ]);
        }
        columns.render(0)
    }

    /// What is there now: nothing of a run that came to no commit.
    fn table_table(&self) -> String {
        if self.tables.is_empty() || !self.status.is_committed() {
            return String::new();
        }
        let headings = [("table", Left), ("rows", Right), ("files", Right), ("partitions", Right), ("bytes", Right)];
        let mut columns = Columns::headed(headings);
        for table in &self.tables {
            columns.row([
                table.name.clone(),
                count(table.rows),
                count(table.files),
                count(table.partitions),
                bytes(table.bytes),
            ]);
        }
        columns.render(0)
    }

    fn quality_table(&self) -> String {
        if self.quality.is_empty() {
            return String::new();
        }
        let mut columns =
            Columns::headed(["quality rule", "table", "action", "", "found"].map(|heading| (heading, Left)));
        for rule in &self.quality {
            let verdict = if rule.passed { "ok" } else { "BROKEN" }.to_owned();
            columns.row([rule.name.clone(), rule.table.clone(), rule.action.clone(), verdict, rule.observed.clone()]);
        }
        let mut text = columns.render(0);
        for rule in self.quality.iter().filter(|rule| !rule.examples.is_empty()) {
            let _ = writeln!(text, "  {}: {}", printable(&rule.name), printable(&rule.examples.join("; ")));
        }
        text
    }

    fn dead_letter_list(&self) -> String {
        let dead = &self.dead_letters;
        if dead.total == 0 {
            return if self.is_counted() { "dead letters  none\n".to_owned() } else { String::new() };
        }
        let mut columns = Columns::new(&[Left, Right]);
        columns.row(["dead letters".to_owned(), count(dead.total)]);
        let mut by_reason: Vec<_> = dead.by_reason.iter().collect();
        // The most frequent first: that is the one to look at.
        by_reason.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
        for (reason, rows) in by_reason {
            columns.row([format!("  {reason}"), count(*rows)]);
        }
        let mut text = columns.render(0);
        if dead.probably_lost > 0 {
            let _ = writeln!(text, "  and about {} records lost in damaged objects", count(dead.probably_lost));
        }
        for file in dead.files.iter().take(MAX_FILES) {
            let _ = writeln!(text, "  in {}", printable(file));
        }
        if dead.files.len() > MAX_FILES {
            let _ = writeln!(text, "  and {} more files", dead.files.len() - MAX_FILES);
        }
        text
    }

    fn footer(&self) -> String {
        let mut columns = Columns::new(&[Left, Left]);
        for enrichment in self.enrichments.iter().filter(|enrichment| !enrichment.facts.is_empty()) {
            let facts: Vec<String> = enrichment.facts.iter().map(|(name, value)| format!("{name} {value}")).collect();
            columns.row([enrichment.step.clone(), facts.join(", ")]);
        }
        for cache in &self.caches {
            if let Some(rate) = cache.hit_rate {
                let all = count(cache.hits + cache.misses);
                columns.row([format!("cache {}", cache.name), format!("{:.1}% hits of {all}", rate * 100.0)]);
            }
        }
        if !self.phases.is_empty() {
            let phases: Vec<String> =
                self.phases.iter().map(|phase| format!("{} {}", phase.name, seconds(phase.elapsed_seconds))).collect();
            columns.row(["phases".to_owned(), phases.join(", ")]);
        }
        let mut resources = vec![format!("{} elapsed", seconds(self.elapsed_seconds))];
        resources.extend(self.cpu_seconds.map(|cpu| format!("{} CPU", seconds(cpu))));
        resources.extend(self.peak_memory_bytes.map(|peak| format!("{} peak memory", bytes(peak))));
        columns.row(["resources".to_owned(), resources.join(", ")]);
        for (name, text) in self.s3.iter().flat_map(S3Report::lines) {
            columns.row([name.to_owned(), text]);
        }
        columns.render(0)
    }
}

fn balance(step: &StepReport) -> String {
    if step.balances {
        return "ok".to_owned();
    }
    let before = i128::from(step.read) + i128::from(step.added);
    let after = i128::from(step.kept) + i128::from(step.filtered_total()) + i128::from(step.dead_total());
    match before - after {
        lost if lost > 0 => format!("DOES NOT BALANCE: {lost} lost"),
        surplus => format!("DOES NOT BALANCE: {} too many", -surplus),
    }
}

/// `12 hidden, 3 zero_bytes`, the most frequent first.
fn reasons(reasons: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<_> = reasons.iter().collect();
    sorted.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
    sorted.iter().map(|(reason, rows)| format!("{} {reason}", count(**rows))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ErrorReport;
    use crate::report::model::{CacheReport, EnrichmentReport, FileReport, PhaseReport, RuleResult};
    use crate::window::Window;
    use chrono::DateTime;
    use etl_sdk::{CacheStats, EpochMillis, Error, ErrorKind, Fact, Ledger};

    fn report() -> RunReport {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let window = Window { start: at(1_795_132_800), end: at(1_795_136_400) };
        let mut report =
            RunReport::new("shop-20261120T000000Z-20261120T010000Z", "shop", window, EpochMillis(1_795_136_700_000));
        report.status = Status::Done;
        report.version = "0.1.0".to_owned();
        report.objects.listed = 42;
        report.objects.selected = 40;
        report.objects.read = 40;
        report.objects.skipped = [("zero_bytes".to_owned(), 1), ("hidden".to_owned(), 1)].into();
        report.bytes.compressed = 12_897_484;
        report.bytes.decompressed = 100_663_296;
        report.records = 1_010;
        let mut ledger = Ledger::default();
        let payload = ledger.step("payload");
        (payload.read, payload.added, payload.kept) = (1_010, 98_990, 99_988);
        payload.dead = [("bad_json".into(), 12)].into();
        let event = ledger.step("event");
        (event.read, event.kept) = (99_988, 98_000);
        event.filtered = [("stale".into(), 1_880), ("future".into(), 100)].into();
        event.dead = [("bad_json".into(), 1), ("no_app_id".into(), 7)].into();
        report.set_ledger(&ledger, &|step| (step == "event").then(|| "event_v2".to_owned()));
        let file = |table: &str, day: &str, number: u32, rows: u64| FileReport {
            table: table.to_owned(),
            path: format!("{table}/day={day}/{number}.parquet"),
            partition: format!("day={day}"),
            rows,
            bytes: rows * 40,
        };
        report.set_files(
            &["event_v2", "item_v2"],
            vec![file("event_v2", "20", 1, 90_000), file("event_v2", "19", 1, 7_000), file("event_v2", "20", 0, 1_000)],
        );
        report.dead_letters.files = vec!["out/_dead_letters/a.json.gz".to_owned()];
        report.quality = vec![RuleResult {
            name: "known_platform".to_owned(),
            table: "event_v2".to_owned(),
            kind: "in".to_owned(),
            action: "warn".to_owned(),
            rows: 98_000,
            broken: 7,
            passed: false,
            observed: "7 of 98,000 rows (<0.01%) break it".to_owned(),
            examples: vec!["platform=TV".to_owned()],
        }];
        report.caches = vec![CacheReport::from(&CacheStats { name: "ip-geo".into(), hits: 73_500, misses: 24_500 })];
        report.enrichments = vec![EnrichmentReport::new(
            "ip-geo",
            &[Fact { name: "build date".into(), value: "2026-11-01".to_owned() }],
        )];
        report.phases = vec![PhaseReport { name: "read".to_owned(), elapsed_seconds: 1.5 }];
        (report.elapsed_seconds, report.cpu_seconds, report.peak_memory_bytes) = (2.04, Some(3.9), Some(210 << 20));
        report
    }

    #[test]
    fn the_screen_balances_at_a_glance() {
        insta::assert_snapshot!(report().screen(true), @r#"
        done  job shop  window 2026-11-20T00:00:00Z/2026-11-20T01:00:00Z  in 2.04 s
        run shop-20261120T000000Z-20261120T010000Z, now 2026-11-20T01:05:00Z, version 0.1.0

        objects  42 listed, 40 selected, 40 read
        skipped  1 hidden, 1 zero_bytes
        bytes    12.3 MiB compressed, 96.0 MiB decompressed, 3.7 MiB written
        records  1,010

        step     table       read  + added  = kept  + filtered  + dead
        payload  -          1,010   98,990  99,988           0      12  ok
        event    event_v2  99,988        0  98,000       1,980       8  ok  1,880 stale, 100 future

        table       rows  files  partitions    bytes
        event_v2  98,000      3           2  3.7 MiB
        item_v2        0      0           0      0 B

        quality rule    table     action          found
        known_platform  event_v2  warn    BROKEN  7 of 98,000 rows (<0.01%) break it
          known_platform: platform=TV

        dead letters  20
          bad_json    13
          no_app_id    7
          in out/_dead_letters/a.json.gz

        ip-geo        build date 2026-11-01
        cache ip-geo  75.0% hits of 98,000
        phases        read 1.50 s
        resources     2.04 s elapsed, 3.90 s CPU, 210.0 MiB peak memory
        "#);
    }

    #[test]
    fn a_lost_row_is_shouted() {
        let mut ledger = Ledger::default();
        let step = ledger.step("payload");
        (step.read, step.kept) = (10, 7);
        let mut report = RunReport::default();
        report.set_ledger(&ledger, &|_| None);
        assert!(report.screen(true).contains("DOES NOT BALANCE: 3 lost"), "{}", report.screen(true));
    }

    #[test]
    fn a_failed_run_says_why_and_what_to_do() {
        let mut report = report();
        report.status = Status::Refused;
        let error = Error::new(ErrorKind::Gate, "too many dead letters")
            .with("dead", 20)
            .with("limit", "1%")
            .hint("look at the dead letters");
        report.error = Some(ErrorReport::from(&error));
        report.warnings = vec!["two objects are archived".to_owned()];
        let screen = report.screen(true);
        let head: Vec<&str> = screen.lines().take(5).collect();
        insta::assert_snapshot!(head.join("\n"), @r#"
        REFUSED by a gate: nothing published  job shop  window 2026-11-20T00:00:00Z/2026-11-20T01:00:00Z  in 2.04 s
        run shop-20261120T000000Z-20261120T010000Z, now 2026-11-20T01:05:00Z, version 0.1.0
        error: too many dead letters dead=20 limit=1%
          hint: look at the dead letters
        warning: two objects are archived
        "#);
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "the contract is as long as the report")]
    fn field_names_are_a_contract() {
        let mut report = report();
        report.files.truncate(1);
        insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap(), @r#"
        {
          "schema_version": 1,
          "run_id": "shop-20261120T000000Z-20261120T010000Z",
          "job": "shop",
          "status": "done",
          "window": {
            "start": "2026-11-20T00:00:00Z",
            "end": "2026-11-20T01:00:00Z"
          },
          "now": "2026-11-20T01:05:00Z",
          "version": "0.1.0",
          "dry_run": false,
          "revision": 0,
          "amendment": 0,
          "resumed_tasks": 0,
          "objects": {
            "listed": 42,
            "selected": 40,
            "skipped": {
              "hidden": 1,
              "zero_bytes": 1
            },
            "strays": 0,
            "read": 40,
            "archived": 0,
            "damaged": 0
          },
          "bytes": {
            "compressed": 12897484,
            "decompressed": 100663296,
            "written": 3920000
          },
          "records": 1010,
          "steps": [
            {
              "name": "payload",
              "table": null,
              "read": 1010,
              "added": 98990,
              "kept": 99988,
              "filtered": {},
              "dead": {
                "bad_json": 12
              },
              "balances": true
            },
            {
              "name": "event",
              "table": "event_v2",
              "read": 99988,
              "added": 0,
              "kept": 98000,
              "filtered": {
                "future": 100,
                "stale": 1880
              },
              "dead": {
                "bad_json": 1,
                "no_app_id": 7
              },
              "balances": true
            }
          ],
          "tables": [
            {
              "name": "event_v2",
              "rows": 98000,
              "files": 3,
              "bytes": 3920000,
              "partitions": 2
            },
            {
              "name": "item_v2",
              "rows": 0,
              "files": 0,
              "bytes": 0,
              "partitions": 0
            }
          ],
          "files": [
            {
              "table": "event_v2",
              "path": "event_v2/day=19/1.parquet",
              "partition": "day=19",
              "rows": 7000,
              "bytes": 280000
            }
          ],
          "dead_letters": {
            "total": 20,
            "by_reason": {
              "bad_json": 13,
              "no_app_id": 7
            },
            "probably_lost": 0,
            "files": [
              "out/_dead_letters/a.json.gz"
            ]
          },
          "quality": [
            {
              "name": "known_platform",
              "table": "event_v2",
              "kind": "in",
              "action": "warn",
              "rows": 98000,
              "broken": 7,
              "passed": false,
              "observed": "7 of 98,000 rows (<0.01%) break it",
              "examples": [
                "platform=TV"
              ]
            }
          ],
          "caches": [
            {
              "name": "ip-geo",
              "hits": 73500,
              "misses": 24500,
              "hit_rate": 0.75
            }
          ],
          "enrichments": [
            {
              "step": "ip-geo",
              "facts": {
                "build date": "2026-11-01"
              }
            }
          ],
          "phases": [
            {
              "name": "read",
              "elapsed_seconds": 1.5
            }
          ],
          "elapsed_seconds": 2.04,
          "started_at": null,
          "ended_at": null,
          "cpu_seconds": 3.9,
          "peak_memory_bytes": 220200960,
          "warnings": [],
          "error": null
        }
        "#);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<RunReport>(&text).unwrap(), report);
    }
}
