//! Where a job reads and writes.

use super::load::Job;
use crate::storage::{S3Config, Storage};
use etl_sdk::{Error, Result};

/// The storages of a job.
pub struct Places {
    /// Raw batches.
    pub source: Storage,
    /// Tables.
    pub sink: Storage,
    /// The commit log, leases and run reports.
    pub state: Storage,
    /// What could not be used.
    pub dead_letters: Storage,
}

impl Places {
    /// Opens the places of a job; nothing is read or created.
    pub fn open(job: &Job) -> Result<Self> {
        let [source, sink, state, dead_letters] = Self::each(job);
        Ok(Self { source: source?, sink: sink?, state: state?, dead_letters: dead_letters? })
    }

    /// Why places of a job cannot be opened.
    pub fn mistakes(job: &Job) -> Vec<Error> {
        Self::each(job).into_iter().filter_map(Result::err).collect()
    }

    fn each(job: &Job) -> [Result<Storage>; 4] {
        let config = &job.config;
        let below_sink = |folder: &str| format!("{}/{folder}", config.sink.url.trim_end_matches('/'));
        let state = config.state.url.clone().unwrap_or_else(|| below_sink("_state"));
        let dead_letters = config.dead_letter.url.clone().unwrap_or_else(|| below_sink("_dead_letters"));
        // Those without a section of their own are reached as the sink is.
        let of_sink = (&config.sink.s3, "sink");
        let state_s3 = config.state.s3.as_ref().map_or(of_sink, |s3| (s3, "state"));
        // Its objects are not of the class of the tables' files.
        let state_s3 = (&S3Config { storage_class: None, ..state_s3.0.clone() }, state_s3.1);
        let dead_letter_s3 = config.dead_letter.s3.as_ref().map_or(of_sink, |s3| (s3, "dead_letter"));
        let open = |url: &str, (s3, section): (&S3Config, &'static str), place: &'static str| {
            let section = job.section_of(section).serving(place);
            let opened = Storage::open_with(url, s3, &job.folder, &config.limits.retry, Some(&section));
            opened.map_err(|error| job.placed(&[place, "url"], error))
        };
        [
            open(&config.source.url, (&config.source.s3, "source"), "source"),
            open(&config.sink.url, of_sink, "sink"),
            open(&state, state_s3, "state"),
            open(&dead_letters, dead_letter_s3, "dead_letter"),
        ]
    }
}
