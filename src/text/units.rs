//! Sizes and durations as people write them in a job file.

use super::malformed::Malformed;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes: `512MiB`, `64KiB`, `1GB` or a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "NumberOrText", into = "String")]
pub struct ByteSize(pub u64);

/// A length of time: `90s`, `15m`, `2h`, `3d` or ISO 8601 such as `PT1H`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    /// Whole seconds.
    pub seconds: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

impl ByteSize {
    /// `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
}

impl FromStr for ByteSize {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        let (digits, unit) =
            UNITS.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size))).unwrap_or((text, 1));
        let number: f64 = digits.trim().parse().map_err(|_| not_a_size(text))?;
        if !(0.0..1e18).contains(&number) {
            return Err(not_a_size(text));
        }
        Ok(Self((number * unit as f64) as u64))
    }
}

fn not_a_size(text: &str) -> Malformed {
    Malformed::new(text, "is not a size", "write 512MiB, 64KiB, 1GB or a number of bytes")
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = UNITS[..4].iter().rev().find(|(_, size)| self.0 >= *size).copied().unwrap_or(("B", 1));
        if self.0.is_multiple_of(size) {
            write!(f, "{}{unit}", self.0 / size)
        } else {
            write!(f, "{:.1}{unit}", self.0 as f64 / size as f64)
        }
    }
}

impl TryFrom<NumberOrText> for ByteSize {
    type Error = Malformed;

    fn try_from(value: NumberOrText) -> Result<Self, Malformed> {
        match value {
            NumberOrText::Number(bytes) => Ok(Self(bytes)),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

impl FromStr for Span {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = || Malformed::new(text, "is not a length of time", "write 90s, 15m, 2h, 3d or PT1H");
        let no_length = || {
            let problem = "has months or years, which have no fixed length";
            Malformed::new(text, problem, "write days, such as P30D")
        };
        let (body, iso) = match text.trim().strip_prefix('P') {
            Some(rest) => (rest.to_ascii_lowercase(), true),
            None => (text.trim().to_owned(), false),
        };
        let (mut seconds, mut digits, mut parts) = (0i64, String::new(), 0);
        // Before the `T` of ISO 8601 an `M` is a month, after it a minute.
        let mut is_date = iso;
        for character in body.chars() {
            match character {
                '0'..='9' => digits.push(character),
                't' if is_date && digits.is_empty() => is_date = false,
                'm' | 'y' if is_date => return Err(no_length()),
                _ => {
                    let unit = match character {
                        's' => 1,
                        'm' => 60,
                        'h' => 3_600,
                        'd' => 86_400,
                        'w' => 604_800,
                        _ => return Err(wrong()),
                    };
                    let number: i64 = digits.parse().map_err(|_| wrong())?;
                    seconds = number.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(wrong)?;
                    digits.clear();
                    parts += 1;
                }
            }
        }
        if parts == 0 || !digits.is_empty() { Err(wrong()) } else { Ok(Self { seconds }) }
    }
}

impl Span {
    /// As a duration; one of less than nothing is nothing.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds.max(0).unsigned_abs())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = [("d", 86_400), ("h", 3_600), ("m", 60)]
            .into_iter()
            .find(|(_, size)| self.seconds != 0 && self.seconds % size == 0)
            .unwrap_or(("s", 1));
        write!(f, "{}{unit}", self.seconds / size)
    }
}

impl TryFrom<String> for Span {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes, or text such as 512MiB, 64KiB or 1GB.",
            "oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9.]+ *([KMGT]i?B|B)?$"}]
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time such as 90s, 15m, 2h, 3d or PT1H.",
            "type": "string",
            "pattern": "^(P[0-9DTHMSW]+|([0-9]+[smhdw])+)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_read_and_printed() {
        for (text, bytes) in [("512MiB", 512 << 20), ("1.5KiB", 1536), ("10", 10), ("2GB", 2_000_000_000), ("3 B", 3)] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        assert_eq!(ByteSize(512 << 20).to_string(), "512MiB");
        assert_eq!(ByteSize(1536).to_string(), "1.5KiB");
        for wrong in ["", "MiB", "-1", "1e30", "12 apples"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
        for (text, seconds) in [("90s", 90), ("1h30m", 5_400), ("PT1H", 3_600), ("P1DT12H", 129_600), ("2w", 1_209_600)]
        {
            assert_eq!(text.parse(), Ok(Span { seconds }), "{text}");
        }
        assert_eq!(Span { seconds: 7_200 }.to_string(), "2h");
        for wrong in ["", "5", "h", "P", "PT", "1y", "-1h", "PT1HT1H", "99999999999999999999d"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
        assert_eq!("P1DT1M".parse(), Ok(Span { seconds: 86_460 }));
        for month in ["P1M", "P1Y", "P1M1D", "P1YT1H"] {
            let message = month.parse::<Span>().unwrap_err().to_string();
            assert!(message.contains("no fixed length"), "{month}: {message}");
        }
    }
}
