//! Text from outside, on a terminal.

/// Text without anything that would move a terminal's cursor, colour it or turn its direction.
pub fn printable(text: &str) -> String {
    let is_unsafe = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) { safe.extend(character.escape_default()) } else { safe.push(character) }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        let text = "\u{1b}[31mred\r\n\u{9b}0m\u{202e}é\u{7f}\t\\n";
        assert_eq!(printable(text), "\\u{1b}[31mred\\r\\n\\u{9b}0m\\u{202e}é\\u{7f}\\t\\n");
    }
}
