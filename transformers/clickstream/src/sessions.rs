//! Sessions: the event that decides each session's row, kept until the task ends, then written as partial rows.

mod third_party;

use crate::event_row::{Event, RunFacts, write_process_info, write_traffic};
use crate::held::{Held, Observed};
use crate::java;
use crate::rows::Rows;
use crate::traffic_source::TrafficSource;
use arrow::array::RecordBatch;
use etl_sdk::Result;
use std::sync::Arc;

/// Session and user ids are the ones of the event's row, cut to this many bytes there.
const ID_BYTES: usize = 255;

/// Names of the events that make a session.
const NAMES: [&str; 5] = ["_session_start", "_page_view", "_user_engagement", "_screen_view", "_app_end"];

#[derive(Debug)]
pub(crate) struct Session {
    /// (0 for a source that is known and not Direct, else 1; time; -sequence): the smallest decides.
    order: (i64, i64, i64),
    event_name: Box<str>,
    user_id: Option<Box<str>>,
    number: Option<i64>,
    start: Option<i64>,
    traffic: Arc<TrafficSource>,
    /// Entries of `process_info` beside the event's name: those of the event itself.
    info: Vec<(&'static str, Option<Box<str>>)>,
}

/// App, user (who may be unknown) and session id.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    app_id: Box<str>,
    user: Option<Box<str>>,
    session: Box<str>,
}

/// The sessions of a task.
pub(crate) struct Sessions {
    pub held: Held<Key, Session>,
    truncate: bool,
}

impl Sessions {
    pub fn new(rows: Rows, truncate: bool) -> Self {
        Self { held: Held::new(rows), truncate }
    }

    /// Takes an event into account; most are not about sessions.
    pub fn observe(&mut self, event: &Event<'_>) -> Observed {
        let Some(session_id) = event.session_id.as_deref() else { return Observed::Ignored };
        if !NAMES.contains(&event.name.as_ref()) {
            return Observed::Ignored;
        }
        let key = self.key(&event.app_id, event.user_pseudo_id.as_deref(), session_id);
        let order = order(&event.traffic, event.time(), event.sequence);
        self.offer(key, order, || Session {
            order,
            event_name: event.name.as_ref().into(),
            user_id: event.user_id.as_deref().map(Into::into),
            number: event.session_number(),
            start: event.session_start(),
            traffic: Arc::clone(&event.traffic),
            info: origin(event),
        })
    }

    fn key(&self, app_id: &str, user: Option<&str>, session_id: &str) -> Key {
        let cut = |id: &str| -> Box<str> {
            if self.truncate { java::truncate(id, ID_BYTES).as_ref().into() } else { id.into() }
        };
        Key { app_id: app_id.into(), user: user.map(cut), session: cut(session_id) }
    }

    /// Holds the session unless one that comes before it is held.
    fn offer(&mut self, key: Key, order: (i64, i64, i64), session: impl FnOnce() -> Session) -> Observed {
        if self.held.entries.get(&key).is_some_and(|held| held.order <= order) {
            return Observed::Merged;
        }
        let session = session();
        let (key_bytes, bytes) = (key.bytes(), session.bytes());
        match self.held.entries.insert(key, session) {
            None => {
                self.held.count(key_bytes + bytes, 0);
                Observed::New
            }
            Some(replaced) => {
                self.held.count(bytes, replaced.bytes());
                Observed::Merged
            }
        }
    }

    /// Writes all sessions held as partial rows, in batches.
    pub fn drain(&mut self, run: &RunFacts, emit: &mut dyn FnMut(RecordBatch)) -> Result<()> {
        self.held.drain(|rows, key: &Key, session: &Session| session.write(key, run, rows), emit)
    }
}

fn origin(event: &Event<'_>) -> Vec<(&'static str, Option<Box<str>>)> {
    let mut entries = Vec::with_capacity(4);
    event.origin(&mut String::new(), &mut |key, value| entries.push((key, value.map(Into::into))));
    entries
}

fn order(traffic: &TrafficSource, time: i64, sequence: i64) -> (i64, i64, i64) {
    let known = traffic.source.as_deref().is_some_and(|source| source != "Direct");
    (i64::from(!known), time, -sequence)
}

impl Key {
    fn bytes(&self) -> usize {
        self.app_id.len() + self.user.as_deref().map_or(0, str::len) + self.session.len()
    }
}

impl Session {
    /// Bytes of its texts; those of the traffic source are shared.
    fn bytes(&self) -> usize {
        let length = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        let info = self.info.iter().map(|(_, value)| length(value)).sum::<usize>();
        self.event_name.len() + length(&self.user_id) + info
    }

    fn write(&self, key: &Key, run: &RunFacts, rows: &mut Rows) {
        rows.timestamp(self.order.1);
        rows.text(key.user.as_deref());
        rows.text(Some(&key.session));
        rows.text(self.user_id.as_deref());
        rows.long(self.number);
        rows.long(self.start);
        write_traffic(&self.traffic, rows);
        let mut info = vec![("event_name", Some(&*self.event_name))];
        info.extend(self.info.iter().map(|(key, value)| (*key, value.as_deref())));
        write_process_info(&info, run, rows);
        rows.text(Some(&key.app_id));
        rows.long(Some(self.order.0));
        rows.long(Some(self.order.1));
        rows.long(Some(run.window_start_msec.saturating_neg()));
        rows.long(Some(self.order.2));
        rows.timestamp(run.now_msec);
        rows.end_row();
    }
}
