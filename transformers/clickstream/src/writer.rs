//! The tables of a worker while they are filled.

use crate::compat::Compat;
use crate::custom::CustomWriter;
use crate::event_row::{EventRows, RunFacts};
use crate::items::ItemRows;
use crate::page::Pages;
use crate::rows::Rows;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::steps::Counters;
use crate::tables::{EVENT, ITEM, SESSION, USER};
use crate::third_party::{Object, Parameters, PropertiesWriter};
use crate::traffic::TrafficResolver;
use crate::users::Users;
use etl_sdk::{Output, Result, Run};
use hashbrown::HashSet;
use std::sync::Arc;

/// Bits of an event's or item's sequence below those of its object's place in the run.
const SEQUENCE_BITS: u32 = 39;

/// Years 0 to 9999 in epoch milliseconds: what a partition path can say.
pub(crate) const TIMES: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// Everything behind the parsed event.
pub(crate) struct Tables {
    pub settings: Arc<Settings>,
    pub run: RunFacts,
    pub apps: HashSet<String>,
    pub compat: Compat,
    pub events: EventRows,
    pub items: ItemRows,
    pub users: Users,
    pub sessions: Sessions,
    pub pages: Pages,
    pub traffic: TrafficResolver,
    pub third_party: ThirdParty,
    pub counters: Counters,
    object: u32,
    /// Numbers given to the object's events and items so far.
    pub numbers_of_object: i64,
}

/// Buffers that are used for every element of a third party's request again.
pub(crate) struct ThirdParty {
    pub element: Object,
    pub parameters: Parameters,
    pub properties: PropertiesWriter,
    pub items: CustomWriter,
}

impl ThirdParty {
    fn new(compat: Compat) -> Self {
        Self {
            element: Object::new(compat),
            parameters: Parameters::new(compat),
            properties: PropertiesWriter::new(compat),
            items: CustomWriter::new(compat),
        }
    }
}

impl Tables {
    pub fn new(settings: &Arc<Settings>, run: &Run) -> Result<Self> {
        let config = &settings.config;
        let rows = |table: usize, truncate| Rows::new(&settings.tables[table].schema, truncate);
        Ok(Self {
            run: settings.run_facts(run),
            // A blank app id is never kept, even when it is listed.
            apps: config.app_ids.iter().filter(|app| !app.trim().is_empty()).cloned().collect(),
            compat: config.compat,
            events: EventRows::new(rows(EVENT, config.truncate)?, config.compat),
            items: ItemRows::new(rows(ITEM, config.truncate)?, config.compat),
            // Users are cut once they are merged, so that what is merged is what was sent.
            users: Users::new(rows(USER, false)?),
            sessions: Sessions::new(rows(SESSION, config.truncate)?, config.truncate),
            pages: Pages::new(config.compat),
            traffic: TrafficResolver::new(Arc::clone(&settings.rules), config.traffic_source, config.compat),
            third_party: ThirdParty::new(config.compat),
            counters: Counters::default(),
            object: 0,
            numbers_of_object: 0,
            settings: Arc::clone(settings),
        })
    }

    /// Numbers the events of each object from 0.
    pub fn start_object(&mut self, ordinal: u32) {
        if self.object != ordinal {
            self.object = ordinal;
            self.numbers_of_object = 0;
        }
    }

    /// The order of the event that was numbered last.
    pub fn sequence(&self) -> i64 {
        i64::from(self.object) << SEQUENCE_BITS | self.numbers_of_object
    }

    /// Hands over what has grown to a batch, or to as much as is held.
    pub fn hand_over(&mut self, out: &mut Output) -> Result<()> {
        if self.events.rows.is_full() {
            out.batch(EVENT, self.events.rows.finish()?);
        }
        if self.users.held.is_full() {
            self.drain_users(out)?;
        }
        if self.sessions.held.is_full() {
            self.drain_sessions(out)?;
        }
        Ok(())
    }

    fn drain_users(&mut self, out: &mut Output) -> Result<()> {
        let kept = &mut self.counters.users.kept;
        self.users.drain(&self.run, &mut |batch| {
            *kept += batch.num_rows() as u64;
            out.batch(USER, batch);
        })
    }

    fn drain_sessions(&mut self, out: &mut Output) -> Result<()> {
        let kept = &mut self.counters.sessions.kept;
        self.sessions.drain(&self.run, &mut |batch| {
            *kept += batch.num_rows() as u64;
            out.batch(SESSION, batch);
        })
    }

    /// Hands over everything.
    pub fn finish(&mut self, out: &mut Output) -> Result<()> {
        out.batch(EVENT, self.events.rows.finish()?);
        out.batch(ITEM, self.items.rows.finish()?);
        self.drain_users(out)?;
        self.drain_sessions(out)?;
        self.counters.flush(out);
        Ok(())
    }
}
