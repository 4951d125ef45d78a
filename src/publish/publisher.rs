//! Publishing: what a commit decided becomes visible, and what it replaced goes. Anybody can do it, and do it again.

use crate::commit::{CommitDetail, CommitLog, Event, JobState, Unpublished};
use crate::output::staging::{PendingFile, PendingStore};
use crate::process::workers;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};

/// Files that are published, given up or removed at the same time.
const AT_ONCE: usize = 8;

/// Publishes the commits of one job.
pub struct Publisher<'a> {
    /// The job's log.
    pub log: &'a CommitLog,
    /// The tables' files.
    pub tables: &'a dyn PendingStore,
    /// The dead letters' files.
    pub dead_letters: &'a dyn PendingStore,
    /// Where tables and dead letters go, as the job says now.
    pub urls: (&'a str, &'a str),
    /// Writes what readers are told of a commit; done before replaced files go.
    pub announce: &'a (dyn Fn(&CommitDetail) -> Result<()> + Sync),
    /// Removes what readers were told of replaced commits, by the paths of it under the sink's url.
    pub retract: &'a (dyn Fn(&[String]) -> Result<()> + Sync),
}

/// What a recovery did.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Commits that are published now, by version.
    pub published: Vec<(u64, Window)>,
    /// Commits that could not be published, and why.
    pub failed: Vec<(u64, Window, Error)>,
}

impl Publisher<'_> {
    /// Publishes what is committed and not published, oldest first, except the windows that `busy` names: those have a
    /// runner at work that does it itself.
    pub fn recover(&self, busy: &dyn Fn(&Window) -> bool) -> Result<Recovered> {
        let state = self.log.refresh()?;
        let mut recovered = Recovered::default();
        for (version, commit) in &state.unpublished {
            if busy(&commit.window) {
                continue;
            }
            match self.publish(*version) {
                Ok(()) => recovered.published.push((*version, commit.window)),
                Err(error) => recovered.failed.push((*version, commit.window, error)),
            }
        }
        Ok(recovered)
    }

    /// Publishes a commit, and before it the earlier ones of its window. Repeatable, also by several at once: one that
    /// turns out to be published is left alone.
    pub fn publish(&self, version: u64) -> Result<()> {
        let state = self.log.refresh()?;
        let Some(commit) = state.unpublished.get(&version) else { return Ok(()) };
        for (earlier, other) in state.unpublished.range(..version) {
            if other.window.overlaps(&commit.window) {
                self.one(&state, *earlier, other)?;
            }
        }
        self.one(&state, version, commit)
    }

    fn one(&self, state: &JobState, version: u64, commit: &Unpublished) -> Result<()> {
        let done = if state.is_live(&commit.window, version) { self.show(commit) } else { self.give_up(commit) };
        if let Err(error) = done {
            // Another runner may have done it in the meantime, and a later one may even have replaced it since.
            let still_open = self.log.refresh()?.unpublished.contains_key(&version);
            return if still_open { Err(explained(error, &commit.window)) } else { Ok(()) };
        }
        failpoint!("publish.before_entry");
        self.log.append(Event::Published { commit: version, window: commit.window })?;
        failpoint!("publish.after_entry");
        Ok(())
    }

    /// Makes the files of a commit visible and removes what they replace.
    fn show(&self, commit: &Unpublished) -> Result<()> {
        let detail = self.read(commit)?;
        failpoint!("publish.begin");
        let dead_letters: Vec<&PendingFile> = detail.dead_letters.iter().map(|file| &file.pending).collect();
        each(&dead_letters, &|file| {
            failpoint!("publish.dead_letters");
            self.dead_letters.publish(file)
        })?;
        each(&detail.files, &|file| {
            failpoint!("publish.file");
            self.tables.publish(&file.pending)
        })?;
        failpoint!("publish.before_announcement");
        (self.announce)(&detail)?;
        failpoint!("publish.before_removal");
        self.remove_replaced(&detail)
    }

    /// Gives up a commit that a later one replaced before it was published. What it replaced itself is among what the
    /// later one replaces.
    fn give_up(&self, commit: &Unpublished) -> Result<()> {
        let detail = self.read(commit)?;
        // First what is pending, so that no runner that lags behind can make it visible after it was removed.
        let dead_letters: Vec<&PendingFile> = detail.dead_letters.iter().map(|file| &file.pending).collect();
        each(&dead_letters, &|file| self.dead_letters.abandon(file))?;
        each(&detail.files, &|file| self.tables.abandon(&file.pending))?;
        each(&dead_letters, &|file| self.dead_letters.remove(&file.path))?;
        each(&detail.files, &|file| self.tables.remove(&file.pending.path))
    }

    fn remove_replaced(&self, detail: &CommitDetail) -> Result<()> {
        let replaced = &detail.replaces;
        // Before the files: a manifest never names a file that is gone.
        if !replaced.manifests.is_empty() {
            (self.retract)(&replaced.manifests)?;
        }
        each(&replaced.files, &|file| {
            failpoint!("publish.remove");
            self.tables.remove(&file.path)
        })?;
        each(&replaced.dead_letters, &|path| self.dead_letters.remove(path))
    }

    fn read(&self, commit: &Unpublished) -> Result<CommitDetail> {
        let detail = CommitDetail::read(self.log.objects(), &commit.detail, &commit.detail_hash)?;
        let (sink, dead_letters) = self.urls;
        for (setting, committed, now) in
            [("sink.url", &detail.sink, sink), ("dead_letter.url", &detail.dead_letter_url, dead_letters)]
        {
            if committed != now {
                return Err(Error::config("publish a commit")
                    .with("window", commit.window)
                    .with("setting", setting)
                    .with("committed", committed)
                    .with("now", now)
                    .hint("its files are pending at the url it was committed for: run once more with that url"));
            }
        }
        Ok(detail)
    }
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
