//! One pass over an object: which of its frames the dead letters ask for.

use super::left::Left;
use crate::source::Frame;
use etl_sdk::RawRecord;

/// What a dead letter asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Every frame that begins in this many bytes from its offset on; `u64::MAX` up to the object's end.
    Stretch(u64),
    /// The record of this length, all of it or some elements.
    Record(u64, Option<Vec<u32>>),
    /// An element of the record of this length.
    Element(u64, u32),
}

/// A dead letter that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its line.
    pub line: u64,
    /// Its reason code.
    pub reason: String,
    /// First byte in the decompressed object.
    pub offset: u64,
    /// What it asks for.
    pub what: What,
}

/// What to do with a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the output already, or was never asked for.
    Pass,
    /// All of it is wanted.
    Take,
    /// These elements of it are wanted, ascending.
    TakeElements(Vec<u32>),
    /// Nothing else is wanted of the object.
    Enough,
}

/// The letters of one object, in the order of its bytes.
pub struct Pass {
    wanted: Vec<Wanted>,
    next: usize,
    /// Up to where every frame is wanted.
    until: u64,
    /// Letters that are found.
    pub taken: Vec<Wanted>,
    /// Letters whose record is not where they say.
    pub left: Vec<(Wanted, Left)>,
}

impl Pass {
    /// The letters of one object, in any order.
    pub fn new(mut wanted: Vec<Wanted>) -> Self {
        wanted.sort_by_key(|wanted| wanted.offset);
        Self { wanted, next: 0, until: 0, taken: Vec::new(), left: Vec::new() }
    }

    /// Looks at the next frame.
    pub fn look(&mut self, frame: &Frame<'_>) -> Verdict {
        let (at, record) = match frame {
            Frame::Record(record) => (record.offset, Some(record)),
            Frame::Rejected(reject) => (reject.address.as_ref().map_or(0, |address| address.offset), None),
        };
        if self.next == self.wanted.len() && at >= self.until {
            return Verdict::Enough;
        }
        let is_nothing = matches!(frame, Frame::Rejected(reject)
            if reject.address.as_ref().is_none_or(|address| address.length == 0));
        let (mut whole, mut elements) = (false, Vec::new());
        while let Some(wanted) = self.wanted.get(self.next).filter(|wanted| wanted.offset <= at) {
            if let What::Stretch(length) = wanted.what {
                self.until = self.until.max(wanted.offset.saturating_add(length.max(1)));
            } else if wanted.offset < at {
                self.left.push((wanted.clone(), Left::Moved));
                self.next += 1;
                continue;
            } else if is_nothing {
                // An entry of an archive that is left out: the record is the next frame.
                break;
            } else if let Some(found) = ask(&wanted.what, record, &mut elements) {
                whole |= found;
            } else {
                self.left.push((wanted.clone(), Left::Moved));
                self.next += 1;
                continue;
            }
            self.taken.push(wanted.clone());
            self.next += 1;
        }
        if whole || at < self.until {
            return Verdict::Take;
        }
        if elements.is_empty() {
            return Verdict::Pass;
        }
        elements.sort_unstable();
        elements.dedup();
        Verdict::TakeElements(elements)
    }

    /// Ends the pass at the object's end. A stretch in which nothing begins is done with; a record is not there.
    pub fn finish(&mut self) {
        for wanted in self.wanted.drain(..).skip(self.next) {
            match wanted.what {
                What::Stretch(_) => self.taken.push(wanted),
                What::Record(..) | What::Element(..) => self.left.push((wanted, Left::Moved)),
            }
        }
    }
}

