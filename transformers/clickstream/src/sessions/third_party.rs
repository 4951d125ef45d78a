//! What the events of third parties say of sessions.

use super::{NAMES, Session, Sessions, order};
use crate::held::Observed;
use crate::third_party::Visit;
use std::sync::Arc;

impl Sessions {
    /// Takes an event into account. Its request, time of ingestion and file are told in the session's `process_info`.
    pub fn observe_visit(&mut self, visit: &Visit<'_>) -> Observed {
        let event = visit.occurrence;
        let Some(session_id) = event.session_id.as_deref() else { return Observed::Ignored };
        if !NAMES.contains(&visit.name) {
            return Observed::Ignored;
        }
        let key = self.key(visit.app_id, event.user_pseudo_id.as_deref(), session_id);
        let order = order(&event.traffic, visit.time(), visit.sequence);
        self.offer(key, order, || Session {
            order,
            event_name: visit.name.into(),
            user_id: event.user_id.as_deref().map(Into::into),
            number: event.session_number,
            start: event.session_start,
            traffic: Arc::clone(&event.traffic),
            info: vec![
                ("rid", visit.request.rid.as_deref().map(Into::into)),
                ("ingest_time", Some(visit.request.ingested.into())),
                ("input_file_name", Some(visit.request.input_file.into())),
            ],
        })
    }
}
