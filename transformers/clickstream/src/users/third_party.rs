//! What the events of third parties say of users: their first values count whatever the event's name, and so do
//! properties.

use super::{First, Latest, User, Users};
use crate::custom::UserProperties;
use crate::held::Observed;
use crate::third_party::Visit;
use std::sync::Arc;

impl Users {
    /// Takes an event into account. `properties` is asked for when no later ones are held.
    pub fn observe_visit(
        &mut self,
        visit: &Visit<'_>,
        properties: impl FnOnce() -> Option<UserProperties>,
    ) -> Observed {
        let event = visit.occurrence;
        let Some(pseudo_id) = event.user_pseudo_id.as_deref() else { return Observed::Ignored };
        let time = visit.time();
        let (user, observed) =
            User::of(&mut self.held.entries, &mut self.key, visit.app_id, pseudo_id, event.user_id.as_deref(), time);
        let (mut bytes, mut replaced) = (if observed == Observed::New { self.key.len() } else { 0 }, 0);
        let order = (time, -visit.sequence);
        if user.first.as_ref().is_none_or(|first| order < first.order) {
            let first = First {
                order,
                name: None,
                touch: Some(event.first_touch),
                referrer: event.page_referrer.as_deref().map(Into::into),
                traffic: Arc::clone(&event.traffic),
                install_source: None,
            };
            bytes += first.bytes();
            replaced += user.first.replace(Box::new(first)).map_or(0, |first| first.bytes());
        }
        let order = (time.saturating_neg(), -visit.sequence);
        if user.latest.as_ref().is_none_or(|latest| order < latest.order)
            && let Some(properties) = properties()
        {
            bytes += properties.bytes();
            let latest = Box::new(Latest { order, name: None, properties });
            replaced += user.latest.replace(latest).map_or(0, |latest| latest.properties.bytes());
        }
        self.held.count(bytes, replaced);
        observed
    }
}
