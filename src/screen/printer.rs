//! The only place that prints: results on stdout, people's text on stderr.

use super::bar::{self, USUAL_WIDTH};
use super::excerpt::excerpt;
use crate::report::{ErrorReport, Outcome, RunReport, Status};
use crate::storage::answer_of;
use crate::text::{count, printable, printable_json, printable_lines};
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use etl_sdk::{Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::json;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Whether this process has written to stdout.
static WRITTEN: AtomicBool = AtomicBool::new(false);

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

    /// Text for people on stdout.
    pub fn result(&self, text: &str) -> Result<()> {
        to_stdout(shown(text, self.stdout_color).as_bytes())
    }

    /// A piece of a long text for people. `false` when the reader is gone, and the rest need not be made.
    pub fn piece(&self, text: &str) -> Result<bool> {
        write_stdout(shown(text, self.stdout_color).as_bytes())
    }

    /// A piece of what programs read, byte by byte as it is, but on a terminal. `false` when the reader is gone.
    pub fn data(&self, text: &str) -> Result<bool> {
        let text = if self.width.is_some() { printable_lines(text) } else { Cow::Borrowed(text) };
        write_stdout(text.as_bytes())
    }

    /// A line for programs that read what is logged, as it is: on stdout, and on stderr where stdout gets one JSON value.
    pub fn line(&self, text: &str) {
        let text = format!("{text}\n");
        if self.is_json() {
            bar::aside(|| to_stderr(&text));
        } else {
            // There is nowhere to report that stdout cannot be written.
            let _ = write_stdout(text.as_bytes());
        }
    }

    /// A JSON value for stdout, indented, with a line break at its end.
    pub fn json(&self, value: &impl Serialize) -> Result<()> {
        let mut text =
            serde_json::to_string_pretty(value).map_err(|error| Error::internal("write JSON").source(error))?;
        text.push('\n');
        to_stdout(printable_json(&text).as_bytes())
    }

    /// The run report: the JSON or the screen, whichever stdout gets. `is_explained` says that the error is explained
    /// behind it: where both are on one screen, it is told there alone.
    pub fn report(&self, report: &RunReport, is_explained: bool) -> Result<()> {
        if self.is_json() {
            return self.json(report);
        }
        let is_one_screen = self.width.is_some() && io::stderr().is_terminal();
        let screen = report.screen(!(is_explained && is_one_screen));
        let (verdict, rest) = screen.split_once('\n').unwrap_or((&screen, ""));
        let color = match report.status {
            Status::Done | Status::Empty => Mark::Green,
            Status::Partly | Status::Stopped | Status::Held => Mark::Yellow,
            Status::Failed | Status::Refused => Mark::Red,
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
            Tone::Good => Mark::Green,
            Tone::Notice => Mark::Yellow,
            Tone::Bad => Mark::Red,
        };
        paint(text, color, self.stdout_color)
    }

    /// A line for people, unless they asked for quiet.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.say(&format!("{}\n", printable(text)));
        }
    }

    /// A warning for people, unless they asked for quiet.
    pub fn warning(&self, text: &str) {
        if !self.quiet {
            self.say(&format!("{} {}\n", paint("warning:", Mark::Yellow, self.stderr_color), printable(text)));
        }
    }

    /// A failure, for people on stderr; with JSON output also as `{"error": …}` on stdout.
    pub fn error(&self, error: &Error) {
        self.explain(error);
        // A second value behind one that is there already, or behind half of it, could not be read.
        if self.is_json() && !WRITTEN.load(Ordering::Relaxed) {
            // There is no better place left to report it.
            let _ = self.json(&json!({"error": ErrorReport::from(error)}));
        }
    }

    /// A failure for people alone: for a run whose report, with the error in it, is what stdout gets.
    pub fn explain(&self, error: &Error) {
        let mut text = self.explanation(error);
        for other in error.others() {
            text.push_str(&self.explanation(other));
        }
        match error.others().len() {
            0 => {}
            others => text.extend([&count(others as u64 + 1), " mistakes\n"]),
        }
        self.say(&text);
    }

    fn explanation(&self, error: &Error) -> String {
        let message = crate::text::one_line(&error.to_string());
        let message = printable(&message);
        let mut text = format!("{} {message}\n", paint("error:", Mark::Red, self.stderr_color));
        text.extend(error.place().map(excerpt));
        if let Some(answer) = answer_of(error) {
            let answer = crate::text::one_line(answer);
            let label = paint("answer:", Mark::Cyan, self.stderr_color);
            let _ = writeln!(text, "  {label} {}", printable(&answer));
        }
        if let Some(hint) = error.hint_text() {
            let _ = writeln!(text, "  {} {}", paint("hint:", Mark::Cyan, self.stderr_color), printable(hint));
        }
        text
    }

    /// Why a command line is refused: lines for people.
    pub fn refusal(&self, text: &str) {
        self.say(text);
    }

    fn say(&self, text: &str) {
        bar::aside(|| to_stderr(&shown(text, self.stderr_color)));
    }
}

/// A colour of a text that is still to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Mark {
    const ALL: [Self; 4] = [Self::Red, Self::Green, Self::Yellow, Self::Cyan];

    /// A character that is none, and that stands for the colour until then.
    fn character(self) -> char {
        match self {
            Self::Red => '\u{fdd0}',
            Self::Green => '\u{fdd1}',
            Self::Yellow => '\u{fdd2}',
            Self::Cyan => '\u{fdd3}',
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Red => AnsiColor::Red.on_default().bold(),
            Self::Green => AnsiColor::Green.on_default().bold(),
            Self::Yellow => AnsiColor::Yellow.on_default().bold(),
            Self::Cyan => AnsiColor::Cyan.on_default(),
        }
    }
}

/// Ends a colour.
const PLAIN: char = '\u{fdd4}';

/// Marks a text with a colour; [`shown`] puts it on.
fn paint(text: &str, color: Mark, wanted: bool) -> String {
    if wanted { format!("{}{}{PLAIN}", color.character(), printable(text)) } else { text.to_owned() }
}

/// The one place through which text for people goes: what a terminal would obey is an escape, but for the colours that were
/// put on here.
fn shown(text: &str, colored: bool) -> Cow<'_, str> {
    let mark = |character| Mark::ALL.into_iter().find(|mark| mark.character() == character);
    let is_mark = |character: char| character == PLAIN || mark(character).is_some();
    if !colored || !text.contains(is_mark) {
        return printable_lines(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for part in text.split_inclusive(is_mark) {
        let last = part.chars().next_back().filter(|character| is_mark(*character));
        shown.push_str(&printable_lines(part.trim_end_matches(is_mark)));
        match last.map(mark) {
            Some(Some(color)) => shown.push_str(&color.style().render().to_string()),
            Some(None) => shown.push_str(&anstyle::Reset.render().to_string()),
            None => {}
        }
    }
    Cow::Owned(shown)
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
    WRITTEN.store(true, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_the_only_escapes_that_are_shown() {
        let text = format!("{}\n\u{1b}[2Jrest", paint("do\u{1b}ne", Mark::Green, true));
        assert_eq!(shown(&text, true), "\u{1b}[1m\u{1b}[32mdo\\u{1b}ne\u{1b}[0m\n\\u{1b}[2Jrest");
        assert_eq!(shown("a\u{9b}b\n", false), "a\\u{9b}b\n");
        assert_eq!(paint("done", Mark::Green, false), "done");
        // A value cannot put on a colour where there are none.
        assert_eq!(shown("\u{fdd0}x", false), "\\u{fdd0}x");
    }
}
