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
        let order = (time, -visit.sequence);
        if user.first.as_ref().is_none_or(|first| order < first.order) {
            user.first = Some(Box::new(First {
                order,
                name: None,
                touch: Some(event.first_touch),
                referrer: event.page_referrer.as_deref().map(Into::into),
                traffic: Arc::clone(&event.traffic),
                install_source: None,
            }));
        }
        let order = (time.saturating_neg(), -visit.sequence);
        if user.latest.as_ref().is_none_or(|latest| order < latest.order)
            && let Some(properties) = properties()
        {
            user.latest = Some(Box::new(Latest { order, name: None, properties }));
        }
        observed
    }
}
