//! Messages to a topic of Amazon SNS.

use super::config::{EventKind, SnsConfig};
use super::detail::Detail;
use crate::listen::aws::LazyClient;
use crate::listen::happening::{Happening, What};
use crate::listen::listener::{Listener, ListenerSetup};
use crate::storage::service_error;
use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use etl_sdk::{Error, Result};

/// Longest subject; it is ASCII.
const MAX_SUBJECT: usize = 100;

/// The topic that `notify.sns` names.
pub struct Sns {
    config: SnsConfig,
    application: String,
    client: LazyClient<Client>,
}

impl Sns {
    pub fn new(config: &SnsConfig, setup: &ListenerSetup<'_>) -> Self {
        let client = LazyClient::new(setup.aws, "notify.sns", Client::new);
        Self { config: config.clone(), application: setup.job.to_owned(), client }
    }
}

#[async_trait]
impl Listener for Sns {
    fn name(&self) -> &'static str {
        "notify.sns"
    }

    fn hears(&self, what: &What) -> bool {
        EventKind::of(what).is_some_and(|kind| self.config.on.contains(&kind))
    }

    async fn told(&self, happening: &Happening) -> Result<()> {
        let client = self.client.get().await?;
        let detail = Detail::of(happening, &self.application);
        let message =
            serde_json::to_string_pretty(&detail).map_err(|error| Error::internal("write a message").source(error))?;
        let attribute = |value: &str| {
            let built = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            built.map_err(|error| Error::internal("write a message").source(error))
        };
        let mut subject = format!("etl-runner: job {} {}", detail.job, detail.event);
        subject.truncate(MAX_SUBJECT);
        let sent = client
            .publish()
            .topic_arn(&self.config.topic_arn)
            .subject(subject)
            .message(message)
            .message_attributes("job", attribute(&detail.job)?)
            .message_attributes("event", attribute(detail.event)?)
            .message_attributes("state", attribute(detail.state)?)
            .send()
            .await;
        sent.map(|_| ()).map_err(|error| service_error("send a message", ("topic", &self.config.topic_arn), &error))
    }
}
