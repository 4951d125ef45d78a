//! What publishes the commits of a job, and those that earlier runs left behind.

use super::announce::{Announcements, Announcer};
use super::recovered::{CommitId, Owed, Recovered, Unpublishable};
use crate::commit::{CommitDetail, ContentHash, Event, JobState, Stores, Unpublished};
use crate::output::staging::PendingFile;
use crate::process::workers;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use std::collections::BTreeSet;

/// Files that are published, given up or removed at the same time.
const AT_ONCE: usize = 8;

/// Publishes the commits of one job.
pub struct Publisher<'a> {
    /// The job's log and pending files.
    pub stores: &'a Stores,
    /// Where tables and dead letters go, as the job says now.
    pub urls: Urls<'a>,
    /// Tells the job's targets.
    pub announcer: Announcer<'a>,
}

/// Where the files of a job go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Urls<'a> {
    /// The tables' url.
    pub sink: &'a str,
    /// The dead letters' url.
    pub dead_letters: &'a str,
}

impl Publisher<'_> {
    /// Publishes what is committed and not published, oldest first, and announces what published commits owe, except in
    /// the windows that `busy` names: those have a runner at work that does it itself.
    pub fn recover(&self, busy: &dyn Fn(&Window) -> bool) -> Result<Recovered> {
        let state = self.stores.log.refresh()?;
        let mut recovered = Recovered::default();
        for (&version, &Unpublished { window, .. }) in state.unpublished.iter().filter(|(_, c)| !busy(&c.window)) {
            let commit = CommitId { version, window };
            match self.publish(version) {
                Ok(owed) => {
                    recovered.published.push(commit);
                    recovered.owed.extend(owed);
                }
                Err(error) => recovered.failed.push(Unpublishable { commit, error }),
            }
        }
        for (&window, commit) in state.owing().filter(|(window, _)| !busy(window)) {
            let (commit, target) = (CommitId { version: commit.version, window }, owed_names(&commit.owed));
            match self.announce_owed(commit) {
                Ok(Announcements { made, owed }) => {
                    recovered.announced.extend(made);
                    recovered.owed.extend(owed);
                }
                Err(error) => recovered.owed.push(Owed { commit, target, error }),
            }
        }
        Ok(recovered)
    }

    /// Publishes a commit, and before it the earlier ones of its window. Repeatable, also by several at once: one that
    /// turns out to be published is left alone. Gives the announcements that are owed.
    pub fn publish(&self, version: u64) -> Result<Vec<Owed>> {
        let state = self.stores.log.refresh()?;
        let Some(commit) = state.unpublished.get(&version) else { return Ok(Vec::new()) };
        let mut owed = Vec::new();
        for (earlier, other) in state.unpublished.range(..version) {
            if other.window.overlaps(&commit.window) {
                owed.extend(self.one(&state, *earlier, other)?);
            }
        }
        owed.extend(self.one(&state, version, commit)?);
        Ok(owed)
    }

    fn one(&self, state: &JobState, version: u64, commit: &Unpublished) -> Result<Vec<Owed>> {
        let id = CommitId { version, window: commit.window };
        let is_live = state.is_live(&commit.window, version);
        let done = if is_live { self.show(id, commit) } else { self.give_up(commit).map(|()| Vec::new()) };
        let owed = match done {
            Ok(owed) => owed,
            Err(error) => {
                // Another runner may have done it in the meantime, and a later one may even have replaced it since.
                let still_open = self.stores.log.refresh()?.unpublished.contains_key(&version);
                return if still_open { Err(explained(error, &commit.window)) } else { Ok(Vec::new()) };
            }
        };
        failpoint!("publish.before_entry");
        let names = owed.iter().map(|owed| owed.target.clone()).collect();
        self.stores.log.append(Event::Published { commit: version, window: commit.window, owed: names })?;
        failpoint!("publish.after_entry");
        Ok(owed)
    }

    /// Announces a published commit to the targets that it owes it.
    fn announce_owed(&self, commit: CommitId) -> Result<Announcements> {
        let state = self.stores.log.refresh()?;
        let Some((_, known)) = state.owing().find(|(_, known)| known.version == commit.version) else {
            return Ok(Announcements::default());
        };
        let detail = self.read(commit.window, &known.detail, &known.detail_hash)?;
        let done = detail.targets.keys().filter(|target| !known.owed.contains(*target)).cloned().collect();
        self.announcer.announce(&self.stores.log, commit, &detail, &done)
    }

    /// Makes the files of a commit visible, announces it, and removes what it replaces. Gives the announcements that are
    /// owed.
    fn show(&self, id: CommitId, commit: &Unpublished) -> Result<Vec<Owed>> {
        let detail = self.read(commit.window, &commit.detail, &commit.detail_hash)?;
        failpoint!("publish.begin");
        let dead_letters: Vec<&PendingFile> = detail.dead_letters.iter().map(|file| &file.pending).collect();
        each(&dead_letters, &|file| {
            failpoint!("publish.dead_letters");
            self.stores.dead_letters.publish(file)
        })?;
        each(&detail.files, &|file| {
            failpoint!("publish.file");
            self.stores.tables.publish(&file.pending)
        })?;
        let announcements = if detail.forgets {
            Announcements::default()
        } else {
            self.announcer.announce(&self.stores.log, id, &detail, &commit.announced)?
        };
        // Before the files: what was announced never leads to a file that is gone.
        self.announcer.retract(&detail)?;
        failpoint!("publish.before_removal");
        self.remove_replaced(&detail)?;
        Ok(announcements.owed)
    }

    /// Gives up a commit that a later one replaced before it was published. What it replaced itself is among what the
    /// later one replaces.
    fn give_up(&self, commit: &Unpublished) -> Result<()> {
        let detail = self.read(commit.window, &commit.detail, &commit.detail_hash)?;
        // First what is pending, so that no runner that lags behind can make it visible after it was removed.
        let dead_letters: Vec<&PendingFile> = detail.dead_letters.iter().map(|file| &file.pending).collect();
        each(&dead_letters, &|file| self.stores.dead_letters.abandon(file))?;
        each(&detail.files, &|file| self.stores.tables.abandon(&file.pending))?;
        each(&dead_letters, &|file| self.stores.dead_letters.remove(&file.path))?;
        each(&detail.files, &|file| self.stores.tables.remove(&file.pending.path))
    }

    fn remove_replaced(&self, detail: &CommitDetail) -> Result<()> {
        let replaced = &detail.replaces;
        each(&replaced.files, &|file| {
            failpoint!("publish.remove");
            self.stores.tables.remove(&file.path)
        })?;
        each(&replaced.dead_letters, &|path| self.stores.dead_letters.remove(path))
    }

    fn read(&self, window: Window, path: &str, hash: &ContentHash) -> Result<CommitDetail> {
        let detail = CommitDetail::read(self.stores.objects(), path, hash)?;
        let Urls { sink, dead_letters } = self.urls;
        for (setting, committed, now) in
            [("sink.url", &detail.sink, sink), ("dead_letter.url", &detail.dead_letter_url, dead_letters)]
        {
            if committed != now {
                return Err(Error::config("publish a commit")
                    .with("window", window)
                    .with("setting", setting)
                    .with("committed", committed)
                    .with("now", now)
                    .hint("its files are pending at the url it was committed for: run once more with that url"));
            }
        }
        Ok(detail)
    }
}

fn owed_names(owed: &BTreeSet<String>) -> String {
    owed.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn explained(error: Error, window: &Window) -> Error {
    let kind = error.kind();
    let hint = match kind {
        ErrorKind::NotFound | ErrorKind::Unavailable => {
            "the window is committed, not all of its files are visible: `etl-runner recover JOB` goes on; if its pending \
             files are gone, run the window again, which replaces them"
        }
        _ => "the window is committed, not all of its files are visible: `etl-runner recover JOB` goes on",
    };
    Error::new(kind, "publish a commit").with("window", window).source(error).hint(hint)
}

/// Does `work` for all items, several at a time; the first failure is the result, the others are tried all the same.
fn each<T: Sync>(items: &[T], work: &(dyn Fn(&T) -> Result<()> + Sync)) -> Result<()> {
    workers::map(items, AT_ONCE, work).into_iter().collect()
}
