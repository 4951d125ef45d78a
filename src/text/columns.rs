//! Aligned columns of text, and the width that a text takes on a screen.

use super::printable;
use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use etl_sdk::Align;

/// Rows whose columns are as wide as their widest text.
#[derive(Clone, Debug)]
pub struct Columns {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// One alignment per column.
    pub fn new(aligns: &[Align]) -> Self {
        Self { aligns: aligns.to_vec(), rows: Vec::new() }
    }

    /// Columns with headings, the first row.
    pub fn headed<const N: usize>(headings: [(&str, Align); N]) -> Self {
        let mut columns = Self::new(&headings.map(|(_, align)| align));
        columns.row(headings.map(|(heading, _)| heading.to_owned()));
        columns
    }

    /// Adds a row; missing texts at its end are empty. What of a text must not be shown is written as an escape.
    pub fn row(&mut self, row: impl IntoIterator<Item = String>) {
        let shown = |text: String| match printable(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(safe) => safe,
        };
        self.rows.push(row.into_iter().take(self.aligns.len()).map(shown).collect());
    }

    /// The rows, each ended by a line break, `indent` spaces from the left, two spaces between columns.
    pub fn render(&self, indent: usize) -> String {
        let widths: Vec<usize> = (0..self.aligns.len())
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).map(|text| width(text)).max().unwrap_or(0))
            .collect();
        let mut rendered = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(indent);
            for (column, text) in row.iter().enumerate() {
                let padding = " ".repeat(widths[column] - width(text));
                match self.aligns[column] {
                    Align::Left => line.extend([text.as_str(), padding.as_str(), "  "]),
                    Align::Right => line.extend([padding.as_str(), text.as_str(), "  "]),
                }
            }
            rendered.push_str(line.trim_end());
            rendered.push('\n');
        }
        rendered
    }
}

/// Columns of the screen that a text takes: two for most characters of East Asian scripts, none for combining marks.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text, or as much of its beginning as fits in `max_width` columns of the screen together with a `…` at its end.
pub fn shortened(text: &str, max_width: usize) -> String {
    // No text is wider than its bytes are many.
    if text.len() <= max_width || width(text) <= max_width {
        return text.to_owned();
    }
    let (mut used, mut end) = (0, 0);
    for (index, character) in text.char_indices() {
        // What follows a character and takes no column of its own stays with it; this one gives it a second column.
        let is_emoji_mark = character == '\u{fe0f}';
        let columns = if is_emoji_mark { 1 } else { character.width().unwrap_or(1) };
        if columns > 0 && !is_emoji_mark {
            end = index;
        }
        used += columns;
        if used >= max_width {
            break;
        }
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_on_the_screen_whatever_the_script() {
        let mut columns = Columns::headed([("city", Align::Left), ("rows", Align::Right)]);
        for city in ["東京", "Zürich", "Zu\u{308}rich", "서울"] {
            columns.row([city.to_owned(), "1".to_owned()]);
        }
        let rendered = columns.render(2);
        let expected = "  city    rows\n  東京       1\n  Zürich     1\n  Zu\u{308}rich     1\n  서울       1\n";
        assert_eq!(rendered, expected);
        assert!(rendered.lines().all(|line| width(line) == 14), "{rendered}");
    }

    #[test]
    fn a_text_is_cut_at_the_width_it_takes() {
        for (text, max_width, cut) in [
            ("abcdef", 6, "abcdef"),
            ("abcdef", 5, "abcd…"),
            ("東京都庁", 8, "東京都庁"),
            ("東京都庁", 7, "東京都…"),
            ("東京都庁", 6, "東京…"),
            ("東", 1, "…"),
            ("e\u{301}e\u{301}e\u{301}", 3, "e\u{301}e\u{301}e\u{301}"),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
            ("☎\u{fe0f}☎\u{fe0f}☎\u{fe0f}", 4, "☎\u{fe0f}…"),
            ("ab", 0, "…"),
            ("", 0, ""),
        ] {
            let found = shortened(text, max_width);
            assert_eq!(found, cut, "{text} {max_width}");
            assert!(width(&found) <= max_width.max(1), "{text} {max_width}");
        }
    }

    #[test]
    fn a_cell_is_one_line_of_visible_text() {
        let mut columns = Columns::new(&[Align::Left, Align::Right]);
        columns.row(["a\u{1b}[2J\nb".to_owned(), "1".to_owned()]);
        assert_eq!(columns.render(0), "a\\u{1b}[2J\\nb  1\n");
    }
}
