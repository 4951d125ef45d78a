//! What a run would do to what is there already. Field names are a contract.

use super::error::ErrorReport;
use crate::text::count;
use serde::{Deserialize, Serialize};

/// What a run would meet, and do to it, as the log of the job says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Effect {
    /// Whether the window is done, so that it would be run again.
    pub done: bool,
    /// Commits whose files it would replace: those of the window, and of windows within it.
    pub replaces: Vec<ReplacedCommits>,
    /// Commits of runs that died, which it would publish first.
    pub publishes_first: Vec<CommitReport>,
    /// Published commits that it would announce first.
    pub announces_first: Vec<CommitReport>,
    /// Who holds the window.
    pub held: Option<HeldReport>,
    /// When the window closes, if it is open.
    pub open_until: Option<String>,
    /// Why it would be refused.
    pub refused: Option<ErrorReport>,
}

/// The commits of a window that go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplacedCommits {
    /// The window, `START/END`.
    pub window: String,
    /// Whether it is the window that is run.
    pub own: bool,
    /// Its revision.
    pub revision: u32,
    /// Replays of dead letters that added to it.
    pub replays: u32,
    /// Files of tables.
    pub files: u64,
    /// Rows of tables.
    pub rows: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Whether it was run before it closed.
    pub provisional: bool,
}

/// A commit that is not at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommitReport {
    /// Its place in the log.
    pub commit: u64,
    /// Its window, `START/END`.
    pub window: String,
    /// The targets that are still to be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
}

/// Who holds a window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeldReport {
    /// Name of the machine.
    pub host: String,
    /// The process on it.
    pub pid: u32,
    /// Since when.
    pub since: String,
    /// Until when, unless it is renewed.
    pub until: String,
}

impl Effect {
    /// What people are told: a word for each fact, and the fact.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        for commit in &self.publishes_first {
            lines.push(("first", format!("publishes {commit}, which its run left behind")));
        }
        for commit in &self.announces_first {
            lines.push(("first", format!("announces {commit} to {}", commit.targets.join(", "))));
        }
        if self.done {
            lines.push(("again", "the window is done already, and would be run again".to_owned()));
        }
        lines.extend(self.replaces.iter().map(|replaced| ("replaces", replaced.to_string())));
        if let Some(closes) = &self.open_until {
            lines.push(("open", format!("until {closes}: objects may still arrive in it")));
        }
        if let Some(held) = &self.held {
            let HeldReport { host, pid, since, until } = held;
            lines.push(("held", format!("by {host}:{pid} since {since}, until {until} unless it is renewed")));
        }
        if let Some(refused) = &self.refused {
            let hint = refused.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            lines.push(("REFUSED", format!("{}{hint}", refused.message)));
        }
        lines
    }
}

impl std::fmt::Display for CommitReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "commit {} of window {}", self.commit, self.window)
    }
}

impl std::fmt::Display for ReplacedCommits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let provisional = if self.provisional { "provisional " } else { "" };
        write!(f, "{provisional}revision {}", self.revision)?;
        if !self.own {
            write!(f, " of window {}", self.window)?;
        }
        match self.replays {
            0 => {}
            1 => write!(f, " with 1 replay")?,
            replays => write!(f, " with {} replays", count(u64::from(replays)))?,
        }
        write!(f, " ({}, {}", several(self.files, "file"), several(self.rows, "row"))?;
        if self.dead_letters > 0 {
            write!(f, ", {}", several(self.dead_letters, "dead letter"))?;
        }
        f.write_str(")")
    }
}

fn several(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_has_a_line() {
        let own = ReplacedCommits { own: true, files: 20, rows: 388, ..ReplacedCommits::default() };
        let covered = ReplacedCommits {
            window: "A/B".to_owned(),
            revision: 2,
            replays: 1,
            files: 1,
            rows: 1_000,
            dead_letters: 1,
            provisional: true,
            ..ReplacedCommits::default()
        };
        let commit = CommitReport { commit: 7, window: "A/B".to_owned(), targets: vec!["manifests".to_owned()] };
        let effect = Effect {
            done: true,
            replaces: vec![own, covered],
            publishes_first: vec![commit.clone()],
            announces_first: vec![commit],
            open_until: Some("C".to_owned()),
            ..Effect::default()
        };
        let lines: Vec<String> = effect.lines().iter().map(|(name, text)| format!("{name}: {text}")).collect();
        assert_eq!(
            lines,
            [
                "first: publishes commit 7 of window A/B, which its run left behind",
                "first: announces commit 7 of window A/B to manifests",
                "again: the window is done already, and would be run again",
                "replaces: revision 0 (20 files, 388 rows)",
                "replaces: provisional revision 2 of window A/B with 1 replay (1 file, 1,000 rows, 1 dead letter)",
                "open: until C: objects may still arrive in it",
            ]
        );
        assert_eq!(Effect::default().lines(), []);
    }
}
