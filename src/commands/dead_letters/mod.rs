//! `dead-letters`: look at what could not be used, read it again, or say that it is done with.

mod drop;
mod errors;
mod list;
mod replay;
mod show;

pub use self::drop::run as drop;
pub use self::list::run as list;
pub use self::replay::run as replay;
pub use self::show::run as show;

use super::process_environment;
use crate::commit::{CommitLog, JobState, Objects, Runner};
use crate::job::{Job, Places, load};
use crate::process::stop::Stop;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use std::path::PathBuf;
use tokio::runtime::Runtime;

/// Whose dead letters, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LettersRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
    /// The windows.
    pub windows: WindowChoice,
    /// Only those with this reason code.
    pub reason: Option<String>,
}

/// Which windows, all as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WindowChoice {
    /// All that there are.
    #[default]
    All,
    /// This one.
    One(String),
    /// Those that lie between two instants.
    Between(String, String),
}

/// `list`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// Whose and which.
    pub letters: LettersRequest,
    /// Most windows to print.
    pub limit: usize,
}

/// `show`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShowRequest {
    /// Whose and which.
    pub letters: LettersRequest,
    /// Most dead letters to print.
    pub limit: usize,
    /// All bytes that are kept, not only the first.
    pub raw: bool,
    /// Also those that are replayed or dropped.
    pub all_states: bool,
}

/// `replay`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayRequest {
    /// Whose and which.
    pub letters: LettersRequest,
    /// Where Firehose's error records are, in place of the windows' own dead letters.
    pub firehose: Option<String>,
    /// Do all but publish.
    pub dry_run: bool,
    /// How long to wait for another run of a window, such as `10m`.
    pub wait: Option<String>,
    /// Worker threads; overrides `limits.threads`.
    pub threads: Option<usize>,
}

/// `drop`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DropRequest {
    /// Whose and which.
    pub letters: LettersRequest,
    /// Only show what would be dropped.
    pub dry_run: bool,
    /// Whether it is meant.
    pub yes: bool,
    /// How long to wait for another run of the window.
    pub wait: Option<String>,
}

/// A job whose log is read and not written.
struct Reading {
    job: Job,
    places: Places,
    log: CommitLog,
    runtime: Runtime,
    stop: Stop,
}

impl Reading {
    fn open(request: &LettersRequest) -> Result<Self> {
        let job = load(&request.job_file, &request.overrides, &process_environment)?;
        let (places, runtime, stop) = (Places::open(&job)?, super::run::runtime()?, Stop::default());
        let objects = Objects::new(&places.state, &job.config.job, runtime.handle().clone(), &stop);
        Ok(Self { job, places, log: CommitLog::new(objects, Runner::this()), runtime, stop })
    }
}

/// The committed windows that are meant and have dead letters, newest first. One that is named is among them anyway.
fn windows(state: &JobState, choice: &WindowChoice) -> Result<Vec<Window>> {
    let span = match choice {
        WindowChoice::All => None,
        WindowChoice::One(text) => return one(state, text).map(|window| vec![window]),
        WindowChoice::Between(from, to) => Some(Window::parse(&format!("{from}/{to}"))?),
    };
    let is_meant = |window: &Window| span.is_none_or(|span| span.covers(window));
    let with_letters = state.windows.iter().rev().filter(|(window, known)| {
        is_meant(window) && known.commits.iter().any(|commit| commit.counts.dead_letters > 0)
    });
    Ok(with_letters.map(|(window, _)| *window).collect())
}

/// The committed window of this text.
fn one(state: &JobState, text: &str) -> Result<Window> {
    let window = Window::parse(text)?;
    if state.window(&window).is_committed() {
        return Ok(window);
    }
    let error = Error::new(ErrorKind::Usage, "the window was never committed").with("window", window);
    let within = state.overlapping(&window);
    Err(match within.first() {
        Some(first) => error.with("overlaps", first).hint(format!(
            "{} committed windows overlap it: name one of them, or take those between two instants with --from and --to",
            within.len()
        )),
        None => error.hint("`etl-runner dead-letters list JOB` names the windows that have dead letters"),
    })
}
