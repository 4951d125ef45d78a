//! One period, from the lease of its window to the report.

use super::compacted::{Compacted, Merging};
use super::gathered::{FileCount, Gathered, late};
use super::periods::{Left, standing};
use super::rewrite::{Rewrite, give_up};
use crate::commit::lease;
use crate::commit::{Commit, CommitDetail, Condition, Event, JobState, inputs, token};
use crate::output::staging::{DeadLetterFile, WrittenFile};
use crate::process::panics::catch;
use crate::process::stop::Stop;
use crate::publish::{left_behind, records};
use crate::report::{CompactedReport, Progress, RunReport, Status};
use crate::run::announced::announce;
use crate::run::committed::counts;
use crate::run::context::JobContext;
use crate::run::lease::claim;
use crate::run::phases::{Phases, Times};
use crate::run::plan::run_of;
use crate::run::planned::{replaced, replacing};
use crate::run::report::{dead_letters, file, keep, table_names};
use crate::source::find;
use crate::window::Window;
use etl_sdk::{EpochMillis, Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What to compact.
pub struct CompactPlan {
    /// The period.
    pub window: Window,
    /// The command's instant.
    pub now_msec: EpochMillis,
    /// How long to wait for a run of the period.
    pub wait: Duration,
    /// Counts what is done.
    pub progress: Progress,
}

/// Says what would be compacted. Nothing is written.
pub fn rehearse(context: &JobContext<'_>, period: Window, stop: &Stop) -> Compacted {
    let look = || {
        let state = context.stores.log.refresh()?;
        let gathered = match gather(context, &state, &period)? {
            Ok((windows, gathered)) => (windows.len() as u64, gathered),
            Err(left) => return Ok(Compacted::left(period, left)),
        };
        let (windows, gathered) = gathered;
        let planned = Compacted { windows, before: gathered.count(), ..Compacted::new(period, Merging::Planned) };
        if let Err(obstacle) = Rewrite::prepare(context, &gathered.partitions, "dry-run", stop)? {
            return Ok(Compacted {
                merging: Merging::Left,
                reason: Some(Left::Columns),
                warnings: vec![obstacle],
                ..planned
            });
        }
        let files = gathered.expected(context.job.config.sink.target_file_size.0);
        Ok(Compacted {
            after: FileCount { files, bytes: 0 },
            rows: rows(gathered.partitions.values().flatten()),
            ..planned
        })
    };
    catch(look, |error| error)
        .unwrap_or_else(|error| Compacted::new(period, Merging::Planned).after(&stop.explain(error)))
}

/// Makes one window of the committed ones of a period.
pub fn compact(context: &JobContext<'_>, plan: &CompactPlan) -> Compacted {
    let stop = context.stop.child();
    let mut phases = Phases::new(plan.progress.clone(), context.objects().clock());
    let mut compacted = Compacted::new(plan.window, Merging::Failed);
    let merge = Merge { context, plan, stop: &stop };
    let result = catch(|| merge.run(&mut phases, &mut compacted), |error| error);
    let result = result.and_then(|revision| match revision {
        Some(committed) => {
            merge.keep_report(&committed, &compacted, phases.finish()).and(committed.owed.map_or(Ok(()), Err))
        }
        None => Ok(()),
    });
    match result {
        Ok(()) => compacted,
        Err(error) => compacted.after(&stop.explain(error)),
    }
}

/// The windows of a period and what they have, or why it is left alone.
fn gather(
    context: &JobContext<'_>,
    state: &JobState,
    period: &Window,
) -> Result<Result<(Vec<Window>, Gathered), Left>> {
    let windows = match standing(state, period) {
        Some(Ok(windows)) => windows,
        Some(Err(left)) => return Ok(Err(left)),
        None => return Ok(Err(Left::Gap)),
    };
    let live = lease::live(context.objects(), context.stores.log.runner())?;
    if live.iter().any(|holder| holder.window != *period && holder.window.overlaps(period)) {
        return Ok(Err(Left::Running));
    }
    let gathered = Gathered::read(context, state, &windows)?;
    let is_worth_it = gathered.is_worth_it(context.job.config.sink.target_file_size.0);
    Ok(if is_worth_it { Ok((windows, gathered)) } else { Err(Left::FewFiles) })
}

fn rows<'a>(files: impl IntoIterator<Item = &'a WrittenFile>) -> BTreeMap<String, u64> {
    let mut rows = BTreeMap::new();
    for file in files {
        *rows.entry(file.table.clone()).or_default() += file.rows;
    }
    rows
}

