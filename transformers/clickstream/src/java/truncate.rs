//! How a text is cut to a number of bytes.

use std::borrow::Cow;

/// The text cut to at most `max_bytes` bytes of UTF-8.
///
/// Java cuts by UTF-16 units, from the end, until the encoded length fits. A character outside the basic plane is two
/// units; when only its first fits, that half is encoded as `?`.
pub fn truncate(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let kept = &text[..text.floor_char_boundary(max_bytes)];
    let half_fits = kept.len() < max_bytes && text[kept.len()..].starts_with(|next: char| next.len_utf16() == 2);
    if half_fits { Cow::Owned(format!("{kept}?")) } else { Cow::Borrowed(kept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule as it is stated, unit by unit.
    fn as_stated(text: &str, max_bytes: usize) -> String {
        if text.len() <= max_bytes {
            return text.to_owned();
        }
        let mut units: Vec<u16> = text.encode_utf16().take(max_bytes).collect();
        loop {
            let encoded: String = char::decode_utf16(units.iter().copied()).map(|unit| unit.unwrap_or('?')).collect();
            if encoded.len() <= max_bytes {
                return encoded;
            }
            units.pop();
        }
    }

    #[test]
    fn nothing_is_cut_that_fits() {
        assert!(matches!(truncate("中文", 6), Cow::Borrowed("中文")));
        assert!(matches!(truncate("", 0), Cow::Borrowed("")));
    }

    #[test]
    fn half_a_pair_becomes_a_question_mark() {
        assert_eq!(truncate("ab😀", 5), "ab?");
        assert_eq!(truncate("ab😀", 3), "ab?");
        assert_eq!(truncate("ab😀", 2), "ab");
        assert_eq!(truncate("a中文", 5), "a中", "three-byte characters are one unit");
    }

    #[test]
    fn cuts_as_the_rule_is_stated() {
        let texts = ["plain ascii text", "中文中文", "😀😀😀", "é😀a中😀", "a😀", "\u{FFFD}\u{10FFFF}z"];
        for text in texts {
            for max_bytes in 0..=text.len() + 1 {
                assert_eq!(truncate(text, max_bytes), as_stated(text, max_bytes), "{text} to {max_bytes}");
            }
        }
    }
}
