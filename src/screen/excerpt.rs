//! The line that an error is about, with a mark below what is wrong in it.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use etl_sdk::SourcePlace;

/// Longest line that is shown: what is longer is no line that a person wrote.
const MAX_LINE: usize = 1_000;

/// Three lines, the middle one as it stands in the file.
pub(super) fn excerpt(place: &SourcePlace) -> String {
    let text: String = place.text.chars().take(MAX_LINE).collect();
    let offset = |column: usize| text.char_indices().nth(column).map_or(text.len(), |(offset, _)| offset);
    let start = offset(place.column.saturating_sub(1));
    let end = offset(place.column.saturating_sub(1) + place.length.max(1)).max(start);
    let mark = AnnotationKind::Primary.span(start..end);
    let snippet = Snippet::source(text.as_str()).line_start(place.line).annotation(mark);
    let mut shown = Renderer::plain().render(&[Group::with_level(Level::ERROR).element(snippet)]);
    shown.push('\n');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, column: usize, length: usize) -> SourcePlace {
        SourcePlace { file: "job.yaml".to_owned(), line: 12, column, length, text: text.to_owned() }
    }

    #[test]
    fn what_is_wrong_is_marked_below_its_line() {
        insta::assert_snapshot!(excerpt(&place("  layuot: flat", 3, 6)), @r#"
           |
        12 |   layuot: flat
           |   ^^^^^^
        "#);
        insta::assert_snapshot!(excerpt(&place("  # 日本: \"日本語\" x", 9, 5)), @r#"
           |
        12 |   # 日本: "日本語" x
           |           ^^^^^^^^
        "#);
        insta::assert_snapshot!(excerpt(&place("", 1, 0)), @r#"
           |
        12 |
           | ^
        "#);
        insta::assert_snapshot!(excerpt(&place("ab", 9, 9)), @r#"
           |
        12 | ab
           |   ^
        "#);
    }
}
