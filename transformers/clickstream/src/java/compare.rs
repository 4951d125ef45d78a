//! How Java compares texts.

use std::cmp::Ordering;

/// `String.compareTo`: by UTF-16 units, which differs from the order of UTF-8 where surrogate pairs meet characters
/// from U+E000 on.
pub fn compare_utf16(left: &str, right: &str) -> Ordering {
    if left.is_ascii() || right.is_ascii() {
        return left.cmp(right);
    }
    left.encode_utf16().cmp(right.encode_utf16())
}

/// `String.equalsIgnoreCase`: character by character, upper case first and then lower case, without the mappings that
/// change a text's length.
pub fn equals_ignore_case(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    let mut rest = right.chars();
    for character in left.chars() {
        let Some(other) = rest.next() else { return false };
        if character != other && fold(character) != fold(other) {
            return false;
        }
    }
    rest.next().is_none()
}

fn fold(character: char) -> char {
    let upper = single(character.to_uppercase(), character);
    single(upper.to_lowercase(), upper)
}

/// The only character of a mapping, or `otherwise` when the mapping has several.
fn single(mut mapping: impl Iterator<Item = char>, otherwise: char) -> char {
    match (mapping.next(), mapping.next()) {
        (Some(character), None) => character,
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrogate_pairs_sort_before_the_end_of_the_basic_plane() {
        assert_eq!(compare_utf16("\u{1F600}", "\u{FF5E}"), Ordering::Less);
        assert_eq!("\u{1F600}".cmp("\u{FF5E}"), Ordering::Greater, "UTF-8 has it the other way round");
        assert_eq!(compare_utf16("é", "z"), Ordering::Greater);
        assert_eq!(compare_utf16("a", "ab"), Ordering::Less);
    }

    #[test]
    fn case_is_ignored_one_character_at_a_time() {
        assert!(equals_ignore_case("Example.COM", "eXample.com"));
        assert!(equals_ignore_case("ÉCOLE", "école"));
        assert!(!equals_ignore_case("straße", "STRASSE"), "no mapping may change the length");
        assert!(!equals_ignore_case("é", "éa"));
        assert!(!equals_ignore_case("éa", "é"));
    }
}
