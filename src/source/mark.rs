//! Byte order marks: what some programs write before UTF-8, and leave inside when files are joined. They belong to no
//! record, wherever a record, a line or a piece of Base64 begins.

const MARK: [u8; 3] = *b"\xEF\xBB\xBF";

/// Bytes at the front that are marks.
pub(super) fn marks(bytes: &[u8]) -> usize {
    bytes.chunks_exact(MARK.len()).take_while(|chunk| *chunk == MARK).count() * MARK.len()
}

/// Passes over marks among the bytes between two values, which may come in pieces.
#[derive(Debug, Default)]
pub(super) struct Between {
    seen: usize,
}

impl Between {
    /// Takes the next byte; whether it can belong to a mark.
    pub(super) fn takes(&mut self, byte: u8) -> bool {
        let fits = MARK[self.seen] == byte;
        if fits {
            self.seen = (self.seen + 1) % MARK.len();
        }
        fits
    }

    /// Whether some bytes of a mark are taken and the rest is still to come.
    pub(super) fn is_part(&self) -> bool {
        self.seen > 0
    }

    /// The bytes that turned out to be no whole mark.
    pub(super) fn take_part(&mut self) -> &'static [u8] {
        const PARTS: [&[u8]; 3] = [&[], &[MARK[0]], &[MARK[0], MARK[1]]];
        PARTS[std::mem::take(&mut self.seen)]
    }
}
