//! What transformers, enrichments and the runner agree on.
//!
//! A transformer turns [`RawRecord`]s into rows of one or more [`Table`]s; an enrichment adds or fills columns of one
//! table. Both hand their rows, rejects and counts to an [`Output`], so that every record is accounted for:
//! for each step `read + added = kept + filtered + dead`.
//!
//! This crate knows Arrow and serde, and nothing of the engine, the cloud or the clock.

mod cache;
mod component;
mod enrichment;
mod error;
mod explanation;
mod fill;
mod folder;
pub mod json;
mod ledger;
mod look_up;
mod name;
mod output;
mod record;
mod run;
mod table;
pub mod testing;
mod transformer;

pub use cache::{BoundedCache, CacheStats};
pub use component::{BuildContext, Component, parse_options};
pub use enrichment::{Enrichment, EnrichmentWorker, Fact};
pub use error::{Error, ErrorKind, Result, Retry, SourcePlace};
pub use explanation::{Align, Answer, Arguments, Block, Explanation, JobOptions, Parameter, Question};
pub use fill::{Fill, as_text, text_column};
pub use folder::{FolderBudget, FolderFile, ReadFolder, RemoteFolders, read_local_folder};
pub use ledger::{Ledger, StepCounts};
pub use look_up::{Found, LookUps};
pub use name::{ReasonCode, StepName};
pub use output::{Drain, Output, Reject};
pub use record::{Address, ObjectRef, RawRecord};
pub use run::{EpochMillis, Run};
pub use table::{Carry, Column, ColumnType, Keep, Merge, MergeRule, PartitionBy, PartitionPart, Table, TableSchema};
pub use transformer::{Transformer, TransformerWorker, Unit};
