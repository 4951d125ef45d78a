//! Statements that make a job's tables known elsewhere: to catalogs, engines and warehouses.
//!
//! `table.rs` says what a table is there, `types.rs` what its types are called, `write.rs` writes names and texts; the
//! others write statements: `external.rs` for engines that read the files where they lie, `redshift.rs` for the warehouse
//! that copies them, `duckdb.rs` views. `queries.rs` writes queries of Athena. `glue.rs` and `catalog.rs` say what the Glue Data Catalog is to know of a job.

mod catalog;
mod duckdb;
mod external;
mod glue;
mod queries;
mod redshift;
mod table;
#[cfg(test)]
mod tests;
mod types;
mod write;

pub use self::catalog::{catalog_rules, raw_table, tables_of};
pub use self::glue::definition;
pub use self::queries::{SavedQuery, saved_queries};
pub use self::table::DdlTable;

use self::write::Quote;
use etl_sdk::{Error, Result};
use strum::{IntoStaticStr, VariantArray};

/// Who is to know the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Dialect {
    /// The Glue Data Catalog: a `CreateTable` request for each table, as JSON.
    Glue,
    /// Amazon Athena.
    Athena,
    /// Apache Hive.
    Hive,
    /// Spark SQL.
    Spark,
    /// Amazon Redshift: tables that a load fills.
    Redshift,
    /// DuckDB: views of the files.
    Duckdb,
}

impl Dialect {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The database or schema unless another is asked for: named like the job, and in DuckDB the one that is there.
    pub fn default_database(self, job: &str) -> String {
        if self == Self::Duckdb { "main".to_owned() } else { job.replace('-', "_") }
    }

    /// The statement that makes a database or schema; of Glue none.
    pub fn create_database(self, name: &str) -> Option<String> {
        match self {
            Self::Glue => None,
            Self::Athena | Self::Hive | Self::Spark => {
                Some(format!("CREATE DATABASE IF NOT EXISTS {};", Quote::Backtick.name(name)))
            }
            Self::Redshift | Self::Duckdb => Some(format!("CREATE SCHEMA IF NOT EXISTS {};", Quote::Double.name(name))),
        }
    }

    /// Whether it has a table over the raw batches too, and the database of the job's catalog.
    pub fn reads_raw(self) -> bool {
        matches!(self, Self::Glue | Self::Athena)
    }

    /// Whether it can only read from S3.
    fn is_of_aws(self) -> bool {
        matches!(self, Self::Glue | Self::Athena | Self::Redshift)
    }

    /// Fails for tables at a place that it cannot read.
    pub fn check(self, sink: &str) -> Result<()> {
        if self.is_of_aws() && !sink.starts_with("s3://") {
            return Err(Error::config("write the statements").with("sink.url", sink).hint(format!(
                "{} reads from S3 alone; say where the tables will be: --set sink.url=s3://BUCKET/PREFIX",
                self.name()
            )));
        }
        Ok(())
    }
}

/// The statements for a table in SQL; of Glue none, see [`definition`]. `database` is the database or schema it is in.
pub fn statements(dialect: Dialect, database: &str, table: &DdlTable) -> Result<Vec<String>> {
    Ok(match dialect {
        Dialect::Glue => Vec::new(),
        Dialect::Athena => external::statements(&external::ATHENA, database, table)?,
        Dialect::Hive => external::statements(&external::HIVE, database, table)?,
        Dialect::Spark => external::statements(&external::SPARK, database, table)?,
        Dialect::Redshift => redshift::statements(database, table)?,
        Dialect::Duckdb => duckdb::statements(database, table),
    })
}
