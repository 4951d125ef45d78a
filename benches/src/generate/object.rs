//! One object: requests of many visits at once, in the order they arrive.

use super::damage::{EventDamage, RequestDamage};
use super::event::write_event;
use super::request::{Envelope, RequestWriter};
use super::session::Session;
use super::{ObjectPlan, Settings};
use crate::random::Random;
use etl_sdk::{Error, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Visits that go on at the same time in one object.
const OPEN_SESSIONS: usize = 200;
/// Most events of a request.
const REQUEST_EVENTS: u64 = 10;

/// What was generated, and what a run should find in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files.
    pub objects: u64,
    /// Lines, damaged ones included.
    pub requests: u64,
    /// Elements of readable payloads, damaged ones included.
    pub events: u64,
    /// Bytes of the lines.
    pub bytes_raw: u64,
    /// Bytes of the files.
    pub bytes_compressed: u64,
    /// Bytes of the payloads of good requests, as JSON text, before Base64 and gzip or escapes.
    pub bytes_payload: u64,
    /// Elements of `items` of good events.
    pub items: u64,
    /// Good events of crawlers; the bot filter leaves them out.
    pub bot_events: u64,
    /// Number of elements left out on purpose, by kind.
    pub filtered: BTreeMap<&'static str, u64>,
    /// Number of lines and elements that cannot be used, by kind.
    pub dead: BTreeMap<&'static str, u64>,
}

impl Totals {
    /// Adds another part's counts.
    pub fn add(&mut self, other: &Self) {
        self.objects += other.objects;
        self.requests += other.requests;
        self.events += other.events;
        self.bytes_raw += other.bytes_raw;
        self.bytes_compressed += other.bytes_compressed;
        self.bytes_payload += other.bytes_payload;
        self.items += other.items;
        self.bot_events += other.bot_events;
        for (name, count) in &other.filtered {
            *self.filtered.entry(name).or_default() += count;
        }
        for (name, count) in &other.dead {
            *self.dead.entry(name).or_default() += count;
        }
    }

    /// Elements that become rows, before the bot filter.
    pub fn good_events(&self) -> u64 {
        let damaged: u64 = self.filtered.values().sum::<u64>() + self.dead_events();
        self.events - damaged
    }

    fn dead_events(&self) -> u64 {
        let lines = |name: &&'static str| RequestDamage::ALL.iter().any(|damage| damage.name() == *name);
        self.dead.iter().filter(|(name, _)| !lines(name)).map(|(_, count)| count).sum()
    }

    /// All of it as one object.
    pub fn to_json(&self) -> Value {
        json!({
            "objects": self.objects,
            "requests": self.requests,
            "events": self.events,
            "bytes_raw": self.bytes_raw,
            "bytes_compressed": self.bytes_compressed,
            "bytes_payload": self.bytes_payload,
            "expected": {
                "good_events": self.good_events(),
                "bot_events": self.bot_events,
                "items": self.items,
                "filtered": self.filtered,
                "dead": self.dead,
            },
        })
    }
}

/// Writes one object and returns what is in it. Depends on the seed and the object's number alone.
pub(super) fn write(settings: &Settings, plan: &ObjectPlan) -> Result<Totals> {
    let failed = |error| Error::config("write generated events").with("path", plan.path.display()).source(error);
    if let Some(folder) = plan.path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let file = File::create(&plan.path).map_err(failed)?;
    let mut encoder = GzEncoder::new(file, Compression::default());
    let mut writer = ObjectWriter::new(settings, plan);
    let mut lines = Vec::with_capacity(1 << 20);
    while writer.totals.events < plan.events {
        writer.write_request(&mut lines)?;
        if lines.len() > 1 << 19 {
            encoder.write_all(&lines).map_err(failed)?;
            lines.clear();
        }
    }
    encoder.write_all(&lines).map_err(failed)?;
    let file = encoder.finish().map_err(failed)?;
    let modified = UNIX_EPOCH + Duration::from_millis(plan.modified.max(0) as u64);
    file.set_modified(modified).map_err(failed)?;
    let mut totals = writer.totals;
    totals.objects = 1;
    totals.bytes_compressed = size(&plan.path)?;
    Ok(totals)
}

