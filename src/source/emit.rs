//! What framing gives: records, and stretches that are none.

use super::bounds::Damage;
use super::reason;
use super::unread::{Missing, Unread};
use etl_sdk::{Address, Ledger, ObjectRef, RawRecord, Reject, Result};
use std::sync::Arc;

/// The ledger's first step: objects to records.
pub const STEP: &str = "source";

/// Raw records read, by a ledger.
pub fn records_of(ledger: &Ledger) -> u64 {
    ledger.get(STEP).map_or(0, |counts| counts.read)
}

/// Most bytes of a stretch that is no record, or too long for one, kept for its dead letter.
const RAW_BYTES: usize = 1 << 20;

/// What an object gives, in the order of its bytes.
#[derive(Debug)]
pub enum Frame<'a> {
    /// A record; its bytes are valid during the call.
    Record(RawRecord<'a>),
    /// A stretch of the object that is none, of step `source`.
    Rejected(Reject),
}

/// Where frames go, with the counts of them.
pub(super) struct Emitter<'a> {
    pub object: &'a Arc<ObjectRef>,
    pub visit: &'a mut dyn FnMut(Frame<'_>) -> Result<()>,
    pub records: u64,
    pub rejected: u64,
    pub unread: Vec<Unread>,
}

impl Emitter<'_> {
    pub(super) fn record(&mut self, offset: u64, index: Option<u32>, bytes: &[u8]) -> Result<()> {
        self.records += 1;
        (self.visit)(Frame::Record(RawRecord { object: self.object, offset, index, bytes, only: None }))
    }

    /// Puts damage to the object into the dead letters, as the stretch that it breaks. `missing` is what lies beyond it.
    pub(super) fn reject_damage(&mut self, stretch: Stretch, damage: Damage, missing: Missing) -> Result<()> {
        self.note(damage.reason, &damage.message, missing);
        self.put(stretch, damage.reason, damage.message)
    }

    pub(super) fn reject(&mut self, stretch: Stretch, reason: &'static str, message: String) -> Result<()> {
        match reason {
            reason::NOT_AN_ARRAY => self.note(reason, &message, Missing::Plain(stretch.length)),
            reason::UNTERMINATED_ARRAY => self.note(reason, &message, Missing::Unknown),
            _ => {}
        }
        self.put(stretch, reason, message)
    }

    /// Adds to what was not read. An archive may leave out as many entries as it likes: they are one.
    fn note(&mut self, reason: &'static str, message: &str, missing: Missing) {
        let Some(unread) = self.unread.iter_mut().find(|unread| unread.reason == reason) else {
            self.unread.push(Unread { reason, message: message.to_owned(), letters: 1, missing });
            return;
        };
        unread.letters += 1;
        unread.missing = match (unread.missing, missing) {
            (Missing::Stored(before), Missing::Stored(more)) => Missing::Stored(before.saturating_add(more)),
            (Missing::Plain(before), Missing::Plain(more)) => Missing::Plain(before.saturating_add(more)),
            (_, last) => last,
        };
    }

    fn put(&mut self, stretch: Stretch, reason: &'static str, message: String) -> Result<()> {
        self.rejected += 1;
        let truncated = stretch.is_truncated();
        let Stretch { offset, length, index, raw } = stretch;
        let address = Address { object: Arc::clone(self.object), offset, length, index };
        let address = Some(address);
        (self.visit)(Frame::Rejected(Reject {
            address,
            step: STEP.into(),
            reason: reason.into(),
            message,
            raw,
            truncated,
        }))
    }
}

/// Bytes that are not handed on as a record, of which the first [`RAW_BYTES`] are kept.
pub(super) struct Stretch {
    pub offset: u64,
    pub length: u64,
    pub index: Option<u32>,
    pub raw: Vec<u8>,
}

impl Stretch {
    pub(super) fn new(offset: u64, index: Option<u32>, bytes: &[u8]) -> Self {
        let mut stretch = Self { offset, length: 0, index, raw: Vec::new() };
        stretch.push(bytes);
        stretch
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = RAW_BYTES.saturating_sub(self.raw.len()).min(bytes.len());
        self.raw.extend_from_slice(&bytes[..room]);
        self.length += bytes.len() as u64;
    }

    fn is_truncated(&self) -> bool {
        self.length > self.raw.len() as u64
    }
}

/// The message for a record longer than `limits.record_bytes`.
pub(super) fn too_long(length: u64, most: usize) -> String {
    format!("{length} bytes and more, and limits.record_bytes is {most}")
}
