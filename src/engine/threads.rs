//! Units on the threads of this process.

use super::dispatch::{Dispatch, UnitWork, WorkUnit};
use crate::process::panics::catch;
use crate::process::stop::{Stop, StopReason};
use crate::process::workers::{self, SharedItems};
use etl_sdk::{Error, ErrorKind, Result};

/// Does units on at most this many threads.
#[derive(Clone, Copy, Debug)]
pub struct Threads(pub usize);

impl Dispatch for Threads {
    fn at_once(&self, units: usize) -> usize {
        self.0.min(units)
    }

    fn run(&self, units: &[WorkUnit<'_>], work: &dyn UnitWork, stop: &Stop) -> Result<()> {
        let do_units = |units: SharedItems<'_, std::slice::Iter<'_, WorkUnit<'_>>>| {
            let mut worker = work.worker()?;
            for unit in units {
                worker.run(unit)?;
            }
            worker.finish();
            Ok(())
        };
        let results = workers::run(units, self.at_once(units.len()), |units| {
            catch(|| do_units(units), |error| error).map_err(|error| {
                // The first to fail says why; the others stop because of it.
                let is_first = stop.set(StopReason::WorkerFailed);
                if is_first { error } else { stop.explain(error) }
            })
        });
        cause(results)
    }
}

/// The first failure that is not merely the consequence of another.
fn cause(results: Vec<Result<()>>) -> Result<()> {
    let mut failures: Vec<Error> = results.into_iter().filter_map(Result::err).collect();
    let cause = failures.iter().position(|error| error.kind() != ErrorKind::Stopped).unwrap_or(0);
    if failures.is_empty() { Ok(()) } else { Err(failures.swap_remove(cause)) }
}
