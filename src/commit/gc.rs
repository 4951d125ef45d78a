//! What stopped and killed runs left behind: found, and removed when a person says so.
//!
//! A runner that only sleeps may still count on what it left behind. Therefore, window by window: the lease is taken, what
//! is registered is taken out of the state so that no new run finds it, a fence goes into the log so that no old run commits
//! it, and then it is removed. Nothing is touched of a window that somebody works on, or that has a commit whose files are
//! not visible yet.

use super::carried::{CARRIED, CarriedState};
use super::entry::Event;
use super::history::JobState;
use super::lease::{Claim, Holder, Lease};
use super::objects::Listed;
use super::stores::Stores;
use super::work::{TaskResult, Work};
use super::{carried, lease, work};
use crate::output::staging::{PendingFile, Staged, StagedRun, run_of};
use crate::window::Window;
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::Result;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

/// Where the job's garbage may be.
pub struct Places<'a> {
    /// Name of the job.
    pub job: &'a str,
    /// The job's log and pending files.
    pub stores: &'a Stores,
    /// Where the tables' files are.
    pub tables_url: &'a str,
    /// Where the dead letters' files are.
    pub dead_letters_url: &'a str,
    /// How long the lease of a window is taken for.
    pub lease: Duration,
}

/// Something that nobody needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Garbage {
    /// What it is.
    pub kind: GarbageKind,
    /// Where it is, as a person would look for it.
    pub place: String,
    /// The window it belongs to; `None` for what belongs to the state as a whole.
    pub window: Option<Window>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
    /// Its length; `None` when the store does not say.
    pub bytes: Option<u64>,
    /// Why nobody needs it.
    pub why: &'static str,
    /// Whether a run that only sleeps may still count on it: then it goes behind a fence.
    #[serde(skip)]
    is_fenced: bool,
    #[serde(skip)]
    handle: Handle,
}

/// Kinds of garbage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GarbageKind {
    /// A hidden file in a folder.
    HiddenFile,
    /// An upload of a bucket that is not completed.
    Upload,
    /// Registered results of a run that did not come to its end: a folder of the state.
    Work,
    /// The detail of a commit that was never made, or that a later one replaced.
    Detail,
    /// The list of input objects of such a commit.
    Inputs,
    /// Rows that merged tables carried, or a list of them.
    Carried,
    /// A lease that does not hold any more.
    Lease,
    /// An object of a state in a folder that its writer did not finish.
    Unfinished,
}

/// How a piece of garbage is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Handle {
    Staged { in_tables: bool, file: PendingFile },
    Work,
    Object(String),
    Unfinished(String),
}

/// What is left alone, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftAlone {
    /// Younger than the age limit.
    pub young: u64,
    /// Of windows that somebody works on.
    pub working: u64,
    /// Of windows with a commit that is not published yet; `etl-runner recover` comes first.
    pub unpublished: u64,
    /// Staged by other jobs or programs.
    pub foreign: u64,
}

/// What was found.
pub struct Found {
    /// What nobody needs, by window, kind and place.
    pub garbage: Vec<Garbage>,
    /// What is left alone.
    pub left: LeftAlone,
    state: std::sync::Arc<JobState>,
    work: BTreeMap<Window, Vec<Work>>,
}

/// What became of a window's garbage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Pieces that are gone.
    pub pieces: u64,
    /// Their bytes, as far as known.
    pub bytes: u64,
    /// Windows left alone after all: somebody took their lease, or committed them, in the meantime.
    pub skipped: Vec<Window>,
}

impl Garbage {
    /// The job's own name for the run it belongs to.
    pub fn run(&self, job: &str) -> Option<String> {
        Some(format!("{job}-{}", self.window?.id()))
    }
}

/// Looks for what nobody needs and what has not been written to since `before`. Changes nothing.
pub fn find(places: &Places<'_>, before: DateTime<Utc>) -> Result<Found> {
    // The stores first: what is committed after this is not in the listings, or in the log as it is read then.
    let staged = staged(places)?;
    let objects = places.stores.objects();
    let state = places.stores.log.refresh()?;
    let live = lease::live(objects, places.stores.log.runner())?;
    let mut search = Search {
        places,
        before,
        live: &live,
        unpublished: state.unpublished.values().map(|commit| commit.window).collect(),
        garbage: Vec::new(),
        left: LeftAlone::default(),
    };
    let (registered, work) = search.work()?;
    search.staged(staged, &registered);
    search.objects(&state, &work)?;
    search.leases()?;
    search.unfinished()?;
    let (mut garbage, left) = (search.garbage, search.left);
    garbage.sort_by(|left, right| (left.window, left.kind, &left.place).cmp(&(right.window, right.kind, &right.place)));
    Ok(Found { garbage, left, state, work: work.stale })
}

