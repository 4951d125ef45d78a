//! Rows as text for people, and as JSON or CSV for programs. Rows are written as they come.

use crate::text::columns::{Align, Columns, shortened, width};
use crate::text::{printable, printable_json};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use etl_sdk::{Error, ErrorKind, Result};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Rows of a table for people whose columns are aligned with each other; the heading is repeated above the next ones.
const BLOCK_ROWS: usize = 1_000;

/// Width up to which a cell is shown in a table for people when there is no terminal.
const MAX_CELL_WIDTH: usize = 200;

/// Width up to which a cell is shown on a terminal: rows wait for others to be aligned with.
const MAX_TERMINAL_CELL: usize = 4_096;

/// Columns of text are not made narrower than this on a terminal; below it, rows are written one below the other.
const MIN_CELL_WIDTH: usize = 12;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// An aligned table. With a width, cells are shortened to fit.
    Text {
        /// Width of the terminal; none for files and pipes.
        width: Option<usize>,
    },
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    JsonLines,
    /// Comma separated, with a heading; quoted where needed, nulls are empty.
    Csv,
}

/// Turns batches to text.
pub struct RowWriter {
    format: RowFormat,
    schema: SchemaRef,
    waiting: Vec<Vec<String>>,
    /// Rows taken.
    written: u64,
    /// Rows of a table for people that are text already.
    printed: u64,
}

impl RowWriter {
    /// A writer of rows with these columns.
    pub fn new(format: RowFormat, schema: &SchemaRef) -> Self {
        Self { format, schema: SchemaRef::clone(schema), waiting: Vec::new(), written: 0, printed: 0 }
    }

    /// Rows that were taken so far.
    pub fn rows(&self) -> u64 {
        self.written
    }

    /// What stands before all rows.
    pub fn begin(&self) -> String {
        match self.format {
            RowFormat::Text { .. } | RowFormat::JsonLines => String::new(),
            RowFormat::Json => "[".to_owned(),
            RowFormat::Csv => {
                let names: Vec<String> = self.schema.fields().iter().map(|field| quoted(field.name())).collect();
                format!("{}\n", names.join(","))
            }
        }
    }

    /// The text of some rows; a table for people may keep them until [`RowWriter::end`].
    pub fn write(&mut self, batch: &RecordBatch) -> Result<String> {
        let text = match self.format {
            RowFormat::Text { width } => {
                let max_width = if width.is_some() { MAX_TERMINAL_CELL } else { MAX_CELL_WIDTH };
                let plan = self.is_plan();
                let cell = |text: String| if plan { text } else { shortened(&printable(&text), max_width) };
                cells(batch, "NULL", &mut |row| self.waiting.push(row.into_iter().map(cell).collect()))?;
                if self.waiting.len() >= BLOCK_ROWS { self.block() } else { String::new() }
            }
            RowFormat::Json => {
                let lines = json_lines(batch)?;
                let mut text = String::with_capacity(lines.len() + 4 * batch.num_rows());
                for (index, line) in lines.lines().enumerate() {
                    let comma = if index == 0 && self.written == 0 { "" } else { "," };
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{comma}\n  {line}");
                }
                text
            }
            RowFormat::JsonLines => json_lines(batch)?,
            RowFormat::Csv => {
                let mut text = String::new();
                cells(batch, "", &mut |row| {
                    let row: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
                    let _ = writeln!(text, "{}", row.join(","));
                })?;
                text
            }
        };
        self.written += batch.num_rows() as u64;
        Ok(text)
    }

    /// What is left, and what stands behind all rows.
    pub fn end(&mut self) -> String {
        match self.format {
            RowFormat::Text { .. } if self.waiting.is_empty() && self.written > 0 => String::new(),
            RowFormat::Text { .. } => self.block(),
            RowFormat::Json if self.written == 0 => "]\n".to_owned(),
            RowFormat::Json => "\n]\n".to_owned(),
            RowFormat::JsonLines | RowFormat::Csv => String::new(),
        }
    }

