//! `gc`: what stopped and killed runs left behind, shown, and removed when asked to.

use super::request::GcRequest;
use super::session::{Session, listen};
use crate::commit::gc;
use crate::commit::gc::{Garbage, GarbageKind, LeftAlone, Places, Removed};
use crate::report::Outcome;
use crate::screen::Printer;
use crate::text::columns::{Align, Columns};
use crate::text::{Span, bytes, count, instant, seconds};
use chrono::{DateTime, Utc};
use etl_sdk::Result;
use serde::Serialize;
use serde_json::json;

/// Pieces that are named on the screen; `--output json` names all.
const MAX_SHOWN: usize = 50;

/// What was found, and what became of it.
#[derive(Debug, Serialize)]
struct GcReport {
    job: String,
    applied: bool,
    older_than: Span,
    pieces: u64,
    bytes: u64,
    garbage: Vec<Piece>,
    left: LeftAlone,
    /// Absent unless something was to be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<Removed>,
}

#[derive(Debug, Serialize)]
struct Piece {
    #[serde(flatten)]
    garbage: Garbage,
    /// Name of the run; absent for what belongs to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    age_seconds: i64,
}

/// Prints what would be removed, or removes it and prints what was.
pub fn run(request: &GcRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, listen(printer)?, printer)?.watched(printer)?.build()?;
    let context = session.context()?;
    let (job, now, older_than) = (session.job(), session.now(), request.older_than);
    let places = Places {
        job: &job.config.job,
        stores: &context.stores,
        tables_url: context.places.sink.url(),
        dead_letters_url: context.places.dead_letters.url(),
        lease: job.config.state.lease_length(),
    };
    let found = gc::find(&places, gc::limit(now, older_than))?;
    let pieces = found.garbage.iter().map(|garbage| Piece {
        garbage: garbage.clone(),
        run: garbage.run(&job.config.job),
        age_seconds: age(garbage, now),
    });
    let mut report = GcReport {
        job: job.config.job.clone(),
        applied: request.apply,
        older_than,
        pieces: found.garbage.len() as u64,
        bytes: found.garbage.iter().filter_map(|garbage| garbage.bytes).sum(),
        garbage: pieces.collect(),
        left: found.left.clone(),
        removed: None,
    };
    if request.apply {
        report.removed = Some(gc::remove(&places, found, &|| session.stop().check())?);
    }
    if printer.is_json() {
        printer.json(&json!({"gc": report}))?;
    } else {
        printer.result(&screen(&report))?;
        if !request.apply && report.pieces > 0 {
            printer.note("nothing was removed; add --apply to remove it");
        }
        if report.left.unpublished > 0 {
            printer.note("a commit is not published yet: run `etl-runner recover` first");
        }
    }
    Ok(Outcome::Done)
}

fn age(garbage: &Garbage, now: DateTime<Utc>) -> i64 {
    (now - garbage.modified).num_seconds().max(0)
}

fn name_of(kind: GarbageKind) -> &'static str {
    match kind {
        GarbageKind::HiddenFile => "hidden file",
        GarbageKind::Upload => "upload",
        GarbageKind::Work => "work",
        GarbageKind::Detail => "detail",
        GarbageKind::Inputs => "inputs",
        GarbageKind::Carried => "carried rows",
        GarbageKind::Lease => "lease",
        GarbageKind::Unfinished => "half written",
    }
}

fn screen(report: &GcReport) -> String {
    let mut text = match (&report.removed, report.pieces) {
        (_, 0) => format!("gc: job {}, nothing to remove\n", report.job),
        (None, pieces) => {
            format!("gc: job {}, would remove {}, {}\n", report.job, several(pieces), bytes(report.bytes))
        }
        (Some(removed), _) => {
            format!("gc: job {}, removed {}, {}\n", report.job, several(removed.pieces), bytes(removed.bytes))
        }
    };
    let mut columns = Columns::new(&[Align::Left, Align::Left, Align::Right, Align::Right, Align::Left, Align::Left]);
    if report.pieces > 0 {
        columns.row(["what", "window", "age", "bytes", "where", "why"].map(str::to_owned));
    }
    for piece in report.garbage.iter().take(MAX_SHOWN) {
        let garbage = &piece.garbage;
        columns.row([
            name_of(garbage.kind).to_owned(),
            garbage.window.map_or_else(String::new, |window| instant(window.start)),
            seconds(piece.age_seconds as f64),
            garbage.bytes.map_or_else(|| "?".to_owned(), bytes),
            garbage.place.clone(),
            garbage.why.to_owned(),
        ]);
    }
    text.push_str(&columns.render(2));
    let mut line = |text_of: String| {
        text.push_str("  ");
        text.push_str(&text_of);
        text.push('\n');
    };
    if report.garbage.len() > MAX_SHOWN {
        line(format!("and {} more; --output json names all", count((report.garbage.len() - MAX_SHOWN) as u64)));
    }
    let left = &report.left;
    for (number, why) in [
        (left.young, format!("younger than {}", report.older_than)),
        (left.working, "of windows that another run holds".to_owned()),
        (left.unpublished, "of windows with a commit that is not published yet".to_owned()),
        (left.foreign, "staged by other jobs or programs".to_owned()),
    ] {
        if number > 0 {
            line(format!("left alone: {} {why}", count(number)));
        }
    }
    for window in report.removed.iter().flat_map(|removed| &removed.skipped) {
        line(format!("left alone: window {window}, which another run took in the meantime"));
    }
    text
}

fn several(pieces: u64) -> String {
    if pieces == 1 { "1 piece".to_owned() } else { format!("{} pieces", count(pieces)) }
}
