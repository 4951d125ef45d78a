//! The record as an item of a DynamoDB table.

use super::config::DynamoDbConfig;
use super::record::Record;
use super::transition::{Seen, next};
use crate::listen::aws::LazyClient;
use crate::listen::happening::{Happening, What};
use crate::listen::listener::{Listener, ListenerSetup};
use crate::storage::service_error;
use crate::text::Span;
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use etl_sdk::{Error, ErrorKind, Result};
use serde_json::Value;
use std::collections::HashMap;

/// Changes that others make meanwhile, before this one is given up.
const ATTEMPTS: u32 = 5;

/// The table that `status.dynamodb` names.
pub struct DynamoDb {
    table: String,
    ttl: Span,
    client: LazyClient<Client>,
}

impl DynamoDb {
    pub fn new(config: &DynamoDbConfig, setup: &ListenerSetup<'_>) -> Self {
        let client = LazyClient::new(setup.aws, "status.dynamodb", Client::new);
        Self { table: config.table.clone(), ttl: config.ttl, client }
    }

    /// What the item says; it is read as it is, not as it was.
    async fn find(&self, client: &Client, job_id: &str) -> Result<Option<Seen>> {
        let asked = client
            .get_item()
            .table_name(&self.table)
            .key("job_id", AttributeValue::S(job_id.to_owned()))
            .consistent_read(true);
        let answer = asked
            .send()
            .await
            .map_err(|error| service_error("read the item of a run", ("table", &self.table), &error))?;
        Ok(answer.item.map(|item| seen(&item)))
    }

    /// Writes the item if status and owner are as they were seen. `false` when they are not.
    async fn write(&self, client: &Client, item: HashMap<String, AttributeValue>, seen: Option<&Seen>) -> Result<bool> {
        let put = client.put_item().table_name(&self.table).set_item(Some(item));
        let put = match seen {
            None => put.condition_expression("attribute_not_exists(job_id)"),
            Some(seen) => put
                .condition_expression("#status = :status AND #owner = :owner")
                .expression_attribute_names("#status", "status")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":status", AttributeValue::S(seen.status.clone()))
                .expression_attribute_values(":owner", AttributeValue::S(seen.owner.clone())),
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(false)
            }
            Err(error) => Err(service_error("write the item of a run", ("table", &self.table), &error)),
        }
    }

    /// The record as an item, with the instant from which on the table may drop it.
    fn item(&self, record: &Record, happening: &Happening) -> Result<HashMap<String, AttributeValue>> {
        let value = serde_json::to_value(record).map_err(|error| Error::internal("write an item").source(error))?;
        let mut item: HashMap<String, AttributeValue> = match value {
            Value::Object(fields) => {
                fields.into_iter().filter_map(|(name, value)| Some((name, attribute(value)?))).collect()
            }
            _ => HashMap::new(),
        };
        let gone = happening.at.checked_add_signed(TimeDelta::seconds(self.ttl.seconds)).unwrap_or(happening.at);
        item.insert("ttl".to_owned(), AttributeValue::N(gone.timestamp().to_string()));
        Ok(item)
    }
}

#[async_trait]
impl Listener for DynamoDb {
    fn name(&self) -> &'static str {
        "status.dynamodb"
    }

    fn hears(&self, what: &What) -> bool {
        matches!(what, What::Started | What::Ended(_))
    }

    fn is_owed(&self) -> bool {
        true
    }

    async fn told(&self, happening: &Happening) -> Result<()> {
        if Record::of(happening).is_none() {
            return Ok(());
        }
        let client = self.client.get().await?;
        for _ in 0..ATTEMPTS {
            let seen = self.find(client, &happening.report.run_id).await?;
            let Some(record) = next(happening, seen.as_ref()) else { return Ok(()) };
            if self.write(client, self.item(&record, happening)?, seen.as_ref()).await? {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "write the item of a run")
            .with("table", &self.table)
            .source("others change it all the time"))
    }
}

/// An item of somebody else may lack anything.
fn seen(item: &HashMap<String, AttributeValue>) -> Seen {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    let attempt = item.get("attempt").and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or(0);
    Seen { status: text("status"), owner: text("owner"), updated_at: text("updated_at"), attempt }
}

fn attribute(value: Value) -> Option<AttributeValue> {
    match value {
        Value::String(text) => Some(AttributeValue::S(text)),
        Value::Number(number) => Some(AttributeValue::N(number.to_string())),
        Value::Object(fields) => {
            let fields = fields.into_iter().filter_map(|(name, value)| Some((name, attribute(value)?)));
            Some(AttributeValue::M(fields.collect()))
        }
        _ => None,
    }
}
