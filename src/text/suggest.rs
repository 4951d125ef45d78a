//! Names that are not known, and the known one that was probably meant.

use etl_sdk::{Error, Result};
use strum::VariantArray;

/// The error of a name that is not among the known ones.
pub fn unknown(role: &str, name: &str, known: &[&str]) -> Error {
    Error::config(format!("unknown {role} `{name}`")).hint(did_you_mean(name, known))
}

/// The hint for a name that is not among the known ones: the nearest, and all of them.
pub fn did_you_mean(name: &str, known: &[&str]) -> String {
    let list = list_names(known);
    match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`? known: {list}"),
        None => format!("known: {list}"),
    }
}

/// The variant of an enum that has this name.
pub fn variant<T: VariantArray + Copy + Into<&'static str>>(role: &str, name: &str) -> Result<T> {
    let names: Vec<&str> = T::VARIANTS.iter().map(|variant| (*variant).into()).collect();
    let index = names.iter().position(|known| *known == name);
    index.and_then(|index| T::VARIANTS.get(index)).copied().ok_or_else(|| unknown(role, name, &names))
}

/// The known name that was probably meant, if one is near enough.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .iter()
        .map(|candidate| (likeness(&name, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

/// 0 to 1. A common beginning counts most; in short names, two letters the wrong way round are as good.
fn likeness(name: &str, candidate: &str) -> f64 {
    let by_beginning = strsim::jaro_winkler(name, candidate);
    // A long text is no mistyped name, and the distance below is quadratic.
    if name.len() > 64 {
        return by_beginning;
    }
    let edits = strsim::osa_distance(name, candidate);
    let by_edits = if edits <= 1 && name.len() > 2 { 0.9 } else { 0.0 };
    by_beginning.max(by_edits)
}

/// Names for a message; a long list is cut.
pub fn list_names(known: &[&str]) -> String {
    const MAX: usize = 24;
    match known.len() {
        0 => "none".to_owned(),
        1..=MAX => known.join(", "),
        _ => format!("{}, and {} more", known[..MAX].join(", "), known.len() - MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_the_wrong_way_round_are_near() {
        assert_eq!(nearest("ulr", &["s3", "url", "layout"]), Some("url"));
        assert_eq!(nearest("schedule", &["s3", "url", "layout"]), None);
    }
}
