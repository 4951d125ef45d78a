//! What damaged objects probably held that was not read: a broken object is one dead letter and may have lost thousands
//! of records.
//!
//! How much of an object was not read is known where its break is: the listed size less the place of the break, or the
//! lengths of the entries of an archive that were left out. Of an object that simply ends too early nothing says how long
//! it was. It is taken to have lost as much as was read, and more where the whole objects of the run are longer on average
//! than both: objects differ, so that one of usual length may have been cut as well. Bytes become records at the object's
//! own rate of records per stored byte, else at that of the whole objects.

use super::read::{ObjectRead, ObjectStats};
use super::unread::{Missing, Unread};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Damaged objects that are named.
const MAX_NAMED: usize = 3;

/// The objects of a run: whole ones, and by reason the damaged ones. It adds up over tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    whole: Sums,
    /// Bytes of the whole ones after decompression.
    whole_plain: u64,
    damaged: BTreeMap<String, Damaged>,
    /// The first damaged ones.
    named: Vec<DamagedObject>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sums {
    objects: u64,
    bytes: u64,
    records: u64,
}

/// Damaged objects of one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Damaged {
    /// Dead letters that stand for them in the ledger.
    letters: u64,
    objects: u64,
    /// Stored bytes that were not read, as far as that is known.
    bytes: u64,
    /// Records that these bytes held at the rate of their own objects.
    records: u64,
    /// Those of the bytes whose objects gave no record to go by.
    unrated: u64,
    /// Bytes after decompression that were read and are no records, of such objects.
    unrated_plain: u64,
    /// Objects that end too early, nobody knows by how much.
    cut: Sums,
}

/// A damaged object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedObject {
    /// Its uri.
    pub object: String,
    /// Reason code.
    pub reason: String,
    /// What is wrong with it, for a person.
    pub message: String,
    /// Stored bytes that were read.
    pub read_bytes: u64,
    /// Records that were read.
    pub records: u64,
    /// Stored bytes that were not read; `None` where nothing says how many.
    pub missing_bytes: Option<u64>,
}

/// What was probably lost, beyond the dead letters that stand for damaged objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Damaged objects.
    pub objects: u64,
    /// Their stored bytes that were not read.
    pub bytes: u64,
    /// Records by reason, without the one that each dead letter counts as.
    pub records: BTreeMap<String, u64>,
}

impl Losses {
    /// Takes in an object of `size` stored bytes.
    pub fn add(&mut self, object: &str, size: u64, read: &ObjectRead) {
        if read.unread.is_empty() {
            self.whole.add(size, read.stats.records);
            self.whole_plain += read.stats.decompressed_bytes;
        }
        for unread in &read.unread {
            self.add_damaged(object, size, &read.stats, unread);
        }
    }

    fn add_damaged(&mut self, object: &str, size: u64, stats: &ObjectStats, unread: &Unread) {
        let missing = match unread.missing {
            Missing::From(at) => Some(size.saturating_sub(at)),
            Missing::Stored(bytes) => Some(bytes.min(size)),
            Missing::Plain(bytes) => Some(scaled(size, bytes, stats.decompressed_bytes.max(bytes).max(1))),
            Missing::Unknown => None,
        };
        let read = size - missing.unwrap_or(0);
        let damaged = self.damaged.entry(unread.reason.to_owned()).or_default();
        damaged.letters += unread.letters;
        damaged.objects += 1;
        match missing {
            None => damaged.cut.add(size, stats.records),
            Some(bytes) => {
                damaged.bytes += bytes;
                match (stats.records, read, unread.missing) {
                    (0, _, Missing::Plain(plain)) => damaged.unrated_plain += plain,
                    (0, ..) | (_, 0, _) => damaged.unrated += bytes,
                    _ => damaged.records += scaled(stats.records, bytes, read),
                }
            }
        }
        if self.named.len() < MAX_NAMED {
            self.named.push(DamagedObject {
                object: object.to_owned(),
                reason: unread.reason.to_owned(),
                message: unread.message.clone(),
                read_bytes: read,
                records: stats.records,
                missing_bytes: missing,
            });
        }
    }

    /// Adds what comes behind.
    pub fn merge(&mut self, other: &Self) {
        self.whole.merge(other.whole);
        self.whole_plain += other.whole_plain;
        for (reason, theirs) in &other.damaged {
            let own = self.damaged.entry(reason.clone()).or_default();
            own.letters += theirs.letters;
            own.objects += theirs.objects;
            own.bytes += theirs.bytes;
            own.records += theirs.records;
            own.unrated += theirs.unrated;
            own.unrated_plain += theirs.unrated_plain;
            own.cut.merge(theirs.cut);
        }
        let room = MAX_NAMED - self.named.len().min(MAX_NAMED);
        self.named.extend(other.named.iter().take(room).cloned());
    }

    /// The first damaged objects.
    pub fn named(&self) -> &[DamagedObject] {
        &self.named
    }

    /// What was probably lost.
    pub fn estimate(&self) -> Lost {
        let mut lost = Lost::default();
        for (reason, damaged) in &self.damaged {
            let cut = self.missing_of(damaged.cut);
            let in_plain = scaled(self.whole.records, damaged.unrated_plain, self.whole_plain);
            let records =
                damaged.records + self.records_in(damaged.unrated) + in_plain + self.records_of(damaged.cut, cut);
            lost.objects += damaged.objects;
            lost.bytes += damaged.bytes + cut;
            let beyond = records.saturating_sub(damaged.letters);
            if beyond > 0 {
                lost.records.insert(reason.clone(), beyond);
            }
        }
        lost
    }