/// Something staged, where it is and how it is removed.
struct StagedPiece {
    place: String,
    identity: String,
    run: Option<StagedRun>,
    modified: DateTime<Utc>,
    bytes: Option<u64>,
    in_tables: bool,
    file: PendingFile,
}

/// What tells a staged file from all others. An upload is found below the sink and, when the dead letters are below it as
/// well, once more below their url: its id is the same.
fn identity(url: &str, staged: &Staged) -> String {
    match staged {
        Staged::Hidden { path } => format!("{url}/{path}"),
        Staged::Upload { upload_id, .. } => upload_id.clone(),
    }
}

fn staged(places: &Places<'_>) -> Result<Vec<StagedPiece>> {
    let mut known = HashSet::new();
    let mut pieces = Vec::new();
    let Stores { tables, dead_letters, .. } = places.stores;
    for (store, url, in_tables) in [(tables, places.tables_url, true), (dead_letters, places.dead_letters_url, false)] {
        for found in store.pending()? {
            let identity = identity(url, &found.staged);
            if !known.insert(identity.clone()) {
                continue;
            }
            let place = match &found.staged {
                Staged::Hidden { path } => format!("{url}/{path}"),
                Staged::Upload { .. } => format!("{url}/{}", found.path),
            };
            let bytes = found.bytes.unwrap_or_default();
            let file = PendingFile { path: found.path, bytes, staged: found.staged };
            let (run, modified, bytes) = (found.run, found.modified, found.bytes);
            pieces.push(StagedPiece { place, identity, run, modified, bytes, in_tables, file });
        }
    }
    Ok(pieces)
}

struct Search<'a> {
    places: &'a Places<'a>,
    before: DateTime<Utc>,
    live: &'a [Holder],
    unpublished: BTreeSet<Window>,
    garbage: Vec<Garbage>,
    left: LeftAlone,
}

/// Registered work: what is stale by window, and the lists of input that the rest refers to.
#[derive(Default)]
struct Registered {
    stale: BTreeMap<Window, Vec<Work>>,
    inputs: BTreeSet<String>,
}