/// One try to compact a period.
struct Merge<'a> {
    context: &'a JobContext<'a>,
    plan: &'a CompactPlan,
    stop: &'a Stop,
}

/// What was committed.
struct Committed {
    revision: u32,
    files: Vec<WrittenFile>,
    letters: Vec<String>,
    /// Why an announcement of it is owed.
    owed: Option<Error>,
}

impl Merge<'_> {
    /// Does all of it. Gives what was committed; `None` when the period is left alone.
    fn run(&self, phases: &mut Phases, compacted: &mut Compacted) -> Result<Option<Committed>> {
        let Self { context, plan, stop } = *self;
        let window = plan.window;
        let _lease = claim(context, window, plan.wait, stop, || phases.begin("wait"))?;
        failpoint!("compact.leased");
        phases.begin("recover");
        let recovered = context.recover(Some(window))?;
        compacted.warnings.extend(recovered.published.iter().map(left_behind));
        compacted.warnings.extend(recovered.failed.iter().map(ToString::to_string));
        let state = context.stores.log.refresh()?;
        phases.begin("list");
        let (windows, gathered) = match gather(context, &state, &window)? {
            Ok(gathered) => gathered,
            Err(left) => {
                *compacted =
                    Compacted { warnings: std::mem::take(&mut compacted.warnings), ..Compacted::left(window, left) };
                return Ok(None);
            }
        };
        (compacted.windows, compacted.before) = (windows.len() as u64, gathered.count());
        let revision = state.window(&window).next_revision();
        let id = run_of(&context.job.config.job, &window, plan.now_msec).id;
        let name = if revision == 0 { id } else { format!("{id}.r{revision}") };
        let rewrite = match Rewrite::prepare(context, &gathered.partitions, &name, stop) {
            Ok(Ok(rewrite)) => rewrite,
            Ok(Err(obstacle)) => {
                (compacted.merging, compacted.reason) = (Merging::Left, Some(Left::Columns));
                compacted.warnings.push(obstacle);
                return Ok(None);
            }
            Err(error) => return Err(self.unless_overtaken(&state, error)),
        };
        // An earlier try to run the whole period may have left registered work.
        let state = context.stores.clean_up(state, &window, "", &name)?;
        phases.begin("merge");
        let files = rewrite.write().map_err(|error| self.unless_overtaken(&state, error))?;
        failpoint!("compact.written");
        phases.begin("commit");
        let decision = Decision { name, revision, windows, files };
        let version = self.decide(&state, &gathered, &decision, compacted)?;
        compacted.merging = Merging::Done;
        (compacted.after, compacted.rows) = (FileCount::of(&decision.files), rows(&decision.files));
        phases.begin("publish");
        let announced = announce(context, version)?;
        compacted.warnings.extend(announced.warnings);
        let letters = dead_letters(&context.places, &gathered.dead_letters());
        Ok(Some(Committed { revision, files: decision.files, letters, owed: announced.owed }))
    }

    /// Files are gone when somebody has run a window of the period meanwhile: then that is what is to be told.
    fn unless_overtaken(&self, before: &JobState, error: Error) -> Error {
        let period = self.plan.window;
        let versions = |state: &JobState| -> Vec<u64> {
            let windows = state.windows.iter().filter(|(window, _)| window.overlaps(&period));
            windows.flat_map(|(_, known)| known.commits.iter().map(|commit| commit.version)).collect()
        };
        match self.context.stores.log.refresh() {
            Ok(now) if error.kind() != ErrorKind::Stopped && versions(&now) != versions(before) => {
                Error::new(ErrorKind::Held, "a window of the period was run while it was compacted")
                    .with("window", period)
                    .source(error)
                    .hint("nothing was changed; compact it again")
            }
            _ => error,
        }
    }

    /// Writes the detail and the entry. On a failure that leaves no doubt, what was written is given up.
    fn decide(
        &self,
        state: &Arc<JobState>,
        gathered: &Gathered,
        decision: &Decision,
        compacted: &mut Compacted,
    ) -> Result<u64> {
        let detail = self.detail(state, gathered, decision, compacted);
        let detail = detail.inspect_err(|_| give_up(self.context, &decision.files))?;
        let objects = self.context.objects().unsettled();
        let (path, hash) = detail.keep(&objects, &token())?;
        objects.settle()?;
        failpoint!("commit.before_entry");
        let (of_objects, input_bytes, records) = gathered.input_counts();
        let window = self.plan.window;
        let commit = Commit {
            window,
            revision: decision.revision,
            amendment: 0,
            name: decision.name.clone(),
            detail: path.clone(),
            detail_hash: hash,
            supersedes: decision.windows_beside(&window),
            counts: counts(&detail, of_objects, input_bytes, records),
            late: late(state, &window),
            // What the commits contributed stays as it is, under their names.
            carried: None,
            provisional: false,
            forgets: false,
            compacts: detail.compacts.clone(),
        };
        let condition = Condition { window: Some((window, state.version)), letters: true, ..Condition::default() };
        match self.context.stores.log.commit(Event::Commit(Box::new(commit)), &condition) {
            Ok(Some(version)) => {
                failpoint!("commit.after_entry");
                Ok(version)
            }
            Ok(None) => Err(Error::internal("compact a period").with("window", window)),
            Err(error) => {
                // After any other error the entry may be there all the same: then the files must stay.
                if error.kind() == ErrorKind::Held {
                    let _ = objects.delete(&path);
                    give_up(self.context, &decision.files);
                }
                Err(error)
            }
        }
    }

    fn detail(
        &self,
        state: &JobState,
        gathered: &Gathered,
        decision: &Decision,
        compacted: &mut Compacted,
    ) -> Result<CommitDetail> {
        let Self { context, plan, .. } = *self;
        let replacing = replacing(context, state, &plan.window, &decision.windows_beside(&plan.window))?;
        let mut replaces = replaced(&replacing);
        // They stay where they are, and are this commit's from here on.
        replaces.dead_letters.clear();
        compacted.warnings.extend(replacing.gone(&context.targets));
        let inputs = gathered.inputs(context)?;
        let names = gathered.names();
        let id = blake3::hash(names.join("\n").as_bytes()).to_hex()[..16].to_owned();
        let detail = CommitDetail {
            inputs: inputs::keep(context.objects(), &decision.name, &id, inputs.into_iter())?,
            sink: context.places.sink.url().to_owned(),
            dead_letter_url: context.places.dead_letters.url().to_owned(),
            files: decision.files.clone(),
            dead_letters: self.letters(gathered, compacted)?,
            replaces,
            targets: records(&context.targets, &replacing)?,
            replayed: gathered.replayed(),
            replayed_objects: gathered.replayed_objects(),
            dropped: gathered.dropped(),
            ledger: gathered.ledger(),
            ..CommitDetail::new(&decision.name, plan.window, gathered.now())
        };
        Ok(detail.compacting(names))
    }

    /// The files of dead letters that are there: one that somebody has removed could never be published again.
    fn letters(&self, gathered: &Gathered, compacted: &mut Compacted) -> Result<Vec<DeadLetterFile>> {
        let Self { context, stop, .. } = *self;
        let storage = &context.places.dead_letters;
        let (mut there, mut gone) = (Vec::new(), 0);
        for file in gathered.dead_letters() {
            let key = storage.key_of(&file.pending.path)?;
            match find(storage, &key, 0, &context.runtime, stop)? {
                Some(object) if object.size == file.pending.bytes => there.push(file),
                _ => gone += 1,
            }
        }
        if gone > 0 {
            compacted.warnings.push(format!("{gone} files of dead letters are gone: they cannot be replayed any more"));
        }
        Ok(there)
    }

    fn keep_report(&self, committed: &Committed, compacted: &Compacted, times: Times) -> Result<()> {
        let Self { context, plan, .. } = *self;
        let job = &context.job.config.job;
        let FileCount { files, bytes } = compacted.before;
        let run = run_of(job, &plan.window, plan.now_msec);
        let mut report = RunReport {
            status: if committed.owed.is_some() { Status::Partly } else { Status::Done },
            revision: committed.revision,
            compacted: Some(CompactedReport { windows: compacted.windows, files, bytes }),
            warnings: compacted.warnings.clone(),
            error: committed.owed.as_ref().map(Into::into),
            ..times.reported(RunReport::new(run.id, job, plan.window, plan.now_msec))
        };
        report.set_files(&table_names(context.pipeline), committed.files.iter().map(file).collect());
        report.dead_letters.files.clone_from(&committed.letters);
        keep(context, &report).map(|_| ())
    }
}

/// What is decided, beside what was gathered.
struct Decision {
    name: String,
    revision: u32,
    windows: Vec<Window>,
    files: Vec<WrittenFile>,
}

impl Decision {
    /// The windows other than the period itself.
    fn windows_beside(&self, period: &Window) -> Vec<Window> {
        self.windows.iter().filter(|window| *window != period).copied().collect()
    }
}
