//! Users: what the events of a task say of each user, kept until the task ends, then written as partial rows.

mod third_party;

use crate::custom::{CustomWriter, UserProperties};
use crate::event_row::{Event, RunFacts, write_process_info, write_traffic};
use crate::fields::A;
use crate::held::{Held, Observed};
use crate::java;
use crate::rows::Rows;
use crate::traffic_source::TrafficSource;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder};
use etl_sdk::{Error, Result, TableSchema};
use hashbrown::HashMap;
use std::sync::Arc;

/// Names of the events whose values can be a user's first ones.
const FIRST_NAMES: [&str; 4] = ["_first_open", "_first_visit", "_session_start", "_screen_view"];

#[derive(Debug)]
pub(crate) struct User {
    latest_time: i64,
    id: Option<Box<str>>,
    first: Option<Box<First>>,
    latest: Option<Box<Latest>>,
}

/// What the first event says. Its order is (time, -sequence): on a tie the event processed last wins.
#[derive(Debug)]
struct First {
    order: (i64, i64),
    /// Of an SDK's event; null for those of third parties.
    name: Option<Box<str>>,
    touch: Option<i64>,
    referrer: Option<Box<str>>,
    traffic: Arc<TrafficSource>,
    install_source: Option<Box<str>>,
}

/// The properties of the latest `_profile_set`. Its order is (-time, -sequence).
#[derive(Debug)]
struct Latest {
    order: (i64, i64),
    /// As that of [`First`].
    name: Option<&'static str>,
    properties: UserProperties,
}

/// The users of a task.
pub(crate) struct Users {
    pub held: Held<String, User>,
    custom: CustomWriter,
    key: String,
}

impl Users {
    pub fn new(rows: Rows) -> Self {
        Self { held: Held::new(rows), custom: CustomWriter::default(), key: String::new() }
    }

    /// Takes an event into account. Events without a user have no user row.
    pub fn observe(&mut self, event: &Event<'_>) -> Observed {
        let Some(pseudo_id) = event.user_pseudo_id.as_deref() else { return Observed::Ignored };
        let time = event.time();
        let (user, observed) =
            User::of(&mut self.held.entries, &mut self.key, &event.app_id, pseudo_id, event.user_id.as_deref(), time);
        let (mut bytes, mut replaced) = (if observed == Observed::New { self.key.len() } else { 0 }, 0);
        let order = (time, -event.sequence);
        if FIRST_NAMES.contains(&event.name.as_ref()) && user.first.as_ref().is_none_or(|first| order < first.order) {
            let first = First {
                order,
                name: Some(event.name.as_ref().into()),
                touch: event.first_touch(),
                referrer: event.page_referrer.as_deref().map(Into::into),
                traffic: Arc::clone(&event.traffic),
                install_source: event.attribute(A::AppInstallChannel).as_deref().map(Into::into),
            };
            bytes += first.bytes();
            replaced += user.first.replace(Box::new(first)).map_or(0, |first| first.bytes());
        }
        let order = (time.saturating_neg(), -event.sequence);
        if event.name == "_profile_set"
            && event.parsed.has_user_properties()
            && user.latest.as_ref().is_none_or(|latest| order < latest.order)
        {
            let properties = self.custom.user(event.parsed, event.source);
            bytes += properties.bytes();
            let latest = Latest { order, name: Some("_profile_set"), properties };
            replaced += user.latest.replace(Box::new(latest)).map_or(0, |latest| latest.properties.bytes());
        }
        self.held.count(bytes, replaced);
        observed
    }

    /// Writes all users held as partial rows, in batches.
    pub fn drain(&mut self, run: &RunFacts, emit: &mut dyn FnMut(RecordBatch)) -> Result<()> {
        let write = |rows: &mut Rows, key: &String, user: &User| {
            let (app_id, pseudo_id) = key.split_once('\u{1f}').unwrap_or_default();
            user.write(app_id, pseudo_id, run, rows);
        };
        self.held.drain(write, emit)
    }
}

impl First {
    /// Bytes of its texts; those of the traffic source are shared.
    fn bytes(&self) -> usize {
        let length = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        length(&self.name) + length(&self.referrer) + length(&self.install_source)
    }
}

