//! Events for rules of Amazon EventBridge.

use super::config::{EventBridgeConfig, EventKind};
use super::detail::Detail;
use crate::listen::aws::LazyClient;
use crate::listen::happening::{Happening, What};
use crate::listen::listener::{Listener, ListenerSetup};
use crate::storage::service_error;
use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use etl_sdk::{Error, ErrorKind, Result};

/// The type of events about objects that arrived late.
const LATE: &str = "Late Data Found";

/// The bus that `notify.eventbridge` names.
pub struct EventBridge {
    config: EventBridgeConfig,
    application: String,
    client: LazyClient<Client>,
}

impl EventBridge {
    pub fn new(config: &EventBridgeConfig, setup: &ListenerSetup<'_>) -> Self {
        let application = config.application_id.clone().unwrap_or_else(|| setup.job.to_owned());
        let client = LazyClient::new(setup.aws, "notify.eventbridge", Client::new);
        Self { config: config.clone(), application, client }
    }
}

#[async_trait]
impl Listener for EventBridge {
    fn name(&self) -> &'static str {
        "notify.eventbridge"
    }

    fn hears(&self, what: &What) -> bool {
        EventKind::of(what).is_some()
    }

    /// A load may wait for it.
    fn is_owed(&self) -> bool {
        true
    }

    async fn told(&self, happening: &Happening) -> Result<()> {
        let client = self.client.get().await?;
        let detail = serde_json::to_string(&Detail::of(happening, &self.application))
            .map_err(|error| Error::internal("write an event").source(error))?;
        let detail_type = match happening.what {
            What::LateData { .. } => LATE,
            _ => &self.config.detail_type,
        };
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.config.bus)
            .source(&self.config.source)
            .detail_type(detail_type)
            .time(DateTime::from_millis(happening.at.timestamp_millis()))
            .detail(detail)
            .build();
        let answer = client.put_events().entries(entry).send().await;
        let answer = answer.map_err(|error| service_error("send an event", ("bus", &self.config.bus), &error))?;
        // An event that was not taken is no failure of the call.
        match answer.entries().iter().find(|entry| entry.error_code().is_some()) {
            None if answer.failed_entry_count() == 0 => Ok(()),
            entry => Err(Error::new(ErrorKind::Unavailable, "send an event")
                .with("bus", &self.config.bus)
                .with("code", entry.and_then(|entry| entry.error_code()).unwrap_or("unknown"))
                .source(entry.and_then(|entry| entry.error_message()).unwrap_or("the bus did not take it").to_owned())
                .hint("check the name of the bus and the role's policy (events:PutEvents)")),
        }
    }
}
