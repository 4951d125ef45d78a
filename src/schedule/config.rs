//! The `schedule` section of the job file.

use crate::text::Span;
use crate::window::{Every, Instant};
use schemars::JsonSchema;
use serde::Deserialize;

/// Time after its end at which a window is closed, unless the job says otherwise.
pub const DEFAULT_BUFFER: Span = Span { seconds: 120 };

/// How `run` goes on by itself when it is called without a window: from the watermark, oldest window first. Nothing waits or
/// repeats: a timer outside calls `run`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Length of the windows: `15m`, `1h`, `1d`, `1w` (from Monday), `1mo`; any length that divides the day, or whole days,
    /// weeks or months. They lie on the calendar, in UTC. Example: `1h`
    pub every: Every,
    /// A window is run once this much time has passed since its end, so that objects whose time lies in it are there, and
    /// clocks may differ. Default: `2m`.
    #[serde(default = "default_buffer")]
    pub buffer: Span,
    /// Where the first run ever starts, a border between windows. Not read once there is a watermark. Default: the last
    /// window that is closed at the first run, and nothing before. Example: `2026-11-01`
    #[serde(default)]
    pub start: Option<Instant>,
    /// Most windows that one call of `run` takes; the next call goes on. Default: `24`.
    #[serde(default = "default_catch_up")]
    pub catch_up: u32,
    /// With `select: path`: how far before the watermark done windows are listed again, to find objects that arrived after
    /// them. Their windows are run again. `0s` does not look. With `select: modified` late objects belong to the window they
    /// arrive in, and this is not read. Default: `source.look_back`.
    #[serde(default)]
    pub look_back: Option<Span>,
}

impl ScheduleConfig {
    /// A schedule with defaults.
    pub fn new(every: Every) -> Self {
        Self { every, buffer: DEFAULT_BUFFER, start: None, catch_up: default_catch_up(), look_back: None }
    }
}

fn default_buffer() -> Span {
    DEFAULT_BUFFER
}

fn default_catch_up() -> u32 {
    24
}
