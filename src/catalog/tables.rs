//! Makes and changes tables.

use super::client::{Glue, OVERTAKEN};
use super::definition::TableDefinition;
use super::{difference, input};
use aws_sdk_glue::types::{Column, DatabaseInput, StorageDescriptor, Table};
use etl_sdk::{Error, ErrorKind, Result, Retry};
use serde::Serialize;

/// How often a table is read again that somebody else changes at the same time.
const MAX_CHANGES: u32 = 10;

/// A table that is in the catalog as it is defined.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its columns there: those of the definition, in the catalog's order.
    pub(super) columns: Vec<Column>,
    /// What became of it.
    pub change: TableChange,
}

/// What became of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableChange {
    /// It was as it should be.
    None,
    /// It was made.
    Made,
    /// It was changed.
    Changed,
}

impl Glue {
    /// A table of the catalog; `None` when it is not there.
    pub(super) fn table(&self, name: &str) -> Result<Option<Table>> {
        let call = self
            .client
            .get_table()
            .set_catalog_id(self.address.catalog_id.clone())
            .database_name(&self.address.database)
            .name(name);
        Ok(self
            .call("read a table of the catalog", name, &OVERTAKEN, || call.clone().send())?
            .ok()
            .and_then(|answer| answer.table))
    }

    /// What would become of a table.
    pub fn look(&self, wanted: &TableDefinition) -> Result<Kept> {
        let columns =
            |storage: Option<StorageDescriptor>| storage.and_then(|storage| storage.columns).unwrap_or_default();
        let Some(found) = self.table(&wanted.name)? else {
            return Ok(Kept { columns: input::columns(wanted)?, change: TableChange::Made });
        };
        Ok(match difference::change(wanted, &found)? {
            Some(input) => Kept { columns: columns(input.storage_descriptor), change: TableChange::Changed },
            None => Kept { columns: columns(found.storage_descriptor), change: TableChange::None },
        })
    }

    /// Makes a table, or changes it to its definition. Repeatable; what another process does at the same time is read again.
    pub fn keep(&self, wanted: &TableDefinition) -> Result<Kept> {
        let mut change = TableChange::None;
        for _ in 0..MAX_CHANGES {
            let Some(found) = self.table(&wanted.name)? else {
                self.make(wanted)?;
                change = TableChange::Made;
                continue;
            };
            let Some(input) = difference::change(wanted, &found)? else {
                let columns = found.storage_descriptor.and_then(|storage| storage.columns).unwrap_or_default();
                return Ok(Kept { columns, change });
            };
            let call = self
                .client
                .update_table()
                .set_catalog_id(self.address.catalog_id.clone())
                .database_name(&self.address.database)
                .table_input(input)
                .set_version_id(found.version_id);
            // Somebody else was faster, or took it away: what is there now is looked at again.
            if self.call("change a table of the catalog", &wanted.name, &OVERTAKEN, || call.clone().send())?.is_ok()
                && change == TableChange::None
            {
                change = TableChange::Changed;
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "change a table of the catalog")
            .with("table", format!("{}.{}", self.address.database, wanted.name))
            .retry(Retry::Later)
            .hint("another program changes it again and again; are there two jobs with one table?"))
    }

    fn make(&self, wanted: &TableDefinition) -> Result<()> {
        let create = || {
            let call = self
                .client
                .create_table()
                .set_catalog_id(self.address.catalog_id.clone())
                .database_name(&self.address.database)
                .table_input(input::table(wanted)?);
            self.call("make a table of the catalog", &wanted.name, &OVERTAKEN, || call.clone().send())
        };
        match create()? {
            Err(refused) if refused.is_entity_not_found_exception() => {
                self.make_database()?;
                match create()? {
                    Err(refused) if refused.is_entity_not_found_exception() => Err(self.no_database()),
                    _ => Ok(()),
                }
            }
            // It is there now, whoever made it, and is compared next.
            _ => Ok(()),
        }
    }

    fn make_database(&self) -> Result<()> {
        if !self.address.create_database {
            return Err(self.no_database());
        }
        let database = DatabaseInput::builder().name(&self.address.database).build().map_err(input::incomplete)?;
        let call =
            self.client.create_database().set_catalog_id(self.address.catalog_id.clone()).database_input(database);
        self.call("make a database of the catalog", "", &OVERTAKEN, || call.clone().send()).map(drop)
    }

    fn no_database(&self) -> Error {
        Error::new(ErrorKind::NotFound, "find the database of the catalog")
            .with("database", &self.address.database)
            .hint("make it, or let the job do so: catalog.glue.create_database: true")
    }
}