    /// Stored bytes that objects that end too early have probably lost.
    pub fn missing_of_one(&self, read_bytes: u64) -> u64 {
        self.missing_of(Sums { objects: 1, bytes: read_bytes, records: 0 })
    }

    fn missing_of(&self, cut: Sums) -> u64 {
        let expected = scaled(self.whole.bytes, cut.objects, self.whole.objects.max(1));
        expected.saturating_sub(cut.bytes).max(cut.bytes)
    }

    /// Records in bytes that were not read, at the objects' own rate if they have one.
    fn records_of(&self, cut: Sums, missing: u64) -> u64 {
        match cut.records {
            0 => self.records_in(missing),
            records => scaled(records, missing, cut.bytes.max(1)),
        }
    }

    /// Records in bytes at the rate of the whole objects.
    fn records_in(&self, bytes: u64) -> u64 {
        scaled(self.whole.records, bytes, self.whole.bytes.max(1))
    }
}

impl Lost {
    /// Records over all reasons.
    pub fn total(&self) -> u64 {
        self.records.values().sum()
    }
}

impl Sums {
    fn add(&mut self, bytes: u64, records: u64) {
        self.merge(Self { objects: 1, bytes, records });
    }

    fn merge(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.records += other.records;
    }
}

/// `value * part / whole`, rounded up.
fn scaled(value: u64, part: u64, whole: u64) -> u64 {
    let scaled = (u128::from(value) * u128::from(part)).div_ceil(u128::from(whole.max(1)));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::reason::{CORRUPT_OBJECT, TRUNCATED_OBJECT};

    fn read(records: u64, unread: Option<(&'static str, Missing)>) -> ObjectRead {
        let unread = unread.into_iter().map(|(reason, missing)| Unread {
            reason,
            message: "broken".to_owned(),
            letters: 1,
            missing,
        });
        let stats = ObjectStats { records, decompressed_bytes: 1_000, ..ObjectStats::default() };
        ObjectRead { stats, unread: unread.collect() }
    }

    fn lost(objects: &[(u64, ObjectRead)]) -> Lost {
        let mut all = Losses::default();
        for (size, read) in objects {
            // Over tasks it adds up to the same.
            let mut task = Losses::default();
            task.add("/raw/a", *size, read);
            all.merge(&task);
        }
        all.estimate()
    }

    #[test]
    fn a_break_at_a_known_place_loses_what_is_behind_it() {
        let broken = read(100, Some((CORRUPT_OBJECT, Missing::From(1_000))));
        let found = lost(&[(5_000, broken)]);
        assert_eq!((found.objects, found.bytes, found.total()), (1, 4_000, 399));
        // At the first byte the rate of the others tells.
        let nothing = read(0, Some((CORRUPT_OBJECT, Missing::From(0))));
        let found = lost(&[(5_000, nothing.clone()), (1_000, read(50, None))]);
        assert_eq!((found.bytes, found.total()), (5_000, 249));
        // Nothing tells: it is the one record that its dead letter is.
        assert_eq!(lost(&[(5_000, nothing)]).total(), 0);
        let entry = read(30, Some((CORRUPT_OBJECT, Missing::Stored(750))));
        assert_eq!(lost(&[(1_000, entry)]).total(), 89);
        let rest = read(0, Some((CORRUPT_OBJECT, Missing::Plain(1_000))));
        assert_eq!(lost(&[(500, rest), (500, read(10, None))]).total(), 9);
    }

    #[test]
    fn an_object_that_ends_early_is_measured_by_the_whole_ones_or_by_itself() {
        let cut = || read(154, Some((TRUNCATED_OBJECT, Missing::Unknown)));
        let alone = lost(&[(1_974, cut())]);
        assert_eq!((alone.bytes, alone.total()), (1_974, 153));
        let beside = lost(&[(9_873, read(1_000, None)), (1_974, cut())]);
        assert_eq!(beside.bytes, 7_899);
        assert_eq!(beside.total(), 7_899 * 154 / 1_974);
        // As long as the others are, and longer.
        assert_eq!(lost(&[(1_974, read(200, None)), (1_974, cut())]).total(), 153);
        assert_eq!(lost(&[(100, read(10, None)), (1_974, cut())]).total(), 153);
        let empty = read(0, Some((TRUNCATED_OBJECT, Missing::Unknown)));
        assert_eq!(lost(&[(9_000, read(900, None)), (9, empty)]).total(), 899);
    }

    #[test]
    fn whole_objects_lose_nothing_and_few_damaged_ones_are_named() {
        assert_eq!(lost(&[(9, read(1, None)), (0, read(0, None))]), Lost::default());
        let mut losses = Losses::default();
        for _ in 0..10 {
            losses.add("/raw/a", 10, &read(1, Some((TRUNCATED_OBJECT, Missing::Unknown))));
        }
        let mut both = losses.clone();
        both.merge(&losses);
        assert_eq!((both.named().len(), both.estimate().objects), (MAX_NAMED, 20));
    }
}
