//! A target for tests: a file per commit in a folder, and calls that fail when they are told to.
//!
//! It is in binaries that are built with the cargo feature `failpoints`, and is a target of every job when
//! `ETL_MARKERS=FOLDER` is set. In that folder:
//!
//! | name | what it is |
//! |---|---|
//! | `<commit>.json` | the commit's record as it was announced; goes when a later commit replaces it |
//! | `calls` | a line for each call that did its work: `announce NAME` or `retract NAME` |
//! | `fail` | written by the test, `announce 3` or `retract 1 config`: so many calls fail, as if there were no answer, or with a failure that does not pass |

use crate::commit::{CommitDetail, TargetRecord};
use crate::publish::{Replacing, Target};
use etl_sdk::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

const NAME: &str = "markers";

/// Writes a file per commit.
pub struct Markers {
    folder: PathBuf,
}

/// What a commit keeps of its marker.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct MarkerRecord {
    /// Names of the commits whose markers go.
    replaced: Vec<String>,
}

impl Markers {
    /// The target, if the environment asks for it.
    pub fn from_environment() -> Option<Self> {
        std::env::var_os("ETL_MARKERS").map(|folder| Self { folder: folder.into() })
    }

    fn fail(&self, call: &str) -> Result<()> {
        let path = self.folder.join("fail");
        let order = fs::read_to_string(&path).unwrap_or_default();
        let mut words = order.split_whitespace();
        let (asked, left) = (words.next(), words.next().and_then(|count| count.parse::<u32>().ok()).unwrap_or(0));
        if asked != Some(call) || left == 0 {
            return Ok(());
        }
        let rest = words.next().unwrap_or_default();
        fs::write(&path, format!("{call} {} {rest}", left - 1)).map_err(failed)?;
        let kind = if rest == "config" { ErrorKind::Config } else { ErrorKind::Unavailable };
        Err(Error::new(kind, "the marker fails, as it was told to"))
    }

    fn note(&self, call: &str, commit: &CommitDetail) -> io::Result<()> {
        let mut calls = OpenOptions::new().create(true).append(true).open(self.folder.join("calls"))?;
        calls.write_all(format!("{call} {}\n", commit.name).as_bytes())
    }

    fn marker(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

impl Target for Markers {
    fn name(&self) -> &'static str {
        NAME
    }

    fn record(&self, replacing: &Replacing) -> Result<Option<TargetRecord>> {
        let mut record = MarkerRecord::default();
        record.replaced.extend(replacing.replaced_of(NAME).map(|(detail, _)| detail.name.clone()));
        for (_, unpublished) in replacing.unpublished_of(NAME) {
            record.replaced.extend(unpublished.read::<MarkerRecord>()?.replaced);
        }
        TargetRecord::new(&record).map(Some)
    }

    fn announce(&self, commit: &CommitDetail, record: &TargetRecord) -> Result<()> {
        self.fail("announce")?;
        let text = serde_json::to_vec(record).map_err(|error| Error::internal("write a marker").source(error))?;
        fs::write(self.marker(&commit.name), text).and_then(|()| self.note("announce", commit)).map_err(failed)
    }

    fn retract(&self, commit: &CommitDetail, record: &TargetRecord) -> Result<()> {
        self.fail("retract")?;
        for name in record.read::<MarkerRecord>()?.replaced {
            match fs::remove_file(self.marker(&name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        self.note("retract", commit).map_err(failed)
    }
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "write a marker").source(error)
}
