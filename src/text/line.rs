//! Texts on one line.

/// Some causes (object stores, parsers) have line breaks in their text.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The start of bytes from outside on one line, without anything that would move a terminal's cursor, colour it or turn its
/// direction. What is cut is said.
pub fn printable_start(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(most)]);
    let mut safe = String::with_capacity(text.len());
    for character in text.trim().chars() {
        match character {
            '"' | '\'' | '\\' => safe.push(character),
            _ => safe.extend(character.escape_debug()),
        }
    }
    if bytes.len() > most {
        safe.push('…');
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_a_cut_is_said() {
        assert_eq!(printable_start(b" {\"a\":'\\'}\r\n", 99), "{\"a\":'\\'}");
        let hostile = "\u{1b}[31m\u{9b}0m\u{202e}é\u{7f}\u{feff}";
        assert_eq!(printable_start(hostile.as_bytes(), 99), "\\u{1b}[31m\\u{9b}0m\\u{202e}é\\u{7f}\\u{feff}");
        assert_eq!(printable_start("aéz".as_bytes(), 2), "a\u{fffd}…");
    }
}
