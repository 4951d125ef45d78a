//! The one unsafe call: mapping the database into memory.
//!
//! A database of 70 MB is shared by all workers, and by all runs on a machine, without a copy. The price is a promise
//! that nobody writes into or truncates the file while it is mapped. We never do; the option's documentation asks
//! the same of others (replace by rename), and a read-only container image or mount gives it for free.
#![allow(unsafe_code)]

use maxminddb::{MaxMindDbError, Mmap, Reader};
use std::path::Path;

/// Maps a database.
pub(crate) fn open(path: &Path) -> Result<Reader<Mmap>, MaxMindDbError> {
    // SAFETY: the mapping is read-only and private to the reader; see above for the file.
    unsafe { Reader::open_mmap(path) }
}

#[cfg(test)]
mod tests {
    use crate::test_database::{self, Value};
    use std::net::IpAddr;

    #[test]
    fn a_mapped_file_outlives_its_name() {
        let path = test_database::write("mapped", 4, &[([1, 0, 0, 0], 8, Value::map([("country_code", "AU")]))]);
        let reader = super::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(reader.lookup(IpAddr::from([1, 2, 3, 4])).unwrap().has_data());
        assert!(!reader.lookup(IpAddr::from([2, 2, 3, 4])).unwrap().has_data());
    }
}