impl Search<'_> {
    /// Whether something of a window may go; counts it if not.
    fn may_go(&mut self, window: &Window, modified: DateTime<Utc>) -> bool {
        let count = if self.unpublished.iter().any(|other| other.overlaps(window)) {
            &mut self.left.unpublished
        } else if self.live.iter().any(|holder| holder.window.overlaps(window)) {
            &mut self.left.working
        } else if modified >= self.before {
            &mut self.left.young
        } else {
            return true;
        };
        *count += 1;
        false
    }

    /// Finds stale work. Gives the identities of all that is registered and stays.
    fn work(&mut self) -> Result<(HashSet<String>, Registered)> {
        let objects = self.places.stores.objects();
        let mut folders: BTreeMap<String, (u64, DateTime<Utc>)> = BTreeMap::new();
        for Listed { path, bytes, modified } in objects.list("work", None)? {
            let Some((folder, _)) = path.rsplit_once('/') else { continue };
            let entry = folders.entry(folder.to_owned()).or_insert((0, modified));
            *entry = (entry.0 + bytes, entry.1.max(modified));
        }
        let (mut stays, mut registered) = (HashSet::new(), Registered::default());
        for (id, work) in work::all(objects)? {
            let known = folders.get(work.folder()).copied().zip(StagedRun::window_of(&id));
            if let Some(((bytes, modified), window)) = known
                && self.may_go(&window, modified)
            {
                self.garbage.push(Garbage {
                    kind: GarbageKind::Work,
                    place: objects.uri_of(work.folder()),
                    window: Some(window),
                    modified,
                    bytes: Some(bytes),
                    why: "registered by a run that did not come to its end",
                    is_fenced: true,
                    handle: Handle::Work,
                });
                registered.stale.entry(window).or_default().push(work);
                continue;
            }
            registered.inputs.extend(work.plan()?.map(|plan| plan.inputs));
            for result in work.results()?.values() {
                stays.extend(self.identities(result));
            }
        }
        Ok((stays, registered))
    }

    fn identities(&self, result: &TaskResult) -> Vec<String> {
        let (files, dead_letters) = result.pending();
        let tables = files.into_iter().map(|file| identity(self.places.tables_url, &file.staged));
        tables.chain(dead_letters.map(|file| identity(self.places.dead_letters_url, &file.staged))).collect()
    }

    fn staged(&mut self, pieces: Vec<StagedPiece>, registered: &HashSet<String>) {
        for piece in pieces {
            let Some(run) = piece.run.filter(|run| run.job == self.places.job) else {
                self.left.foreign += 1;
                continue;
            };
            if registered.contains(&piece.identity) || !self.may_go(&run.window, piece.modified) {
                continue;
            }
            let kind = match &piece.file.staged {
                Staged::Hidden { .. } => GarbageKind::HiddenFile,
                Staged::Upload { .. } => GarbageKind::Upload,
            };
            self.garbage.push(Garbage {
                kind,
                place: piece.place,
                window: Some(run.window),
                modified: piece.modified,
                bytes: piece.bytes,
                why: "staged by a run that did not commit it",
                is_fenced: true,
                handle: Handle::Staged { in_tables: piece.in_tables, file: piece.file },
            });
        }
    }

    /// Details and lists of input that no commit of today's output and no registered work refers to.
    fn objects(&mut self, state: &JobState, work: &Registered) -> Result<()> {
        let commits = || state.windows.values().flat_map(|window| &window.commits);
        let unpublished = state.unpublished.values().map(|commit| commit.detail.as_str());
        let details: HashSet<&str> = commits().map(|commit| commit.detail.as_str()).chain(unpublished).collect();
        let objects = self.places.stores.objects();
        let carried = match &state.carried {
            Some((_, kept)) => {
                let mut paths = carried::paths(objects, &CarriedState::read(objects, kept)?)?;
                paths.insert(kept.path.clone());
                paths
            }
            None => BTreeSet::new(),
        };
        // By the commit's name: looking into each detail would be reading all that was ever written.
        let names: HashSet<&str> = commits().map(|commit| commit.name.as_str()).collect();
        let is_needed = |path: &str| match path.strip_prefix("inputs/") {
            None => details.contains(path) || carried.contains(path),
            Some(file) => {
                let name = file.strip_suffix(".json.zst").and_then(|stem| stem.rsplit_once('-'));
                work.inputs.contains(path) || name.is_some_and(|(name, _)| names.contains(name))
            }
        };
        for (folder, kind, why) in [
            ("commits", GarbageKind::Detail, "no commit of the output has it"),
            ("inputs", GarbageKind::Inputs, "of no commit of the output and no run to go on with"),
            (CARRIED, GarbageKind::Carried, "no later run takes rows from it"),
        ] {
            for Listed { path, bytes, modified } in objects.list(folder, None)? {
                let Some(run) = run_of(&path).filter(|run| run.job == self.places.job) else { continue };
                if is_needed(&path) || !self.may_go(&run.window, modified) {
                    continue;
                }
                self.garbage.push(Garbage {
                    kind,
                    place: objects.uri_of(&path),
                    window: Some(run.window),
                    modified,
                    bytes: Some(bytes),
                    why,
                    // A rebuild writes carried rows under the names of commits of any age.
                    is_fenced: kind == GarbageKind::Carried || !is_past(state, &run.window, &path),
                    handle: Handle::Object(path),
                });
            }
        }
        Ok(())
    }

    fn leases(&mut self) -> Result<()> {
        let objects = self.places.stores.objects();
        for (Listed { path, bytes, modified }, _) in lease::expired(objects, self.places.stores.log.runner())? {
            let Some(window) = path.split('/').nth(1).and_then(StagedRun::window_of) else { continue };
            if modified < self.before {
                self.garbage.push(Garbage {
                    kind: GarbageKind::Lease,
                    place: objects.uri_of(&path),
                    window: Some(window),
                    modified,
                    bytes: Some(bytes),
                    why: "expired",
                    is_fenced: false,
                    handle: Handle::Object(path),
                });
            }
        }
        Ok(())
    }

    fn unfinished(&mut self) -> Result<()> {
        let objects = self.places.stores.objects();
        for Listed { path, bytes, modified } in objects.unfinished("")? {
            if modified >= self.before {
                self.left.young += 1;
                continue;
            }
            self.garbage.push(Garbage {
                kind: GarbageKind::Unfinished,
                place: objects.uri_of(&path),
                window: None,
                modified,
                bytes: Some(bytes),
                why: "its writer was killed",
                is_fenced: false,
                handle: Handle::Unfinished(path),
            });
        }
        Ok(())
    }
}

/// Whether the log has gone past what an object was written for: a run of that revision lost to a commit, or was replaced,
/// and cannot commit any more. Replays of the revision can.
fn is_past(state: &JobState, window: &Window, path: &str) -> bool {
    let Some(decided) = state.windows.get(window).and_then(|known| known.commits.first()) else { return false };
    let Some((_, after)) = path.rsplit_once(&window.id()) else { return false };
    let revision = match after.strip_prefix(".r") {
        Some(after) => after.split_once('-').and_then(|(revision, _)| revision.parse().ok()),
        None => after.starts_with('-').then_some(0_u32),
    };
    revision.is_some_and(|revision| revision <= decided.revision)
}

