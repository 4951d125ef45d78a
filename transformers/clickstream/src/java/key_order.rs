//! The order in which a Java hash map is walked.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

const NONE: u32 = u32::MAX;
const DEFAULT_CAPACITY: usize = 16;
const MAX_CAPACITY: usize = 1 << 30;

/// A bucket that already holds this many keys doubles a table of less than [`SMALL_TABLE`] buckets.
const FULL_BUCKET: usize = 8;
const SMALL_TABLE: usize = 64;

/// Keys compared one by one before a second index is made, so that keys chosen to collide stay cheap.
const LONG_BUCKET: usize = 64;

/// `java.util.HashMap<String, _>` as far as its iteration order goes: keys with a number each, walked bucket by
/// bucket, and within a bucket in the order they came; those of `computeIfAbsent` go to its front.
///
/// Growth follows `HashMap` of Java 11, including the sizes `putAll` chooses. Buckets that Java turns into trees, with
/// nine or more keys in a table of 64 buckets or more, are walked as lists here.
///
/// Made to be reused: [`KeyOrder::clear`] keeps all memory.
#[derive(Clone, Debug, Default)]
pub struct KeyOrder {
    text: String,
    entries: Vec<Entry>,
    /// Empty until the first key comes.
    buckets: Vec<Bucket>,
    /// Whether a bucket may have another order than that in which its keys came.
    fronted: bool,
    /// Positions in `entries` by key; only filled while `indexed`.
    index: HashTable<u32>,
    indexed: bool,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Spread over the low bits.
    hash: u32,
    next: u32,
    value: u32,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    head: u32,
    tail: u32,
}

const EMPTY: Bucket = Bucket { head: NONE, tail: NONE };

impl KeyOrder {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Back to a map that was never used.
    pub fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
        self.buckets.clear();
        self.fronted = false;
        self.index.clear();
        self.indexed = false;
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// `HashMap.put`: a key that is already there keeps its place and takes the new value.
    pub fn put(&mut self, key: &str, value: u32) {
        self.put_hashed(spread(hash_code(key)), key, value);
    }

    /// `HashMap.computeIfAbsent`: a key that is already there keeps its value. Room is made before a key comes, not after.
    pub fn compute_if_absent(&mut self, key: &str, value: u32) {
        if self.buckets.is_empty() {
            self.resize(DEFAULT_CAPACITY);
        } else if self.entries.len() > self.threshold() {
            self.resize(self.buckets.len() * 2);
        }
        let hash = spread(hash_code(key));
        let Err(beside) = self.find(hash, key) else { return };
        let at = self.add(hash, key, value);
        let bucket = self.bucket(hash);
        let head = std::mem::replace(&mut self.buckets[bucket].head, at as u32);
        self.entries[at].next = head;
        if head == NONE {
            self.buckets[bucket].tail = at as u32;
        }
        self.fronted = true;
        if beside + 1 >= FULL_BUCKET && self.buckets.len() < SMALL_TABLE {
            self.resize(self.buckets.len() * 2);
        }
    }

    /// `HashMap.putAll`: room first (for a map never used, the power of two that holds all of `other`; else twice the
    /// room when `other` alone would pass three quarters of it), then the keys of `other` in its order.
    pub fn put_all(&mut self, other: &Self) {
        let count = other.len();
        if count == 0 {
            return;
        }
        if self.buckets.is_empty() {
            let wanted = (count as f32 / 0.75 + 1.0) as usize;
            self.resize(wanted.next_power_of_two());
        } else if count > self.threshold() {
            self.resize(self.buckets.len() * 2);
        }
        for entry in other.entries_in_order() {
            self.put_hashed(entry.hash, other.key(entry), entry.value);
        }
    }

    /// Puts every key, in order, into `fresh`, which is cleared first. When this map was filled by
    /// [`KeyOrder::put`] alone, `fresh` is walked in the same order and has the same room.
    pub fn copy_into(&self, fresh: &mut Self) {
        fresh.clear();
        for entry in self.entries_in_order() {
            fresh.put_hashed(entry.hash, self.key(entry), entry.value);
        }
    }

