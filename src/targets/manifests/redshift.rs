//! Manifests for Redshift's COPY: <https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html>.
//! The length is required for Parquet; `mandatory` makes a missing file an error instead of rows that are not there.

use super::files::{CommitFile, FOLDER, ManifestInput, ManifestObject, push_folder};
use super::record::ManifestRules;
use etl_sdk::{Error, Result};
use serde::Serialize;

/// One manifest and its files, ordered by partition, size and path.
pub(super) struct Manifest<'a> {
    pub(super) path: String,
    files: Vec<CommitFile<'a>>,
}

#[derive(Serialize)]
struct Body {
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    url: String,
    mandatory: bool,
    meta: Meta,
}

#[derive(Serialize)]
struct Meta {
    content_length: u64,
}

/// A file and what it is sorted by: files of one manifest belong to one table and one group of it, days come one after
/// the other, and files of about one size go together, so that the slices of a warehouse have about equal shares.
struct Sorted<'a> {
    group: Vec<Option<&'a str>>,
    file: CommitFile<'a>,
}

/// Cuts the files into manifests, ordered by their paths' tables and groups.
pub(super) fn plan<'a>(rules: &ManifestRules, input: &ManifestInput<'a>) -> Vec<Manifest<'a>> {
    let mut files: Vec<Sorted<'a>> =
        input.added.iter().map(|file| Sorted { group: group_of(rules, file), file: *file }).collect();
    files.sort_unstable_by(|left, right| left.key().cmp(&right.key()));
    let mut manifests = Vec::new();
    for group in files.chunk_by(|left, right| left.file.table == right.file.table && left.group == right.group) {
        let folder = folder_of(&group[0]);
        for (number, files) in cut(rules, group).into_iter().enumerate() {
            let files = files.iter().map(|sorted| sorted.file).collect();
            manifests.push(Manifest { path: format!("{folder}/{}-{number:05}.manifest", input.name), files });
        }
    }
    manifests
}

impl Sorted<'_> {
    fn key(&self) -> impl Ord {
        (self.file.table, &self.group, self.file.folder(), self.file.bytes, self.file.path)
    }
}

/// Values of the columns that the file's table has manifests per. A file without such a column is in the group of nulls.
fn group_of<'a>(rules: &ManifestRules, file: &CommitFile<'a>) -> Vec<Option<&'a str>> {
    let columns = rules.per.get(file.table).map_or(&[][..], Vec::as_slice);
    let value = |column: &String| {
        file.partition.iter().find(|part| part.name == *column).and_then(|part| part.value.as_deref())
    };
    columns.iter().map(value).collect()
}

fn folder_of(first: &Sorted<'_>) -> String {
    let mut folder = format!("{FOLDER}/");
    push_folder(&mut folder, Some(first.file.table));
    for value in &first.group {
        folder.push('/');
        push_folder(&mut folder, *value);
    }
    folder
}

/// Cuts the files of one group where one more would exceed a limit.
fn cut<'a, 'b>(rules: &ManifestRules, group: &'b [Sorted<'a>]) -> Vec<&'b [Sorted<'a>]> {
    let most_files = (rules.files as usize).max(1);
    let (mut cuts, mut start, mut bytes) = (Vec::new(), 0, 0_u64);
    for (place, sorted) in group.iter().enumerate() {
        let more = bytes.saturating_add(sorted.file.bytes);
        if place > start && (place - start == most_files || more > rules.bytes) {
            cuts.push(&group[start..place]);
            (start, bytes) = (place, sorted.file.bytes);
        } else {
            bytes = more;
        }
    }
    cuts.push(&group[start..]);
    cuts
}

impl Manifest<'_> {
    pub(super) fn object(self, input: &ManifestInput<'_>) -> Result<ManifestObject> {
        let entry = |file: &CommitFile<'_>| Entry {
            url: format!("{}/{}", input.location, file.path),
            mandatory: true,
            meta: Meta { content_length: file.bytes },
        };
        let body = Body { entries: self.files.iter().map(entry).collect() };
        let bytes =
            serde_json::to_vec(&body).map_err(|error| Error::internal("write a COPY manifest").source(error))?;
        Ok(ManifestObject { path: self.path, bytes })
    }
}
