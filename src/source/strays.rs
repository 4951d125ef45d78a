//! Objects that no window takes: the hour in their path is further from the time they were modified than windows look.

use super::config::{Layout, Select, SourceConfig};
use super::prefixes::hours;
use crate::text::{count, instant};
use crate::window::Window;
use chrono::{DateTime, TimeDelta, Utc};

const HOUR: i64 = 3_600;

/// Objects whose path hours are further from their time than windows look, as far as a listing saw them. Each listing that
/// comes past one counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    /// No window takes them.
    missed: Group,
    /// Their windows are long enough to take them, and would not at their end.
    by_chance: Group,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    objects: u64,
    /// The first of them by key.
    first: Option<Stray>,
    /// Whole hours that `source.look_ahead` and `source.look_back` would have to be, to reach all of them.
    look_ahead: i64,
    look_back: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stray {
    key: String,
    modified: DateTime<Utc>,
    /// When the hour of its path begins.
    begin: i64,
}

/// Finds them, for windows of one length that tile with the one that is listed.
pub(super) struct StrayFinder {
    config: SourceConfig,
    window: Window,
}

/// What would have to change for an object to be found by its window.
pub(super) enum Missed {
    /// The hour of its path lies too far ahead: by so many hours, to be added to what is looked ahead.
    Ahead(i64),
    /// It lies too far back.
    Behind(i64),
    /// It lies too far ahead, and its window is long enough all the same.
    ByChance(i64),
}

impl StrayFinder {
    pub(super) fn new(config: &SourceConfig, window: &Window) -> Self {
        Self { config: config.clone(), window: *window }
    }

    /// Whether the window that an object's time falls into misses it, because of the hour of its path.
    pub(super) fn missed(&self, hour: i64, modified: DateTime<Utc>) -> Option<Missed> {
        if self.config.select != Select::Modified || self.config.layout == Layout::Flat {
            return None;
        }
        let own = self.window_of(modified)?;
        let reach = hours(&own, &self.config);
        let (ahead, back) = (self.config.look_ahead.seconds.max(0), self.config.look_back.seconds.max(0));
        let hours = |seconds: i64| (seconds + HOUR - 1).div_euclid(HOUR);
        if reach.contains(&hour) {
            let lead = self.config.path_time_zone.begin_of(hour) - modified.timestamp();
            return (lead > ahead).then(|| Missed::ByChance(hours(lead)));
        }
        Some(if hour >= reach.end {
            Missed::Ahead(hours(ahead) + hour - reach.end + 1)
        } else {
            Missed::Behind(hours(back) + reach.start - hour)
        })
    }

    fn window_of(&self, modified: DateTime<Utc>) -> Option<Window> {
        if self.window.contains(modified) {
            return Some(self.window);
        }
        let length = (self.window.end - self.window.start).num_seconds().max(1);
        let steps = (modified - self.window.start).num_seconds().div_euclid(length);
        let shift = TimeDelta::try_seconds(steps.checked_mul(length)?)?;
        Window::new(self.window.start.checked_add_signed(shift)?, self.window.end.checked_add_signed(shift)?).ok()
    }

    pub(super) fn count(&self, found: (&str, i64, DateTime<Utc>), missed: &Missed, strays: &mut Strays) {
        let (key, hour, modified) = found;
        let (group, look_ahead, look_back) = match missed {
            Missed::Ahead(hours) => (&mut strays.missed, *hours, 0),
            Missed::Behind(hours) => (&mut strays.missed, 0, *hours),
            Missed::ByChance(hours) => (&mut strays.by_chance, *hours, 0),
        };
        let is_first = group.first.as_ref().is_none_or(|first| key < first.key.as_str());
        let begin = self.config.path_time_zone.begin_of(hour);
        let first = is_first.then(|| Stray { key: key.to_owned(), modified, begin });
        group.merge(Group { objects: 1, first, look_ahead, look_back });
    }
}

impl Group {
    fn merge(&mut self, other: Self) {
        self.objects += other.objects;
        self.look_ahead = self.look_ahead.max(other.look_ahead);
        self.look_back = self.look_back.max(other.look_back);
        self.first = match (self.first.take(), other.first) {
            (Some(left), Some(right)) => Some(if right.key < left.key { right } else { left }),
            (left, right) => left.or(right),
        };
    }

    /// An example, and the settings that would help.
    fn explain(&self, url: &str) -> Option<String> {
        let first = self.first.as_ref()?;
        let hours = (first.begin - first.modified.timestamp()).div_euclid(HOUR);
        let far = if hours >= 0 { format!("{hours} h before") } else { format!("{} h after", -hours) };
        let mut settings = vec!["source.path_time_zone if paths are in another time zone".to_owned()];
        if self.look_ahead > 0 {
            settings.push(format!("source.look_ahead: {}h", self.look_ahead));
        }
        if self.look_back > 0 {
            settings.push(format!("source.look_back: {}h", self.look_back));
        }
        Some(format!(
            "such as {}/{}, modified at {}, {far} the hour of its path: set {}",
            url.trim_end_matches('/'),
            first.key,
            instant(first.modified),
            settings.join(", or ")
        ))
    }
}

impl Strays {
    /// How many no window takes.
    pub fn missed(&self) -> u64 {
        self.missed.objects
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.missed.merge(other.missed);
        self.by_chance.merge(other.by_chance);
    }

    /// What a person should know of them. `url` is the source's.
    pub(super) fn warning(&self, url: &str) -> Option<String> {
        let objects = |group: &Group| match group.objects {
            1 => "1 object".to_owned(),
            many => format!("{} objects", count(many)),
        };
        if let Some(example) = self.missed.explain(url) {
            return Some(format!("{} under path hours that no window looks into, {example}", objects(&self.missed)));
        }
        let example = self.by_chance.explain(url)?;
        let some = objects(&self.by_chance);
        Some(format!(
            "{some} under path hours ahead of their time, which at the end of a window no window looks into, {example}"
        ))
    }
}
