//! The four tables: their schemas, how their rows are merged, and their partitions.

use crate::config::{ClickstreamConfig, UniqueEvents};
use crate::steps;
use etl_sdk::{Carry, Keep, Merge, MergeRule, PartitionBy, PartitionPart, Result, StepName, Table, TableSchema};

/// Places of the tables in [`etl_sdk::Transformer::tables`].
pub(crate) const EVENT: usize = 0;
pub(crate) const ITEM: usize = 1;
pub(crate) const USER: usize = 2;
pub(crate) const SESSION: usize = 3;

/// The tables in their order.
pub(crate) fn tables(config: &ClickstreamConfig) -> Result<Vec<Table>> {
    let event = TableSchema::parse(include_str!("../../../schemas/clickstream/event_v2.json"))?;
    let item = TableSchema::parse(include_str!("../../../schemas/clickstream/item_v2.json"))?;
    let user = TableSchema::parse(include_str!("../../../schemas/clickstream/user_v2.json"))?;
    let session = TableSchema::parse(include_str!("../../../schemas/clickstream/session.json"))?;
    let events = match config.unique_events {
        None => Keep::All,
        Some(UniqueEvents { look_back_hours: hours }) => Keep::Merged(Merge {
            carry: (hours > 0).then_some(Carry::Keys { hours }),
            ..one_row_per(&event, &["app_id", "event_id"], &["sequence"])
        }),
    };
    let items = one_row_per(&item, &["event_id", "user_pseudo_id", "item_id"], &["sequence"]);
    let sessions = Merge {
        carry: carry(config.days_of_sessions()),
        ..one_row_per(&session, &["app_id", "user_pseudo_id", "session_id"], &["rank", "time", "window", "sequence"])
    };
    let users = Merge { carry: carry(config.user_days), ..merge_of_users(&user) };
    let table = |schema, keep, step| Table { schema, keep, partition_by: by_app_and_day(), step: StepName::new(step) };
    Ok(vec![
        table(event, events, steps::PARSE),
        table(item, Keep::Merged(items), steps::ITEMS),
        table(user, Keep::Merged(users), steps::USERS),
        table(session, Keep::Merged(sessions), steps::SESSIONS),
    ])
}

/// All columns but the key come from the first row by `order`.
fn one_row_per(schema: &TableSchema, key: &[&str], order: &[&str]) -> Merge {
    let columns = schema.columns.iter().map(|column| column.name.as_str());
    Merge {
        key: owned(key),
        rules: vec![MergeRule::Pick {
            columns: columns.filter(|name| !key.contains(name) && !order.contains(name)).map(str::to_owned).collect(),
            order: owned(order),
        }],
        carry: None,
    }
}

/// Rows that go on into later runs until their key was not met for so many days.
fn carry(days: u32) -> Option<Carry> {
    (days > 0).then(|| Carry::Rows { met: "event_timestamp".to_owned(), stamp: "created_time".to_owned(), days })
}

/// The `first_` columns come from the user's first event, the properties from the latest one that set them.
fn merge_of_users(schema: &TableSchema) -> Merge {
    let first = schema.columns.iter().map(|column| column.name.as_str()).filter(|name| name.starts_with("first_"));
    Merge {
        key: owned(&["app_id", "user_pseudo_id"]),
        rules: vec![
            MergeRule::Greatest("event_timestamp".to_owned()),
            MergeRule::Greatest("user_id".to_owned()),
            MergeRule::Greatest("created_time".to_owned()),
            MergeRule::Pick {
                // process_info is null until the row is completed; it travels with the first event.
                columns: first
                    .filter(|name| !matches!(*name, "first_time" | "first_window" | "first_sequence"))
                    .chain(["process_info"])
                    .map(str::to_owned)
                    .collect(),
                order: owned(&["first_time", "first_window", "first_sequence"]),
            },
            MergeRule::Pick {
                columns: owned(&["user_properties", "user_properties_json_str", "latest_event_name"]),
                order: owned(&["latest_time", "latest_window", "latest_sequence"]),
            },
        ],
        carry: None,
    }
}

fn by_app_and_day() -> Vec<PartitionBy> {
    [
        ("partition_app", "app_id", PartitionPart::Value),
        ("partition_year", "event_timestamp", PartitionPart::Year),
        ("partition_month", "event_timestamp", PartitionPart::Month),
        ("partition_day", "event_timestamp", PartitionPart::Day),
    ]
    .into_iter()
    .map(|(name, column, part)| PartitionBy { name: name.to_owned(), column: column.to_owned(), part })
    .collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
