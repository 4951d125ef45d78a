//! What is staged and not published, and which run it belongs to.

use super::staged::Staged;
use crate::window::Window;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;

/// Something that is staged under a sink's url and not published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PendingFound {
    /// Path under the sink's url that it is meant for. Of a hidden file only the end is known, from the run's name on,
    /// and of that the first 180 bytes.
    pub path: String,
    /// Where it is; the parts of an upload are left out.
    pub staged: Staged,
    /// Its length; `None` for an upload whose parts were not asked for.
    pub bytes: Option<u64>,
    /// When the last byte of a hidden file was written, or an upload begun.
    pub modified: DateTime<Utc>,
    /// The run it belongs to; `None` for what no run of this program has staged.
    pub run: Option<StagedRun>,
}

/// The run that something staged belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StagedRun {
    /// Name of the job.
    pub job: String,
    /// The window.
    pub window: Window,
}

impl StagedRun {
    /// The window of a name such as `20261120T000000Z-20261120T010000Z`.
    pub fn window_of(name: &str) -> Option<Window> {
        window_of(name)
    }
}

/// Length of a window's name: `20261120T000000Z-20261120T010000Z`.
const WINDOW_BYTES: usize = 33;

/// Room left in a hidden name for the dots, the store's token, the count and the ending. The run's name has 98 bytes at
/// most and comes first, so it is never cut.
const HIDDEN_NAME_BYTES: usize = 180;

/// Stands for the slash in a hidden name.
const SLASH: &str = "+";

const HIDDEN_ENDING: &str = ".pending";

/// Reads `<job>-<window>` out of a hidden file's name, a file's path or an upload's key. The last one counts: the parts
/// before it may hold what clients sent.
pub fn run_of(name: &str) -> Option<StagedRun> {
    find_run(name).map(|(_, run)| run)
}

/// The run in a name, and where it begins.
fn find_run(name: &str) -> Option<(usize, StagedRun)> {
    let last = name.len().checked_sub(WINDOW_BYTES)?;
    (0..=last).rev().find_map(|start| {
        let window = window_of(name.get(start..start + WINDOW_BYTES)?)?;
        let before = name[..start].strip_suffix('-')?;
        let is_of_job = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let begin = before.bytes().rposition(|byte| !is_of_job(byte)).map_or(0, |index| index + 1);
        let job = &before[begin..];
        let ends_well =
            !matches!(name[start + WINDOW_BYTES..].bytes().next(), Some(byte) if byte.is_ascii_alphanumeric());
        let begins_well = begin == 0 || b"/.=+".contains(&name.as_bytes()[begin - 1]);
        let fits = begins_well && ends_well && !job.is_empty() && !job.starts_with('-');
        fits.then(|| (begin, StagedRun { job: job.to_owned(), window }))
    })
}

fn window_of(name: &str) -> Option<Window> {
    let instant = |text: &str| NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok();
    let (start, end) = (instant(name.get(..16)?)?, instant(name.get(17..)?)?);
    let window = Window::new(start.and_utc(), end.and_utc()).ok()?;
    // Other ways to write an instant are none of ours.
    (window.id() == name).then_some(window)
}

/// Name of the hidden file of a path: `.<path from the run on>.<token>-<count>.pending`. Paths without a run have their
/// last part.
pub(super) fn hidden_name(path: &str, token: u64, count: u64) -> String {
    let start = find_run(path).map_or_else(|| path.rfind('/').map_or(0, |slash| slash + 1), |(start, _)| start);
    let name = path[start..].replace('/', SLASH);
    let name = &name[..name.floor_char_boundary(HIDDEN_NAME_BYTES)];
    format!(".{name}.{token:016x}-{count}{HIDDEN_ENDING}")
}

/// The end of the path that a hidden file is meant for; `None` for the name of another program's file.
pub(super) fn path_of_hidden(name: &str) -> Option<String> {
    let (path, count) = name.strip_prefix('.')?.strip_suffix(HIDDEN_ENDING)?.rsplit_once('.')?;
    let (token, count) = count.split_once('-')?;
    let ours = token.len() == 16
        && token.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !count.is_empty()
        && count.bytes().all(|byte| byte.is_ascii_digit());
    ours.then(|| path.replace(SLASH, "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: &str = "20261120T000000Z-20261120T010000Z";

    fn named(name: &str) -> Option<(String, String)> {
        run_of(name).map(|run| (run.job, run.window.id()))
    }

    #[test]
    fn the_run_is_read_from_names_of_every_kind() {
        let run = Some(("shop-2".to_owned(), WINDOW.to_owned()));
        for name in [
            "event_v2/partition_app=shop/shop-2-WINDOW-00000-0.snappy.parquet",
            "event_v2/shop-2-WINDOW.r1.a2-merged-0.snappy.parquet",
            "out/_dead_letters/job=shop-2/dt=2026-11-20/run=shop-2-WINDOW/part-00000.json.gz",
            "run=shop-2-WINDOW.r1/part-00000.json.gz",
            "shop-2-WINDOW",
            // What a client sent does not count.
            "event_v2/partition_app=evil-20200101T000000Z-20200102T000000Z/shop-2-WINDOW-00000-0.parquet",
        ] {
            let path = name.replace("WINDOW", WINDOW);
            assert_eq!(named(&path), run, "{path}");
            let hidden = hidden_name(&path, 7, 3);
            assert_eq!(named(&hidden), run, "{hidden}");
        }
        for name in [
            "",
            "part-00000.json.gz",
            "20261120T000000Z-20261120T010000Z",
            "-20261120T000000Z-20261120T010000Z",
            "/-20261120T000000Z-20261120T010000Z",
            "Shop-20261120T000000Z-20261120T010000Z",
            "shop-20261120T010000Z-20261120T000000Z",
            "shop-20261320T000000Z-20261420T010000Z",
            "shop-20261120T000000Z-20261120T010000Zone",
            "shop-20261120T000000Z-20261120T0100☃0Z",
        ] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn hidden_names_fit_and_keep_the_run() {
        let job = "j".repeat(64);
        for (tail, more) in [("-00000-0.snappy.parquet", ""), (".r1/part-00000.json.gz", ""), ("/", &*"☃".repeat(80))]
        {
            let path = format!("t/x={more}/{job}-{WINDOW}{tail}{more}");
            let hidden = hidden_name(&path, u64::MAX, u64::MAX);
            assert!(hidden.len() <= 255, "{hidden}");
            assert_eq!(named(&hidden), Some((job.clone(), WINDOW.to_owned())));
            let end = path_of_hidden(&hidden).unwrap();
            let meant = &path[path.find(&job).unwrap()..];
            assert!(meant.starts_with(&end) && (meant.len() <= 180) == (meant == end), "{end}");
        }
        assert_eq!(hidden_name("t/a=1/x-0.parquet", 255, 1), ".x-0.parquet.00000000000000ff-1.pending");
        for foreign in [".nfs0001", "x.00000000000000ff-1.pending", ".x.ff-1.pending", ".x.00000000000000ff-.pending"] {
            assert_eq!(path_of_hidden(foreign), None, "{foreign}");
        }
    }
}
