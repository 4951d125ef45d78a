//! Values that are not what their option takes: reported as all errors of the program are.

use crate::screen::{Printer, ProgressStyle};
use crate::text::Malformed;
use clap::ValueEnum;
use clap::error::{ContextKind, ContextValue};
use etl_sdk::{Error, ErrorKind};
use std::error::Error as _;
use std::ffi::{OsStr, OsString};

/// The error of a value that one of the program's own types refused; `None` for any other mistake.
pub fn invalid_value(error: &clap::Error) -> Option<Error> {
    let source = error.source()?;
    let hint = match source.downcast_ref::<Malformed>() {
        Some(malformed) => malformed.to_string(),
        None => source.downcast_ref::<Error>()?.hint_text()?.to_owned(),
    };
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    // `--wait <SPAN>`
    let option = context(ContextKind::InvalidArg).split(' ').next().unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    Some(Error::new(ErrorKind::Usage, format!("invalid value `{value}` for `{option}`")).hint(hint))
}

/// Any other mistake as an error of the program, for those who read JSON. The text is clap's, its tip is the hint.
pub fn mistake(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let first = paragraphs.next().unwrap_or_default();
    let tip = paragraphs.find_map(|paragraph| paragraph.strip_prefix("tip: ").map(str::to_owned));
    let message = first.strip_prefix("error: ").unwrap_or(&first);
    Error::new(ErrorKind::Usage, message).hint(tip.unwrap_or_else(|| "`--help` lists what there is".to_owned()))
}

/// What prints, as far as arguments that could not all be read tell.
pub fn printer(arguments: &[OsString]) -> Printer {
    let output = last(arguments, "--output").unwrap_or_default();
    let color = last(arguments, "--color").unwrap_or_default();
    Printer::new(output, color, ProgressStyle::None, false)
}

/// The last value of an option, written as `--option value` or `--option=value`.
fn last<T: ValueEnum>(arguments: &[OsString], option: &str) -> Option<T> {
    let is_option = |argument: &OsString| argument == OsStr::new(option);
    let joined = |argument: &OsString| {
        argument.to_str().and_then(|text| text.strip_prefix(option)?.strip_prefix('=').map(str::to_owned))
    };
    let mut values = arguments.iter().enumerate().filter_map(|(index, argument)| {
        if is_option(argument) { arguments.get(index + 1)?.to_str().map(str::to_owned) } else { joined(argument) }
    });
    values.next_back().and_then(|value| T::from_str(&value, false).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Color, OutputFormat};

    #[test]
    fn the_last_value_counts() {
        let arguments: Vec<OsString> = ["--output=text", "--color", "never", "--output", "json", "--outputs=x"]
            .iter()
            .map(OsString::from)
            .collect();
        assert_eq!(last::<OutputFormat>(&arguments, "--output"), Some(OutputFormat::Json));
        assert_eq!(last::<Color>(&arguments, "--color"), Some(Color::Never));
        assert_eq!(last::<OutputFormat>(&arguments[..3], "--output"), Some(OutputFormat::Text));
        assert_eq!(last::<OutputFormat>(&[], "--output"), None);
        assert!(printer(&arguments).is_json());
    }
}
