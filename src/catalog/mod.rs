//! The Glue Data Catalog: what tables and partitions are there, and how they are brought to agree with what is written.
//!
//! | file | what it is |
//! |---|---|
//! | `config` | the `catalog` section of the job file |
//! | `definition` | a table as a catalog knows it |
//! | `partition` | its partitions, and those of a commit |
//! | `input` | definitions in the types of the SDK, and back |
//! | `difference` | what of a table must change, and what must not |
//! | `client` | the calls |
//! | `tables` | makes and changes tables |
//! | `partitions` | registers and removes partitions |

mod client;
mod config;
mod definition;
mod difference;
mod input;
mod partition;
mod partitions;
mod tables;

pub use self::client::{Glue, GlueAddress};
pub use self::config::{CatalogConfig, GlueConfig, ProjectionConfig, RawTableConfig};
pub use self::definition::{ColumnDefinition, FileForm, TableDefinition};
pub use self::partition::{Partition, values_of};
pub use self::partitions::{Found, Registered, Wanted};
pub use self::tables::{Kept, TableChange};
