//! A record of each run that others read: in a DynamoDB table, or in a file. It is a mirror of the commit log, never the
//! truth: no command reads it, and what cannot be written is owed.

mod config;
mod dynamodb;
mod file;
mod record;
mod transition;

pub use self::config::StatusConfig;

use self::dynamodb::DynamoDb;
use self::file::StatusFile;
use super::listener::{Listener, ListenerSetup};
use etl_sdk::Result;

/// The listeners that the section names.
pub(super) fn listeners(setup: &ListenerSetup<'_>) -> Result<Vec<Box<dyn Listener>>> {
    let mut list: Vec<Box<dyn Listener>> = Vec::new();
    if let Some(url) = &setup.status.file {
        list.push(Box::new(StatusFile::open(url, setup)?));
    }
    if let Some(config) = &setup.status.dynamodb {
        list.push(Box::new(DynamoDb::new(config, setup)));
    }
    Ok(list)
}
