//! The arguments of `ddl`, for clap. Their comments are the help.

use super::options::{JobArgs, OutputArgs};
use crate::commands::DdlRequest;
use crate::ddl::Dialect;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use strum::VariantArray;

pub const DDL_EXAMPLES: &str = "\
Examples:
  etl-runner ddl athena job.yaml
  etl-runner ddl athena job.yaml --queries
  etl-runner ddl redshift job.yaml event_v2 --database app1
  etl-runner ddl duckdb job.yaml | duckdb tables.db
  etl-runner ddl glue job.yaml user_v2 | jq '.[0]' > user.json
  aws glue create-table --cli-input-json file://user.json

";

#[derive(Debug, Args)]
pub struct DdlArgs {
    /// Who is to know the tables.
    #[arg(value_enum, value_name = "DIALECT")]
    dialect: Dialect,
    #[command(flatten)]
    job: JobArgs,
    /// Only these tables; all of the job without one.
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    /// Database or schema of the tables. Default: the job's name, in DuckDB `main`.
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Queries over the tables instead of statements that make them; Athena has some.
    #[arg(long)]
    queries: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl ValueEnum for Dialect {
    fn value_variants<'a>() -> &'a [Self] {
        Self::VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Glue => "Requests that create the tables in the Glue Data Catalog, as JSON",
            Self::Athena | Self::Hive => "External tables",
            Self::Spark => "Tables over the files",
            Self::Redshift => "Tables that a load fills",
            Self::Duckdb => "Views of the files",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

impl DdlArgs {
    pub fn into_request(self) -> DdlRequest {
        DdlRequest {
            job: self.job.into_request(),
            dialect: self.dialect,
            tables: self.tables,
            database: self.database,
            queries: self.queries,
        }
    }
}
