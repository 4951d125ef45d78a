//! What a run found, stage by stage.

use super::admitted::Admitted;
use super::announced::Announced;
use super::compared::Compared;
use super::foreseen::Foreseen;
use super::listed::Listed;
use super::planned::Planned;
use super::recovered::{EarlierCommit, Recovery};
use crate::engine::output::RunOutput;
use crate::output::staging::DeadLetterFile;
use crate::rows::quality::Verdict;

/// What a run found, as far as it came: a stage that failed or was not reached has nothing.
#[derive(Default)]
pub struct Stages {
    /// The window may be run.
    pub admitted: Option<Admitted>,
    /// Set once listeners were told that it begins: which of them could not be.
    pub untold: Option<Vec<String>>,
    /// Commits of earlier runs.
    pub recovery: Option<Recovery>,
    /// The commit that there already was, of a run that had nothing left to do.
    pub earlier: Option<EarlierCommit>,
    /// The objects of the window.
    pub listed: Option<Listed>,
    /// How they differ from those of earlier runs.
    pub compared: Option<Compared>,
    /// What a dry run would do to what is there.
    pub foreseen: Option<Foreseen>,
    /// How the run is called, and what it rests on.
    pub planned: Option<Planned>,
    /// Its output.
    pub output: OutputStages,
    /// Version of its commit.
    pub committed: Option<u64>,
    /// How it was announced, when it is published.
    pub announced: Option<Announced>,
}

/// The stages that are done again when another run leaves rows of merged tables meanwhile.
#[derive(Default)]
pub struct OutputStages {
    /// Tasks that an earlier run had finished, when all are read.
    pub resumed: Option<u64>,
    /// What tasks and merges made.
    pub merged: Option<RunOutput>,
    /// What a person should know of the rows that go on from run to run.
    pub carried: Vec<String>,
    /// What the quality rules say.
    pub judged: Option<Verdict>,
    /// Dead letters that are visible though the run was refused.
    pub shown: Vec<DeadLetterFile>,
}