fn size(path: &Path) -> Result<u64> {
    let data = fs::metadata(path)
        .map_err(|error| Error::config("read a file's size").with("path", path.display()).source(error))?;
    Ok(data.len())
}

struct ObjectWriter<'a> {
    settings: &'a Settings,
    plan: &'a ObjectPlan,
    random: Random,
    requests: RequestWriter,
    sessions: Vec<Session>,
    payload: String,
    totals: Totals,
}

impl<'a> ObjectWriter<'a> {
    fn new(settings: &'a Settings, plan: &'a ObjectPlan) -> Self {
        Self {
            settings,
            plan,
            random: Random::new(settings.seed, plan.number),
            requests: RequestWriter::default(),
            sessions: Vec::with_capacity(OPEN_SESSIONS),
            payload: String::with_capacity(32 << 10),
            totals: Totals::default(),
        }
    }

    /// Where in time the object is when this many of its events are written.
    fn clock(&self) -> i64 {
        let length = self.plan.end - self.plan.start;
        let done = i128::from(length) * i128::from(self.totals.events) / i128::from(self.plan.events.max(1));
        self.plan.start + done as i64
    }

    fn open_session(&mut self, place: usize) {
        let clock = self.clock();
        let (seed, users, day) = (self.settings.seed, self.settings.user_count(), self.settings.day);
        let session = Session::new(seed, users, clock, day, &mut self.random);
        if place == self.sessions.len() {
            self.sessions.push(session);
        } else {
            self.sessions[place] = session;
        }
    }

    /// One request of one of the open visits, perhaps with a damaged one before it.
    fn write_request(&mut self, lines: &mut Vec<u8>) -> Result<()> {
        let before = lines.len();
        let place = self.random.below(OPEN_SESSIONS as u64) as usize;
        let place = place.min(self.sessions.len());
        if place == self.sessions.len() {
            self.open_session(place);
        }
        self.fill_payload(place);
        let session = &self.sessions[place];
        // A request arrives after its events, and not before its object's time.
        let arrived = (session.clock + session.delay + self.random.between(60, 2_500)).max(self.plan.start);
        let envelope = Envelope {
            user: &session.user,
            arrived,
            bundle: self.totals.requests % 1_000 + 1,
            packed: self.random.chance(0.5),
        };
        if self.random.chance(self.settings.bad) {
            let damage = RequestDamage::choose(&mut self.random);
            self.requests.write(lines, &self.payload, envelope, Some(damage), &mut self.random)?;
            *self.totals.dead.entry(damage.name()).or_default() += 1;
            self.totals.requests += 1;
        }
        self.requests.write(lines, &self.payload, envelope, None, &mut self.random)?;
        self.totals.requests += 1;
        self.totals.bytes_payload += self.payload.len() as u64;
        self.totals.bytes_raw += (lines.len() - before) as u64;
        Ok(())
    }

    /// The next events of a visit as a JSON array; a visit that is over makes room for another.
    fn fill_payload(&mut self, place: usize) {
        let left = self.plan.events - self.totals.events;
        let wanted = (1 + self.random.below(REQUEST_EVENTS)).min(left);
        self.payload.clear();
        self.payload.push('[');
        let mut written = 0;
        while written < wanted {
            let Some(kind) = self.sessions[place].advance(&mut self.random) else {
                if written > 0 {
                    break;
                }
                self.open_session(place);
                continue;
            };
            let damage = if self.random.chance(self.settings.bad) {
                Some(EventDamage::choose(kind.is_exempt(), &mut self.random))
            } else {
                None
            };
            if written > 0 {
                self.payload.push(',');
            }
            let session = &self.sessions[place];
            let event = write_event(&mut self.payload, session, kind, damage, &mut self.random);
            self.totals.count(session.user.bot, event.items, damage);
            written += 1;
        }
        self.payload.push(']');
    }
}

impl Totals {
    fn count(&mut self, bot: bool, items: u32, damage: Option<EventDamage>) {
        self.events += 1;
        match damage {
            Some(damage) if damage.is_filtered() => *self.filtered.entry(damage.name()).or_default() += 1,
            Some(damage) => *self.dead.entry(damage.name()).or_default() += 1,
            None => {
                self.items += u64::from(items);
                self.bot_events += u64::from(bot);
            }
        }
    }
}