/// Whether all of the frame is wanted; `None` when it is not the record that is asked for. A whole record may be refused
/// by the framer today, elements of one may not: their letter would stand for the others too.
fn ask(what: &What, record: Option<&RawRecord<'_>>, elements: &mut Vec<u32>) -> Option<bool> {
    let (length, asked) = match what {
        What::Stretch(_) => return Some(true),
        What::Record(_, None) if record.is_none() => return Some(true),
        What::Record(length, None) => (*length, None),
        What::Record(length, Some(only)) => (*length, Some(only.as_slice())),
        What::Element(length, element) => (*length, Some(std::slice::from_ref(element))),
    };
    if record.is_none_or(|record| record.bytes.len() as u64 != length) {
        return None;
    }
    elements.extend(asked.unwrap_or_default());
    Some(asked.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use etl_sdk::{Address, ObjectRef, Reject};
    use std::sync::Arc;

    fn wanted(offset: u64, what: What) -> Wanted {
        Wanted { line: offset, reason: "r".to_owned(), offset, what }
    }

    /// The verdicts over records of four bytes at 0, 5, 10 and so on; `bad` are the offsets of frames that are none.
    fn verdicts(letters: Vec<Wanted>, bad: &[u64]) -> (Vec<Verdict>, Vec<u64>, Vec<u64>) {
        let object = Arc::new(ObjectRef { uri: "/a".to_owned(), etag: None, ordinal: 0 });
        let mut pass = Pass::new(letters);
        let mut all = Vec::new();
        for offset in (0..25).step_by(5) {
            let address = Address { object: Arc::clone(&object), offset, length: 4, index: None };
            let frame = if bad.contains(&offset) {
                let raw = b"abcd".to_vec();
                let (message, address) = (String::new(), Some(address));
                Frame::Rejected(Reject {
                    address,
                    step: "source".into(),
                    reason: "r".into(),
                    message,
                    raw,
                    truncated: false,
                })
            } else {
                Frame::Record(RawRecord { object: &object, offset, index: None, bytes: b"abcd", only: None })
            };
            all.push(pass.look(&frame));
        }
        pass.finish();
        let lines = |letters: &[Wanted]| letters.iter().map(|letter| letter.line).collect();
        let left: Vec<Wanted> = pass.left.iter().map(|(letter, _)| letter.clone()).collect();
        (all, lines(&pass.taken), lines(&left))
    }

    #[test]
    fn records_elements_and_stretches_are_found_in_one_pass() {
        use Verdict::{Enough, Pass, Take, TakeElements};
        let letters = vec![
            wanted(15, What::Element(4, 7)),
            wanted(5, What::Record(4, None)),
            wanted(15, What::Element(4, 2)),
            wanted(15, What::Record(4, Some(vec![2, 3]))),
        ];
        let (verdicts, taken, left) = self::verdicts(letters, &[]);
        assert_eq!(verdicts, [Pass, Take, Pass, TakeElements(vec![2, 3, 7]), Enough]);
        assert_eq!((taken, left), (vec![5, 15, 15, 15], vec![]));
        let (verdicts, taken, _) = self::verdicts(vec![wanted(4, What::Stretch(7))], &[]);
        assert_eq!((verdicts, taken), (vec![Pass, Take, Take, Enough, Enough], vec![4]));
        let (verdicts, taken, _) = self::verdicts(vec![wanted(10, What::Stretch(u64::MAX))], &[15]);
        assert_eq!((verdicts, taken), (vec![Pass, Pass, Take, Take, Take], vec![10]));
    }

    #[test]
    fn a_record_that_is_not_where_its_letter_says_stays_open() {
        let letters = vec![
            wanted(3, What::Record(4, None)),
            wanted(5, What::Record(3, None)),
            wanted(10, What::Element(4, 0)),
            wanted(15, What::Record(4, None)),
            wanted(90, What::Element(4, 0)),
            wanted(95, What::Stretch(1)),
        ];
        let (verdicts, taken, left) = self::verdicts(letters, &[10, 15]);
        assert_eq!(verdicts[..4], [Verdict::Pass, Verdict::Pass, Verdict::Pass, Verdict::Take]);
        assert_eq!((taken, left), (vec![15, 95], vec![3, 5, 10, 90]));
    }
}
