//! Text from outside as it may be shown: what a terminal would obey, or a reader would not see, is written as an escape.

use regex::Regex;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// Whether a character moves a terminal's cursor, colours it, turns the direction of its text, breaks its lines, or is not
/// seen at all.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fdd0}'..='\u{fdef}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Finds what is not plain: most text is, and this looks at it far faster than character by character.
static ODD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[^ -~\n]").ok());

/// Whether text is printable ASCII in lines, for sure.
fn is_plain(text: &str) -> bool {
    ODD.as_ref().is_some_and(|odd| !odd.is_match(text))
}

/// Text for one line: nothing in it breaks the line either.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe)
}

/// Text of several lines.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    escaped(text, |character| character != '\n' && is_unsafe(character))
}

/// JSON with the same values, in which such characters are escapes as well.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    // Line breaks and tabs stand between values; within them they are escapes already.
    let escapes = |character: char| character > '~' && is_unsafe(character);
    if is_plain(json) || !json.contains(escapes) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if escapes(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) { safe.extend(character.escape_default()) } else { safe.push(character) }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind: C0, C1, directions, what has no width, what breaks lines, tags.
    const ODD: &str = "\u{1b}[2J\r\u{9b}31m\u{7f}\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}\u{85}\u{e0041}\u{61c}";

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown() {
        let text = "\u{1b}[31mred\r\n\u{9b}0m\u{202e}é\u{7f}\t\\n";
        assert_eq!(printable(text), r"\u{1b}[31mred\r\n\u{9b}0m\u{202e}é\u{7f}\t\n");
        assert_eq!(printable_lines("a\u{1b}\nb\n"), "a\\u{1b}\nb\n");
        for safe in [printable(ODD), printable_lines(ODD)] {
            assert!(safe.is_ascii() && !safe.contains(char::is_control), "{safe}");
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in ["plain ä", "東京 e\u{301} ☎\u{fe0f}", "🙂"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
            assert!(matches!(printable_json(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn lines_of_ascii_are_plain() {
        let plain: String = (' '..='~').chain(['\n']).collect();
        assert!(is_plain(&plain) && is_plain(""));
        for odd in ["\u{1b}", "\t", "\r", "\u{7f}", "é", "\u{202e}"] {
            assert!(!is_plain(&format!("{plain}{odd}{plain}")), "{odd:?}");
        }
    }

    #[test]
    fn json_has_the_same_values() {
        let value = serde_json::json!({ODD: ["é", ODD]});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let safe = printable_json(&text);
        assert!(safe.chars().all(|character| character == '\n' || !is_unsafe(character)), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