    fn block(&mut self) -> String {
        let mut rows = std::mem::take(&mut self.waiting);
        if self.is_plan() {
            return rows.iter().map(|row| row.join("\n")).collect();
        }
        let before = self.printed;
        self.printed += rows.len() as u64;
        let RowFormat::Text { width: Some(width) } = self.format else { return self.table(&rows) };
        let widths = self.widths(&rows);
        let gaps = 2 * widths.len().saturating_sub(1);
        if widths.iter().sum::<usize>() + gaps <= width {
            return self.table(&rows);
        }
        // The widest cap for columns of text with which a line fits.
        let line = |cap: usize| -> usize {
            let capped =
                widths.iter().enumerate().map(|(at, width)| if self.is_text(at) { cap.min(*width) } else { *width });
            capped.sum::<usize>() + gaps
        };
        let Some(cap) = (MIN_CELL_WIDTH..width).rev().find(|cap| line(*cap) <= width) else {
            return self.one_below_the_other(&rows, before, width);
        };
        for row in &mut rows {
            for (_, cell) in row.iter_mut().enumerate().filter(|(at, _)| self.is_text(*at)) {
                *cell = shortened(cell, cap);
            }
        }
        self.capped_table(&rows, cap)
    }

    /// What `EXPLAIN` answers: trees of many lines, written by the engine.
    fn is_plan(&self) -> bool {
        let names = self.schema.fields().iter().map(|field| field.name().as_str());
        names.eq(["plan_type", "plan"])
    }

    fn widths(&self, rows: &[Vec<String>]) -> Vec<usize> {
        let headings = self.schema.fields().iter().map(|field| width(&printable(field.name())));
        let mut widths: Vec<usize> = headings.collect();
        for row in rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(width(cell));
            }
        }
        widths
    }

    fn is_text(&self, column: usize) -> bool {
        let data_type = self.schema.field(column).data_type();
        !(data_type.is_numeric() || data_type.is_temporal())
    }

    fn table(&self, rows: &[Vec<String>]) -> String {
        self.capped_table(rows, usize::MAX)
    }

    fn capped_table(&self, rows: &[Vec<String>], cap: usize) -> String {
        let fields = self.schema.fields();
        let aligns: Vec<Align> = fields
            .iter()
            .map(|field| if field.data_type().is_numeric() { Align::Right } else { Align::Left })
            .collect();
        let mut columns = Columns::new(&aligns);
        let heading = fields.iter().enumerate().map(|(index, field)| {
            let name = printable(field.name());
            if self.is_text(index) { shortened(&name, cap) } else { name.into_owned() }
        });
        columns.row(heading);
        for row in rows {
            columns.row(row.iter().cloned());
        }
        columns.render(0)
    }

    fn one_below_the_other(&self, rows: &[Vec<String>], before: u64, line_width: usize) -> String {
        let mut text = String::new();
        let names: Vec<String> =
            self.schema.fields().iter().map(|field| printable(field.name()).into_owned()).collect();
        let widest = names.iter().map(|name| width(name)).max().unwrap_or(0);
        let room = line_width.saturating_sub(widest + 4).max(MIN_CELL_WIDTH);
        for (index, row) in rows.iter().enumerate() {
            let _ = writeln!(text, "row {}", before + index as u64 + 1);
            let mut columns = Columns::new(&[Align::Left, Align::Left]);
            for (name, cell) in names.iter().zip(row) {
                columns.row([name.clone(), shortened(cell, room)]);
            }
            text.push_str(&columns.render(2));
        }
        text
    }
}

/// Calls `take` with the texts of each row.
fn cells(batch: &RecordBatch, null: &str, take: &mut dyn FnMut(Vec<String>)) -> Result<()> {
    let options = FormatOptions::new().with_null(null);
    let formatters = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        take(formatters.iter().map(|formatter| formatter.value(row).to_string()).collect());
    }
    Ok(())
}

fn json_lines(batch: &RecordBatch) -> Result<String> {
    let failed = |error| Error::new(ErrorKind::Usage, "write the rows as JSON").source(error);
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(batch).and_then(|()| writer.finish()).map_err(failed)?;
    let lines = String::from_utf8(writer.into_inner());
    let lines = lines.map_err(|error| Error::internal("write the rows as JSON").source(error))?;
    Ok(match printable_json(&lines) {
        Cow::Borrowed(_) => lines,
        Cow::Owned(safe) => safe,
    })
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
