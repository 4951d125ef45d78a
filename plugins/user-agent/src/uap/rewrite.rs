//! Regular expressions of uap-core, as they are meant: classes are ASCII, and repetitions of at most some hundreds are
//! repetitions without a bound, which match as much for a fraction of the memory. The rules are those of the crate
//! `ua-parser` 0.2 (Apache License 2.0).

use std::borrow::Cow;

/// Rewrites a regular expression.
pub(super) fn rewrite(regex: &str) -> Cow<'_, str> {
    let bytes = regex.as_bytes();
    let (mut made, mut from, mut at) = (String::new(), 0, 0);
    let (mut escaped, mut class_depth) = (false, 0);
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'\\' && !escaped {
            escaped = true;
            at += 1;
            continue;
        }
        let (replacement, start, end) = match byte {
            b'{' if !escaped && class_depth == 0 => match long_repetition(&bytes[at..]) {
                Some((replacement, length)) => (replacement, at, at + length),
                None => ("", at, at),
            },
            b'd' if escaped => ("[0-9]", at - 1, at + 1),
            b'D' if escaped => ("[^0-9]", at - 1, at + 1),
            b'w' if escaped => ("[A-Za-z0-9_]", at - 1, at + 1),
            b'W' if escaped => ("[^A-Za-z0-9_]", at - 1, at + 1),
            _ => ("", at, at),
        };
        match byte {
            b'[' if !escaped => class_depth += 1,
            b']' if !escaped => class_depth -= 1,
            _ => {}
        }
        if !replacement.is_empty() {
            made.push_str(&regex[from..start]);
            made.push_str(replacement);
            from = end;
        }
        at = end.max(at + 1);
        escaped = false;
    }
    if from == 0 {
        return regex.into();
    }
    made.push_str(&regex[from..]);
    made.into()
}

/// `*` or `+` and the length of what stands for it: `{0,100}` and `{1,500}`, of three digits and more.
fn long_repetition(bytes: &[u8]) -> Option<(&'static str, usize)> {
    let (replacement, rest) = match bytes {
        [b'{', b'0', b',', rest @ ..] => ("*", rest),
        [b'{', b'1', b',', rest @ ..] => ("+", rest),
        _ => return None,
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 2 && rest.get(digits) == Some(&b'}')).then_some((replacement, 3 + digits + 1))
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    #[test]
    fn long_repetitions_have_no_bound_and_classes_are_ascii() {
        for (regex, made) in [
            ("; {0,2}(T-(?:07|[^0][0-9])[^;/]{1,100}?)(?: Build)", "; {0,2}(T-(?:07|[^0][0-9])[^;/]+?)(?: Build)"),
            (".{0,300}x", ".*x"),
            (".{1,300}.{1,50}", ".+.{1,50}"),
            (".{0,}.{1,}.{2,200}.{0,2", ".{0,}.{1,}.{2,200}.{0,2"),
            (r"\{1,200}", r"\{1,200}"),
            ("[.{1,100}]", "[.{1,100}]"),
            (r"\d\D\w\W[\d]\\d", r"[0-9][^0-9][A-Za-z0-9_][^A-Za-z0-9_][[0-9]]\\d"),
            ("é{0,100}{", "é*{"),
        ] {
            assert_eq!(rewrite(regex), made);
        }
    }
}
