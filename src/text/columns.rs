//! Aligned columns of text.

/// Which side of its column a text stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Names.
    Left,
    /// Numbers.
    Right,
}

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

    /// Adds a row; missing texts at its end are empty.
    pub fn row(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().take(self.aligns.len()).collect());
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

fn width(text: &str) -> usize {
    text.chars().count()
}