    /// The values in Java's iteration order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.entries_in_order().map(|entry| entry.value)
    }

    fn entries_in_order(&self) -> impl Iterator<Item = &Entry> + '_ {
        self.buckets.iter().flat_map(|bucket| self.chain(bucket.head))
    }

    fn chain(&self, head: u32) -> impl Iterator<Item = &Entry> + '_ {
        std::iter::successors(self.entries.get(head as usize), |entry| self.entries.get(entry.next as usize))
    }

    fn key(&self, entry: &Entry) -> &str {
        &self.text[entry.start..entry.end]
    }

    fn threshold(&self) -> usize {
        self.buckets.len() * 3 / 4
    }

    fn put_hashed(&mut self, hash: u32, key: &str, value: u32) {
        if self.buckets.is_empty() {
            self.resize(DEFAULT_CAPACITY);
        }
        let beside = match self.find(hash, key) {
            Ok(at) => {
                self.entries[at].value = value;
                return;
            }
            Err(beside) => beside,
        };
        let at = self.add(hash, key, value);
        self.append(at);
        if beside >= FULL_BUCKET && self.buckets.len() < SMALL_TABLE {
            self.resize(self.buckets.len() * 2);
        }
        if self.entries.len() > self.threshold() {
            self.resize(self.buckets.len() * 2);
        }
    }

    /// Adds a key to none of the buckets, and says where it is.
    #[inline]
    fn add(&mut self, hash: u32, key: &str, value: u32) -> usize {
        let at = self.entries.len();
        let start = self.text.len();
        self.text.push_str(key);
        self.entries.push(Entry { hash, next: NONE, value, start, end: self.text.len() });
        if self.indexed {
            self.add_to_index(at);
        }
        at
    }

    /// The key's position, or how many keys share its bucket (0 when the index answered).
    #[allow(clippy::inline_always, reason = "called for every key of a map")]
    #[inline(always)]
    fn find(&mut self, hash: u32, key: &str) -> Result<usize, usize> {
        if !self.indexed {
            let mut at = self.buckets[self.bucket(hash)].head;
            let mut beside = 0;
            while let Some(entry) = self.entries.get(at as usize) {
                if entry.hash == hash && self.key(entry) == key {
                    return Ok(at as usize);
                }
                at = entry.next;
                beside += 1;
                if beside > LONG_BUCKET {
                    break;
                }
            }
            if beside <= LONG_BUCKET {
                return Err(beside);
            }
            self.indexed = true;
            for at in 0..self.entries.len() {
                self.add_to_index(at);
            }
        }
        let same = |&at: &u32| self.key(&self.entries[at as usize]) == key;
        self.index.find(self.hasher.hash_one(key), same).map(|&at| at as usize).ok_or(0)
    }

    fn add_to_index(&mut self, at: usize) {
        let Self { text, entries, index, hasher, .. } = self;
        let hash_of = |&at: &u32| {
            let entry = &entries[at as usize];
            hasher.hash_one(&text[entry.start..entry.end])
        };
        index.insert_unique(hash_of(&(at as u32)), at as u32, hash_of);
    }

    fn bucket(&self, hash: u32) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    fn append(&mut self, at: usize) {
        let bucket = self.bucket(self.entries[at].hash);
        let Bucket { tail, .. } = self.buckets[bucket];
        match self.entries.get_mut(tail as usize) {
            Some(last) => last.next = at as u32,
            None => self.buckets[bucket].head = at as u32,
        }
        self.buckets[bucket].tail = at as u32;
    }

    /// Gives the table `capacity` buckets. As in Java's split of each bucket, its keys keep their order.
    fn resize(&mut self, capacity: usize) {
        if capacity > MAX_CAPACITY {
            return;
        }
        if self.fronted {
            self.sort_by_bucket();
        }
        self.buckets.clear();
        self.buckets.resize(capacity, EMPTY);
        for at in 0..self.entries.len() {
            self.entries[at].next = NONE;
            self.append(at);
        }
    }

    /// Brings the entries themselves into the order of the walk, so that they can be put in that order again.
    fn sort_by_bucket(&mut self) {
        self.entries = self.entries_in_order().copied().collect();
        self.index.clear();
        for at in 0..if self.indexed { self.entries.len() } else { 0 } {
            self.add_to_index(at);
        }
    }
}

/// `String.hashCode`: a polynomial in 31 over the UTF-16 units.
#[allow(clippy::inline_always, reason = "called for every key of a map")]
#[inline(always)]
fn hash_code(text: &str) -> u32 {
    if !text.is_ascii() {
        return text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    }
    let mut hash = 0_u32;
    let mut quads = text.as_bytes().chunks_exact(4);
    // Four steps at once: the products do not wait for each other.
    for quad in &mut quads {
        hash = hash
            .wrapping_mul(31 * 31 * 31 * 31)
            .wrapping_add(u32::from(quad[0]) * (31 * 31 * 31))
            .wrapping_add(u32::from(quad[1]) * (31 * 31))
            .wrapping_add(u32::from(quad[2]) * 31)
            .wrapping_add(u32::from(quad[3]));
    }
    quads.remainder().iter().fold(hash, |hash, &byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)))
}

/// `HashMap.hash`: the high half is mixed into the low one.
fn spread(hash: u32) -> u32 {
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests;
