//! Rows and numbers in the words of reports.

use super::config::Action;
use super::rule::{Rule, Test};
use super::values::Allowed;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::fmt::Write;

/// Most characters of one value, and of one example.
const MAX_VALUE: usize = 60;
const MAX_EXAMPLE: usize = 160;

/// Writes the values of some columns of a batch, row by row: `event_id=e1, app_id=null`.
pub(super) struct RowText<'a> {
    columns: Vec<(&'a str, ArrayFormatter<'a>)>,
    value: String,
}

impl<'a> RowText<'a> {
    pub(super) fn new(batch: &'a RecordBatch, columns: &[usize]) -> Result<Self, ArrowError> {
        const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_null("null");
        let columns = columns
            .iter()
            .map(|index| {
                let formatter = ArrayFormatter::try_new(batch.column(*index).as_ref(), &OPTIONS)?;
                Ok((batch.schema_ref().field(*index).name().as_str(), formatter))
            })
            .collect::<Result<_, ArrowError>>()?;
        Ok(Self { columns, value: String::new() })
    }

    /// Puts the text of a row, shortened, in the place of what `text` holds.
    pub(super) fn write(&mut self, row: usize, text: &mut String) {
        text.clear();
        for (name, formatter) in &self.columns {
            if !text.is_empty() {
                text.push_str(", ");
            }
            self.value.clear();
            // An instant outside the calendar has no text.
            if formatter.value(row).write(&mut self.value).is_err() {
                self.value.push('?');
            }
            let _ = write!(text, "{name}=");
            push_cut(text, if self.value.is_empty() { "\"\"" } else { &self.value }, MAX_VALUE);
        }
        if text.len() > MAX_EXAMPLE {
            let whole = std::mem::take(text);
            push_cut(text, &whole, MAX_EXAMPLE);
        }
    }
}

/// Appends the first characters of a text, and a mark when there are more.
fn push_cut(into: &mut String, text: &str, most: usize) {
    match text.char_indices().nth(most) {
        Some((end, _)) => {
            into.push_str(&text[..end]);
            into.push('…');
        }
        None => into.push_str(text),
    }
}

/// `1.2%`; never `0%` of something, nor `100%` of not all.
pub(super) fn share(part: u64, whole: u64) -> String {
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    if part > 0 && percent < 0.01 {
        return "<0.01%".to_owned();
    }
    if part < whole && percent > 99.99 {
        return ">99.99%".to_owned();
    }
    let text = format!("{percent:.2}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

impl Rule {
    /// The reason code of its dead letters, if it makes any.
    pub fn dead_letter_reason(&self) -> Option<&str> {
        (self.action == Action::DeadLetter).then_some(self.reason.as_str())
    }

    /// What the rule asks, for a person: `platform in WEB, ANDROID`. `columns` are the names of the table's.
    pub fn describe(&self, columns: &[&str]) -> String {
        let name = |index: &usize| columns.get(*index).copied().unwrap_or("?");
        let names = |indexes: &[usize]| indexes.iter().map(name).collect::<Vec<_>>().join(", ");
        let mut text = match &self.test {
            Test::Complete(indexes) => format!("{} complete", names(indexes)),
            Test::Unique(indexes) => format!("{} unique", names(indexes)),
            Test::In(index, allowed) => format!("{} in {}", name(index), allowed.describe()),
            Test::Range(index, _, text) => format!("{} {text}", name(index)),
            Test::Sql(sql) => sql.split_whitespace().collect::<Vec<_>>().join(" "),
            Test::Rows(rows) => match (rows.min, rows.max, rows.against_last, rows.within) {
                (_, _, Some(runs), Some(within)) => format!("rows within {within} of the mean of the last {runs} runs"),
                (Some(min), Some(max), ..) => format!("{min} to {max} rows"),
                (Some(min), ..) => format!("at least {min} rows"),
                (_, Some(max), ..) => format!("at most {max} rows"),
                _ => "rows".to_owned(),
            },
        };
        if let Some(at_least) = self.at_least {
            let _ = write!(text, ", at least {at_least}");
        }
        text
    }
}

impl Allowed {
    fn describe(&self) -> String {
        let mut texts: Vec<String> = match self {
            Self::Texts(texts) => texts.iter().cloned().collect(),
            Self::Wholes(wholes) => wholes.iter().map(ToString::to_string).collect(),
            Self::Numbers(numbers) => numbers.iter().map(ToString::to_string).collect(),
            Self::Flags(flags) => flags.iter().map(ToString::to_string).collect(),
        };
        texts.sort_unstable();
        let mut text = String::new();
        push_cut(&mut text, &texts.join(", "), MAX_EXAMPLE);
        text
    }
}
