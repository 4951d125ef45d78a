//! The only place that prints: results on stdout, people's text on stderr.

use super::bar;
use crate::report::{ErrorReport, Outcome, RunReport, Status};
use crate::storage::answer_of;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use etl_sdk::{Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use terminal_size::{Width, terminal_size_of};

/// What stdout gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
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

impl Color {
    /// `auto` is what the terminal and the environment (`NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`, `TERM`) ask for.
    fn is_wanted(self, auto: ColorChoice) -> bool {
        match self {
            Self::Auto => auto != ColorChoice::Never,
            Self::Always => true,
            Self::Never => false,
        }
    }
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

/// Prints in the way that the command line asks for. A reader that goes away is not an error: the rest is not printed.
#[derive(Clone, Debug, Default)]
pub struct Printer {
    output: OutputFormat,
    progress: ProgressStyle,
    quiet: bool,
    stdout_color: bool,
    stderr_color: bool,
    width: Option<usize>,
}

/// Width of a terminal that does not say how wide it is.
const USUAL_WIDTH: usize = 120;

/// How good a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// It may be worth a look.
    Notice,
    /// It needs attention.
    Bad,
}

const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default();

#[allow(clippy::unused_self, reason = "where results go is for the printer to decide")]
impl Printer {
    /// Asks the terminal and the environment what `auto` means.
    pub fn new(output: OutputFormat, color: Color, progress: ProgressStyle, quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
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
            stdout_color: color.is_wanted(AutoStream::choice(&io::stdout())),
            stderr_color: color.is_wanted(AutoStream::choice(&io::stderr())),
            width: io::stdout().is_terminal().then(terminal_width),
        }
    }

    /// Whether stdout gets JSON.
    pub fn is_json(&self) -> bool {
        self.output == OutputFormat::Json
    }

    /// Width of a line of stdout, when that is a terminal.
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

    /// A piece of a long text for stdout. `false` when the reader is gone, and the rest need not be made.
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
            bar::aside(|| to_stderr(&format!("{text}\n")));
        }
    }

    /// A warning for people, unless they asked for quiet.
    pub fn warning(&self, text: &str) {
        if !self.quiet {
            let text = format!("{} {text}\n", paint("warning:", YELLOW, self.stderr_color));
            bar::aside(|| to_stderr(&text));
        }
    }

    /// A failure, for people on stderr; with JSON output also as `{"error": …}` on stdout.
    pub fn error(&self, error: &Error) {
        self.explain(error);
        if self.is_json() {
            // There is no better place left to report it.
            let _ = self.json(&json!({"error": ErrorReport::from(error)}));
        }
    }

    /// A failure for people alone: for a run whose report, with the error in it, is what stdout gets.
    pub fn explain(&self, error: &Error) {
        let message = crate::text::one_line(&error.to_string());
        let mut text = format!("{} {message}\n", paint("error:", RED, self.stderr_color));
        if let Some(answer) = answer_of(error) {
            let _ = writeln!(text, "  {} {}", paint("answer:", CYAN, self.stderr_color), crate::text::one_line(answer));
        }
        if let Some(hint) = error.hint_text() {
            let _ = writeln!(text, "  {} {hint}", paint("hint:", CYAN, self.stderr_color));
        }
        to_stderr(&text);
    }
}

/// Colours are left out here, not stripped on the way out: values and files for programs must pass as they are.
fn paint(text: &str, style: Style, wanted: bool) -> String {
    if wanted { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

/// `COLUMNS` where it is set, as shells and other programs take it; else what the terminal says.
fn terminal_width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let own = || terminal_size_of(io::stdout()).map(|(Width(columns), _)| usize::from(columns));
    columns.or_else(own).filter(|columns| *columns > 0).unwrap_or(USUAL_WIDTH)
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
    // There is nowhere to report that stderr cannot be written.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
