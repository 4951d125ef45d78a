//! The targets of a commit: a folder each, and one list.
//!
//! A new target is a folder with its section of the job file (`config.rs`), what a commit keeps of it (`record.rs`) and an
//! implementation of [`Target`], and a line in [`of_job`].

pub mod catalog;
pub mod manifests;
#[cfg(feature = "failpoints")]
mod markers;

use self::catalog::{CatalogRules, CatalogTarget};
use self::manifests::{ManifestRules, Manifests};
use crate::catalog::GlueAddress;
use crate::output::staging::PendingStore;
use crate::process::stop::Stop;
use crate::publish::Target;
use crate::storage::Storage;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What targets are made of.
pub struct TargetSetup<'a> {
    /// Publishes the tables' files.
    pub tables: &'a Arc<dyn PendingStore>,
    /// How a commit's files become manifests, as the job file says now.
    pub manifests: &'a ManifestRules,
    /// The catalog and what it is to know; `None` for a job that has none.
    pub catalog: Option<(GlueAddress, CatalogRules)>,
    /// Where the tables are.
    pub sink: &'a Storage,
    /// A runtime with threads of its own.
    pub runtime: &'a Handle,
    /// Ends the waiting of calls.
    pub stop: &'a Stop,
}

/// The targets of a job, in the order in which they are told of a commit.
///
/// Manifests are always among them: when they are turned off, those of replaced commits must go all the same.
pub fn of_job(setup: TargetSetup<'_>) -> Vec<Box<dyn Target>> {
    let targets: Vec<Option<Box<dyn Target>>> = vec![
        Some(Box::new(Manifests::new(Arc::clone(setup.tables), setup.manifests.clone()))),
        setup.catalog.map(|(address, rules)| {
            let (sink, runtime, stop) = (setup.sink.clone(), setup.runtime.clone(), setup.stop.clone());
            Box::new(CatalogTarget::new(address, rules, sink, runtime, stop)) as Box<dyn Target>
        }),
        #[cfg(feature = "failpoints")]
        markers::Markers::from_environment().map(|markers| Box::new(markers) as Box<dyn Target>),
    ];
    targets.into_iter().flatten().collect()
}
