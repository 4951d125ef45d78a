//! Listed: which objects the window holds.

use super::context::JobContext;
use crate::engine::{Task, pack};
use crate::process::stop::Stop;
use crate::report::Progress;
use crate::source::{self, InputObject, Stretch, warnings};
use crate::window::Window;
use etl_sdk::Result;
use std::collections::BTreeMap;

/// The objects of a window.
pub struct Listed {
    /// Objects that the store listed, also those of other windows.
    pub seen: u64,
    /// Objects of the window that are left out, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Objects that no window takes.
    pub strays: u64,
    /// What a person should know of the listing.
    pub warnings: Vec<String>,
    /// The objects that are to be read, in their order, as tasks.
    pub tasks: Vec<Task>,
}

impl Listed {
    /// The objects that are to be read, in the order of their keys.
    pub fn objects(&self) -> impl Iterator<Item = &InputObject> + Clone {
        self.tasks.iter().flat_map(|task| &task.objects)
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.tasks.iter().map(|task| task.objects.len() as u64).sum()
    }

    /// Their bytes as stored.
    pub fn bytes(&self) -> u64 {
        self.objects().map(|object| object.size).sum()
    }
}

/// Lists the objects of a window once, or takes them from a listing that serves for it; and looks further when there are
/// none: below a wrong prefix is nothing at all.
pub fn list(
    context: &JobContext<'_>,
    window: &Window,
    stretch: Option<&Stretch>,
    progress: &Progress,
    stop: &Stop,
) -> Result<Listed> {
    let (config, source) = (&context.job.config, &context.places.source);
    let listing = async {
        let listing = match stretch.filter(|stretch| stretch.serves(window)) {
            Some(stretch) => stretch.of(source, window)?,
            None => source::list(source, &config.source, window, &config.limits).await?,
        };
        let warnings = warnings(source, &config.source, &listing).await?;
        Ok((listing, warnings))
    };
    let (listing, warnings) = context.runtime.block_on(stop.unless(listing))?;
    let listed = Listed {
        seen: listing.listed,
        strays: listing.strays.missed(),
        warnings,
        skipped: listing.skipped.into_iter().map(|(reason, (count, _))| (reason, count)).collect(),
        tasks: pack(listing.objects, config.limits.task_bytes.0),
    };
    progress.set_total(listed.count(), listed.bytes());
    Ok(listed)
}
