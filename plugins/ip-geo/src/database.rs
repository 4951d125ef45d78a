//! The database: opening it, refusing one that cannot serve, and looking an address up.

use crate::config::Compat;
use crate::place::{Place, Record};
use crate::{address, map_file};
use etl_sdk::{Error, Fact, Result};
use maxminddb::{Metadata, Mmap, Reader, WithinOptions};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Networks read when the database is opened, to see whether it knows places at all.
const SAMPLED_NETWORKS: usize = 1_000;

/// A mapped database, shared by all workers.
pub(crate) struct Database {
    path: PathBuf,
    reader: Reader<Mmap>,
}

impl Database {
    /// Fails when the file is missing, is no database, or holds no places (a database of networks, say).
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let reader = map_file::open(&path).map_err(|error| {
            Error::config("open the ip database")
                .with("file", path.display())
                .hint("`database` names a file in the MMDB format, such as GeoLite2-City.mmdb")
                .source(error)
        })?;
        let database = Self { path, reader };
        if !database.knows_places()? {
            return Err(Error::config("open the ip database")
                .with("file", database.path.display())
                .with("type", &database.metadata().database_type)
                .hint("its records hold no continent, country or city: take a city or country database"));
        }
        Ok(database)
    }

    fn knows_places(&self) -> Result<bool> {
        let networks = self.reader.networks(WithinOptions::default()).map_err(|error| self.broken(error))?;
        for network in networks.take(SAMPLED_NETWORKS) {
            let record =
                network.and_then(|network| network.decode::<Record<'_>>()).map_err(|error| self.broken(error))?;
            if record.is_some_and(|record| !record.place().is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The place of the first address in `text`; an empty one when there is no address, it is not a public one, or the
    /// database does not know it. Fails when the database turns out to be broken: that is no fault of the row.
    pub(crate) fn place(&self, text: &str, compat: Compat) -> Result<Place> {
        match address::parse(text, compat) {
            Some(address) if address::is_public(address) && self.can_hold(address) => {
                let found = self.reader.lookup(address).map_err(|error| self.broken(error))?;
                let record = found.decode::<Record<'_>>().map_err(|error| self.broken(error))?;
                Ok(record.map(Record::place).unwrap_or_default())
            }
            _ => Ok(Place::default()),
        }
    }

    fn can_hold(&self, address: IpAddr) -> bool {
        address.is_ipv4() || self.metadata().ip_version == 6
    }

    /// What the run report says of it.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let metadata = self.metadata();
        vec![
            Fact { name: "database".into(), value: file_name(&self.path) },
            Fact { name: "database type".into(), value: metadata.database_type.clone() },
            Fact { name: "build date".into(), value: utc(metadata.build_epoch) },
            Fact { name: "ip version".into(), value: metadata.ip_version.to_string() },
            Fact { name: "search tree nodes".into(), value: metadata.node_count.to_string() },
        ]
    }

    fn metadata(&self) -> &Metadata {
        self.reader.metadata()
    }

    fn broken(&self, error: maxminddb::MaxMindDbError) -> Error {
        Error::config("read the ip database")
            .with("file", self.path.display())
            .hint("the file is damaged: fetch it again")
            .source(error)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// An instant as `2026-11-20T00:00:00Z`.
fn utc(epoch_seconds: u64) -> String {
    let (days, seconds) = (epoch_seconds / 86_400, epoch_seconds % 86_400);
    // Days are counted from 1 March of year 0, so that a leap day ends its year: eras of 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn instants_are_written_in_utc() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_763_596_800), "2025-11-20T00:00:00Z");
        assert_eq!(utc(4_102_444_799), "2099-12-31T23:59:59Z");
    }
}
