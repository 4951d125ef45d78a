//! Small files that a component is configured with, from a folder of this machine or from wherever the runner can read.

use crate::{Error, ErrorKind, Result};
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Folders deeper than this are an error, not a loop through links.
const MAX_DEPTH: usize = 16;

/// Most files of a folder that are read, and most names that are looked at for them.
const MAX_FILES: usize = 10_000;
const MAX_NAMES: usize = 100_000;

/// Most bytes of all of them.
const MAX_BYTES: u64 = 64 << 20;

/// A file below a folder: its path from there, with slashes, and its content.
pub type FolderFile = (String, Vec<u8>);

/// Reads the files below a url that this crate cannot read itself, such as `s3://bucket/prefix`.
pub trait ReadFolder: Send + Sync {
    /// The files whose path below the url is `wanted`, in the order of their paths. Charges each to `budget` before it is
    /// read.
    fn read_folder(
        &self,
        url: &str,
        wanted: &dyn Fn(&str) -> bool,
        budget: &mut FolderBudget,
    ) -> Result<Vec<FolderFile>>;
}

/// The runner's reader, if there is one.
#[derive(Clone, Default)]
pub struct RemoteFolders(pub Option<Arc<dyn ReadFolder>>);

impl fmt::Debug for RemoteFolders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteFolders").field(&self.0.is_some()).finish()
    }
}

/// What may still be read of a folder: it holds settings, and a wrong url may name a bucket of data.
#[derive(Debug)]
pub struct FolderBudget {
    place: String,
    names: usize,
    files: usize,
    bytes: u64,
}

impl FolderBudget {
    /// That of a folder nobody has read of. `place` is the name that errors carry.
    pub fn new(place: &str) -> Self {
        Self { place: place.to_owned(), names: MAX_NAMES, files: MAX_FILES, bytes: MAX_BYTES }
    }

    /// A name was looked at.
    pub fn name(&mut self) -> Result<()> {
        self.names = self.names.checked_sub(1).ok_or_else(|| self.spent("names", MAX_NAMES as u64))?;
        Ok(())
    }

    /// A file of this size is about to be read.
    pub fn file(&mut self, bytes: u64) -> Result<()> {
        self.files = self.files.checked_sub(1).ok_or_else(|| self.spent("files", MAX_FILES as u64))?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| self.spent("bytes", MAX_BYTES))?;
        Ok(())
    }

    fn spent(&self, what: &'static str, most: u64) -> Error {
        Error::new(ErrorKind::Limit, "read a folder of settings")
            .with("folder", &self.place)
            .with("most", format!("{most} {what}"))
            .hint("name the folder of the settings alone")
    }
}

/// The files of a folder of this machine whose path below it is `wanted`, at any depth, in the order of their paths.
/// Links are followed; names that begin with a dot are passed over.
pub fn read_local_folder(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<FolderFile>> {
    let mut files = Vec::new();
    let mut budget = FolderBudget::new(&folder.display().to_string());
    collect(folder, "", 0, wanted, &mut budget, &mut files)?;
    files.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    Ok(files)
}

fn collect(
    folder: &Path,
    below: &str,
    depth: usize,
    wanted: &dyn Fn(&str) -> bool,
    budget: &mut FolderBudget,
    files: &mut Vec<FolderFile>,
) -> Result<()> {
    let failed = |cause: std::io::Error| io_error("folder", folder, cause);
    if depth > MAX_DEPTH {
        return Err(Error::config("read a folder: it is nested too deep").with("folder", folder.display()));
    }
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        budget.name()?;
        let path = entry.path();
        let below = if below.is_empty() { name } else { format!("{below}/{name}") };
        // Follows links: mounted settings are often links to files.
        let metadata = fs::metadata(&path).map_err(failed)?;
        if metadata.is_dir() {
            collect(&path, &below, depth + 1, wanted, budget, files)?;
        } else if wanted(&below) {
            budget.file(metadata.len())?;
            let content = fs::read(&path).map_err(|cause| io_error("file", &path, cause))?;
            files.push((below, content));
        }
    }
    Ok(())
}

fn io_error(role: &'static str, path: &Path, cause: std::io::Error) -> Error {
    let kind = match cause.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorKind::Permission,
        _ => ErrorKind::Config,
    };
    Error::new(kind, "read a folder of settings").with(role, path.display()).source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent() {
        let mut budget = FolderBudget::new("s3://b/rules");
        budget.file(MAX_BYTES).unwrap();
        budget.file(0).unwrap();
        let error = budget.file(1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.to_string().contains("s3://b/rules"), "{error}");
        let mut budget = FolderBudget::new("x");
        assert!((0..MAX_FILES).all(|_| budget.file(0).is_ok()) && budget.file(0).is_err());
        assert!((0..MAX_NAMES).all(|_| budget.name().is_ok()) && budget.name().is_err());
    }

    #[test]
    fn wanted_files_are_read_in_order_and_links_are_bounded() {
        let folder = std::env::temp_dir().join(format!("etl-folder-{}", std::process::id()));
        for file in ["b.json", "a/x.json", ".hidden/x.json", "a/skip.txt"] {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let read = || read_local_folder(&folder, &|path| !path.ends_with("skip.txt"));
        let files = read().unwrap();
        assert_eq!(files, [("a/x.json".to_owned(), b"a/x.json".to_vec()), ("b.json".to_owned(), b"b.json".to_vec())]);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&folder, folder.join("loop")).unwrap();
            assert!(read().unwrap_err().to_string().contains("nested too deep"));
        }
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read().unwrap_err().kind(), ErrorKind::NotFound);
    }
}
