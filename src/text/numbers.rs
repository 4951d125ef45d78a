//! Numbers for people.

/// `1,234,567`
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 window`, `1,234 windows`
pub fn counted(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", count(number))
}

/// `12.3 MiB`, `512 B`
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = number as f64;
    let mut unit = 0;
    // 1023.95 would print as 1024.0 of the smaller unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `0.42 s`, `12.3 s`, `4 min 05 s`, `2 h 05 min`
pub fn seconds(number: f64) -> String {
    if number < 10.0 {
        return format!("{number:.2} s");
    }
    if number < 100.0 {
        return format!("{number:.1} s");
    }
    let whole = number.round() as u64;
    match whole / 3600 {
        0 => format!("{} min {:02} s", whole / 60, whole % 60),
        hours => format!("{hours} h {:02} min", whole % 3600 / 60),
    }
}

/// The same, of a time that is only estimated: whole seconds, rounded up.
pub fn about_seconds(number: f64) -> String {
    let whole = number.ceil();
    if whole < 100.0 { format!("{whole:.0} s") } else { seconds(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        for (number, text) in [(0, "0 windows"), (1, "1 window"), (1_000, "1,000 windows")] {
            assert_eq!(counted(number, "window"), text);
        }
        for (number, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (12_897_484, "12.3 MiB"), (1_048_575, "1.0 MiB")]
        {
            assert_eq!(bytes(number), text);
        }
        for (number, text) in [(0.418, "0.42 s"), (12.34, "12.3 s"), (245.2, "4 min 05 s"), (7_500.0, "2 h 05 min")] {
            assert_eq!(seconds(number), text);
        }
        for (number, text) in
            [(0.2, "1 s"), (9.0, "9 s"), (98.1, "99 s"), (99.1, "1 min 40 s"), (7_500.0, "2 h 05 min")]
        {
            assert_eq!(about_seconds(number), text);
        }
    }
}