impl User {
    /// The user held under a key, begun if there is none, with the latest time and greatest id so far.
    fn of<'held>(
        held: &'held mut HashMap<String, Self>,
        key: &mut String,
        app_id: &str,
        pseudo_id: &str,
        user_id: Option<&str>,
        time: i64,
    ) -> (&'held mut Self, Observed) {
        key.clear();
        key.push_str(app_id);
        key.push('\u{1f}');
        key.push_str(pseudo_id);
        let mut observed = Observed::Merged;
        let user = held.entry_ref(key.as_str()).or_insert_with(|| {
            observed = Observed::New;
            Self { latest_time: i64::MIN, id: None, first: None, latest: None }
        });
        user.latest_time = user.latest_time.max(time);
        if let Some(id) = user_id
            && user.id.as_deref().is_none_or(|held| held < id)
        {
            user.id = Some(id.into());
        }
        (user, observed)
    }

    fn write(&self, app_id: &str, pseudo_id: &str, run: &RunFacts, rows: &mut Rows) {
        // Of equal instants in two windows the later window's counts, as the event processed last does within one.
        let window = run.window_start_msec.saturating_neg();
        rows.timestamp(self.latest_time);
        rows.text(Some(pseudo_id));
        rows.text(self.id.as_deref());
        match &self.latest {
            Some(latest) => {
                if let Some(map) = rows.map() {
                    for (name, value, type_name, set_time) in &latest.properties.entries {
                        map.typed_entry(name, value.as_deref(), type_name, *set_time);
                    }
                    map.end(true);
                }
                rows.text(Some(&latest.properties.json));
            }
            None => rows.nulls(2),
        }
        match &self.first {
            Some(first) => {
                rows.long(first.touch);
                rows.date(first.touch);
                rows.text(first.referrer.as_deref());
                write_traffic(&first.traffic, rows);
                rows.text(first.install_source.as_deref());
            }
            None => rows.nulls(14),
        }
        rows.nulls(1); // process_info: filled once the rows are merged
        rows.text(Some(app_id));
        rows.text(self.first.as_ref().and_then(|first| first.name.as_deref()));
        rows.long(self.first.as_ref().map(|first| first.order.0));
        rows.long(self.first.as_ref().map(|_| window));
        rows.long(self.first.as_ref().map(|first| first.order.1));
        rows.text(self.latest.as_ref().and_then(|latest| latest.name));
        rows.long(self.latest.as_ref().map(|latest| latest.order.0));
        rows.long(self.latest.as_ref().map(|_| window));
        rows.long(self.latest.as_ref().map(|latest| latest.order.1));
        rows.timestamp(run.now_msec);
        rows.end_row();
    }
}

/// Completes merged rows: fills `process_info` and cuts texts to their columns' lengths.
pub(crate) fn complete(
    schema: &TableSchema,
    truncate: bool,
    run: &RunFacts,
    rows: &RecordBatch,
) -> Result<RecordBatch> {
    let index = |name: &str| {
        schema.index_of(name).ok_or_else(|| Error::internal("complete the rows of user_v2").with("column", name))
    };
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    let info = index("process_info")?;
    let first = rows.column(index("first_event_name")?).as_string::<i32>();
    let latest = rows.column(index("latest_event_name")?).as_string::<i32>();
    let first_times = rows.column(index("first_time")?);
    // A first event without a name is a third party's: no names of events are told then.
    let named: Vec<bool> = (0..rows.num_rows()).map(|row| first.is_valid(row) || first_times.is_null(row)).collect();
    columns[info] = process_infos(schema, info, [first, latest], &named, run)?;
    if truncate {
        for (array, column) in columns.iter_mut().zip(&schema.columns) {
            if let Some(max_bytes) = column.max_bytes {
                cut(array, max_bytes);
            }
        }
    }
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}

fn process_infos(
    schema: &TableSchema,
    index: usize,
    [first, latest]: [&StringArray; 2],
    named: &[bool],
    run: &RunFacts,
) -> Result<ArrayRef> {
    let column = schema.columns[index].clone();
    let alone = TableSchema { table: schema.table.clone(), description: String::new(), columns: vec![column] };
    let mut rows = Rows::new(&alone, false)?;
    for (row, named) in named.iter().enumerate() {
        let name = |names: &'_ StringArray| names.is_valid(row).then(|| names.value(row).to_owned());
        let entries = [("first_event_name", name(first)), ("latest_event_name", name(latest))];
        let entries = entries.each_ref().map(|(key, value)| (*key, value.as_deref()));
        write_process_info(if *named { &entries } else { &[] }, run, &mut rows);
        rows.end_row();
    }
    Ok(Arc::clone(rows.finish()?.column(0)))
}

fn cut(array: &mut ArrayRef, max_bytes: usize) {
    let Some(texts) = array.as_string_opt::<i32>() else { return };
    if texts.iter().flatten().all(|text| text.len() <= max_bytes) {
        return;
    }
    let mut cut = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
    for text in texts {
        cut.append_option(text.map(|text| java::truncate(text, max_bytes)));
    }
    *array = Arc::new(cut.finish());
}
