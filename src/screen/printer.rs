//! The only place that prints: results on stdout, people's text on stderr.

use crate::report::{ErrorReport, Outcome, RunReport, Status};
use clap::ValueEnum;
use etl_sdk::{Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// What stdout gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Text for people.
    #[default]
    Text,
    /// One JSON value and nothing else; on failure `{"error": …}`.
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// No colours.
    Never,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressStyle {
    /// A bar on a terminal, lines elsewhere.
    #[default]
    Auto,
    /// A bar.
    Bar,
    /// A line every ten seconds.
    Log,
    /// Nothing.
    None,
}

/// Prints in the way that the command line asks for. A reader that goes away is not an error: what it did not want is
/// not printed.
#[derive(Clone, Debug, Default)]
pub struct Printer {
    output: Output,
    progress: ProgressStyle,
    quiet: bool,
    stdout_color: bool,
    stderr_color: bool,
    width: Option<usize>,
}

/// Characters of a line where the terminal's own number is not in `COLUMNS`.
const USUAL_WIDTH: usize = 120;

/// How good a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Somebody may want to look.
    Notice,
    /// Somebody has to look.
    Bad,
}

const RED: &str = "\x1b[1;31m";
const GREEN: &str = "\x1b[1;32m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

impl Printer {
    /// Asks the terminal and the environment what `auto` means.
    pub fn new(output: Output, color: Color, progress: ProgressStyle, quiet: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let wanted = |terminal: bool| match color {
            Color::Auto => terminal && !no_color,
            Color::Always => true,
            Color::Never => false,
        };
        let terminal = io::stderr().is_terminal();
        let columns = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = io::stdout().is_terminal().then(|| columns().unwrap_or(USUAL_WIDTH));
        let progress = match progress {
            _ if quiet => ProgressStyle::None,
            ProgressStyle::Auto if terminal => ProgressStyle::Bar,
            ProgressStyle::Auto => ProgressStyle::Log,
            asked => asked,
        };
        Self {
            output,
            progress,
            quiet,
            stdout_color: wanted(io::stdout().is_terminal()),
            stderr_color: wanted(terminal),
            width,
        }
    }

    /// Whether stdout gets JSON.
    pub fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// Characters of a line of stdout, when that is a terminal.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// How progress is shown; never `Auto`, except of a default printer.
    pub fn progress_style(&self) -> ProgressStyle {
        self.progress
    }

    /// Text for stdout.
    pub fn result(&self, text: &str) -> Result<()> {
        to_stdout(text.as_bytes())
    }

    /// A piece of a long text for stdout. `false` when nobody reads any more, and the rest need not be made.
    pub fn piece(&self, text: &str) -> Result<bool> {
        write_stdout(text.as_bytes())
    }

    /// A JSON value for stdout, indented, with a line break at its end.
    pub fn json(&self, value: &impl Serialize) -> Result<()> {
        let mut bytes =
            serde_json::to_vec_pretty(value).map_err(|error| Error::internal("write JSON").source(error))?;
        bytes.push(b'\n');
        to_stdout(&bytes)
    }

    /// The run report: the JSON or the screen, whichever stdout gets.
    pub fn report(&self, report: &RunReport) -> Result<()> {
        if self.is_json() {
            return self.json(report);
        }
        let screen = report.screen();
        let (verdict, rest) = screen.split_once('\n').unwrap_or((&screen, ""));
        let color = match report.status {
            Status::Done | Status::Empty => GREEN,
            Status::Partly | Status::Stopped | Status::Held => YELLOW,
            Status::Failed | Status::Refused => RED,
        };
        self.result(&format!("{}\n{rest}", paint(verdict, color, self.stdout_color)))
    }

    /// The first line of a command's result, in the colour of its outcome.
    pub fn verdict(&self, text: &str, outcome: Outcome) -> Result<()> {
        let tone = match outcome {
            Outcome::Done => Tone::Good,
            Outcome::Partly | Outcome::Stopped(ErrorKind::Stopped | ErrorKind::Held) => Tone::Notice,
            Outcome::Different | Outcome::Stopped(_) => Tone::Bad,
        };
        self.result(&format!("{}\n", self.painted(text, tone)))
    }

    /// A piece of text for stdout, in colour if colours are wanted there.
    pub fn painted(&self, text: &str, tone: Tone) -> String {
        let color = match tone {
            Tone::Good => GREEN,
            Tone::Notice => YELLOW,
            Tone::Bad => RED,
        };
        paint(text, color, self.stdout_color)
    }

    /// A line for people, unless they asked for quiet.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            to_stderr(&format!("{text}\n"));
        }
    }

    /// A warning for people, unless they asked for quiet.
    pub fn warning(&self, text: &str) {
        if !self.quiet {
            to_stderr(&format!("{} {text}\n", paint("warning:", YELLOW, self.stderr_color)));
        }
    }

    /// A failure, for people on stderr; with JSON output also as `{"error": …}` on stdout.
    pub fn error(&self, error: &Error) {
        self.explain(error);
        if self.is_json() {
            // There is no better place left to complain.
            let _ = self.json(&json!({"error": ErrorReport::from(error)}));
        }
    }

    /// A failure for people alone: for a run whose report, with the error in it, is what stdout gets.
    pub fn explain(&self, error: &Error) {
        let message = crate::text::one_line(&error.to_string());
        let mut text = format!("{} {message}\n", paint("error:", RED, self.stderr_color));
        if let Some(hint) = error.hint_text() {
            let _ = writeln!(text, "  {} {hint}", paint("hint:", CYAN, self.stderr_color));
        }
        to_stderr(&text);
    }
}

fn paint(text: &str, color: &str, wanted: bool) -> String {
    if wanted { format!("{color}{text}{RESET}") } else { text.to_owned() }
}

fn to_stdout(bytes: &[u8]) -> Result<()> {
    write_stdout(bytes).map(|_| ())
}

/// `false` when the reader is gone.
fn write_stdout(bytes: &[u8]) -> Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::new(ErrorKind::Unavailable, "write to stdout").source(error)),
    }
}

pub(super) fn to_stderr(text: &str) {
    // Nobody is left to be told of a stderr that cannot be written.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