/// Removes what was found, window by window. `check` is asked before each: an error of it ends the removal.
///
/// Fails when the state or a store does; what is removed by then stays removed, and the rest is found again.
pub fn remove(places: &Places<'_>, found: Found, check: &dyn Fn() -> Result<()>) -> Result<Removed> {
    let mut removed = Removed::default();
    let mut windows: BTreeMap<Option<Window>, Vec<Garbage>> = BTreeMap::new();
    // A lease and a fence need a little room, and the disk may have none: what goes without them makes it.
    let (fenced, alone): (Vec<Garbage>, Vec<Garbage>) =
        found.garbage.into_iter().partition(|garbage| garbage.is_fenced);
    removed.add(&alone);
    alone.iter().try_for_each(|garbage| remove_one(places, garbage))?;
    for garbage in fenced {
        windows.entry(garbage.window).or_default().push(garbage);
    }
    let (state, mut work) = (found.state, found.work);
    for (window, garbage) in windows {
        check()?;
        let Some(window) = window else {
            removed.add(&garbage);
            garbage.iter().try_for_each(|garbage| remove_one(places, garbage))?;
            continue;
        };
        let work = work.remove(&window).unwrap_or_default();
        if remove_window(places, &state, window, &garbage, &work)? {
            removed.add(&garbage);
        } else {
            removed.skipped.push(window);
        }
    }
    Ok(removed)
}

/// `false` when the window is somebody's after all.
fn remove_window(
    places: &Places<'_>,
    state: &JobState,
    window: Window,
    garbage: &[Garbage],
    registered: &[Work],
) -> Result<bool> {
    let (log, objects) = (&places.stores.log, places.stores.objects());
    let Claim::Taken(lease) = Lease::claim(objects, window, log.runner(), places.lease, || {})? else {
        return Ok(false);
    };
    // A bigger or smaller window with the same instants has a lease of its own, and the fence would cost it its commit.
    let others = lease::live(objects, log.runner())?;
    if others.iter().any(|holder| holder.window != window && holder.window.overlaps(&window)) {
        return Ok(false);
    }
    failpoint!("gc.leased");
    // A log that is not whole any more ends this here: what seems to be nobody's may be a commit's.
    log.refresh()?;
    let mut results = Vec::new();
    for work in registered {
        results.extend(work.results()?.into_values());
        work.remove()?;
    }
    failpoint!("gc.unregistered");
    log.append(Event::Fence { windows: vec![window], reason: "gc removes what stopped runs left behind".to_owned() })?;
    failpoint!("gc.fenced");
    let now = log.refresh()?;
    let is_new = |version: u64| version > state.version;
    if lease.is_lost() || now.window(&window).commits.iter().any(|commit| is_new(commit.version)) {
        return Ok(false);
    }
    for result in &results {
        let (files, dead_letters) = result.pending();
        files.into_iter().try_for_each(|file| places.stores.tables.abandon(file))?;
        dead_letters.into_iter().try_for_each(|file| places.stores.dead_letters.abandon(file))?;
    }
    // What a rebuild has just written may be among it.
    let is_carried_still = now.carried == state.carried;
    let gone = |garbage: &&Garbage| is_carried_still || garbage.kind != GarbageKind::Carried;
    garbage.iter().filter(gone).try_for_each(|garbage| remove_one(places, garbage))?;
    Ok(true)
}

fn remove_one(places: &Places<'_>, garbage: &Garbage) -> Result<()> {
    match &garbage.handle {
        Handle::Staged { in_tables: true, file } => places.stores.tables.abandon(file)?,
        Handle::Staged { in_tables: false, file } => places.stores.dead_letters.abandon(file)?,
        Handle::Object(path) => places.stores.objects().delete(path)?,
        Handle::Unfinished(path) => places.stores.objects().delete_unfinished(path)?,
        Handle::Work => {}
    }
    failpoint!("gc.removed");
    Ok(())
}

impl Removed {
    fn add(&mut self, garbage: &[Garbage]) {
        self.pieces += garbage.len() as u64;
        self.bytes += garbage.iter().filter_map(|garbage| garbage.bytes).sum::<u64>();
    }
}

/// The instant before which something must have been written last to be removed.
pub fn limit(now: DateTime<Utc>, older_than: crate::text::Span) -> DateTime<Utc> {
    let age = TimeDelta::try_seconds(older_than.seconds).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(age).unwrap_or(DateTime::<Utc>::MIN_UTC)
}
