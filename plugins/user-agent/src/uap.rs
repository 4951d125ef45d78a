//! The `uap` engine: uap-core's rules, with the results of its Java parser.
//!
//! What no rule knows is `Other`. The category follows the device's name alone (see [`category`]), so a desktop
//! computer, whose device is `Other`, is in the category `Other` as well.

use crate::config::Compat;
use crate::details::{Details, DetailsBuilder, Part};
use etl_sdk::{Error, Fact, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use ua_parser::{Extractor, Regexes};

/// The rules in the program; `third_party/uap-core/README.md` says where they are from.
const BUILT_IN: &str = include_str!("../../../third_party/uap-core/regexes.yaml");
const BUILT_IN_VERSION: &str = include_str!("../../../third_party/uap-core/VERSION");

/// The compiled rules, shared by all workers. Each thread that uses a rule adds a search cache to it.
pub(crate) struct Uap {
    compat: Compat,
    file: Option<PathBuf>,
    extractor: OnceLock<Extractor<'static>>,
    compiling: Mutex<()>,
}

impl Uap {
    /// The built-in rules. They are compiled when the first user agent comes, so that a run without any does not pay.
    pub(crate) fn built_in(compat: Compat) -> Self {
        Self { compat, file: None, extractor: OnceLock::new(), compiling: Mutex::new(()) }
    }

    /// Rules from a file, compiled here: a wrong file is found before the run starts.
    pub(crate) fn from_file(path: PathBuf, compat: Compat) -> Result<Self> {
        let text = std::fs::read_to_string(&path).map_err(|error| wrong_file(&path).source(error))?;
        let rules = serde_saphyr::from_str(&text).map_err(|error| wrong_file(&path).source(error))?;
        let extractor = compile(rules).map_err(|error| wrong_file(&path).source(error))?;
        Ok(Self { compat, file: Some(path), extractor: OnceLock::from(extractor), compiling: Mutex::new(()) })
    }

    /// What the rules say of a user agent.
    pub(crate) fn resolve(&self, text: &str) -> Result<Details> {
        let (browser, os, device) = self.extractor()?.extract(text);
        let browser = match &browser {
            Some(found) => {
                Browser { family: known(&found.family), major: found.major, minor: found.minor, patch: found.patch }
            }
            None => Browser { family: Some(OTHER), ..Browser::default() },
        };
        let os = match &os {
            Some(found) => Os {
                family: known(&found.os),
                major: found.major.as_deref(),
                minor: found.minor.as_deref(),
                patch: found.patch.as_deref(),
                patch_minor: found.patch_minor.as_deref(),
            },
            None => Os { family: Some(OTHER), ..Os::default() },
        };
        let device = Device { family: device.as_ref().map_or(Some(OTHER), |found| known(&found.device)) };
        details(&browser, &os, &device, self.compat)
    }

    /// What the run report says of the rules.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let value = match &self.file {
            Some(path) => path.display().to_string(),
            None => format!("uap-core {}", BUILT_IN_VERSION.trim()),
        };
        vec![Fact { name: "regexes".into(), value }]
    }

    /// The compiled rules.
    pub(crate) fn extractor(&self) -> Result<&Extractor<'static>> {
        if let Some(extractor) = self.extractor.get() {
            return Ok(extractor);
        }
        // Workers start together: one compiles, the others wait for its result rather than repeat it.
        let _compiling = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(extractor) = self.extractor.get() {
            return Ok(extractor);
        }
        let broken = || Error::internal("compile the built-in user agent rules");
        let rules = serde_saphyr::from_str(BUILT_IN).map_err(|error| broken().source(error))?;
        let extractor = compile(rules).map_err(|error| broken().source(error))?;
        Ok(self.extractor.get_or_init(|| extractor))
    }
}

fn compile(rules: Regexes<'static>) -> Result<Extractor<'static>, ua_parser::Error> {
    Extractor::try_from(rules)
}

fn wrong_file(path: &Path) -> Error {
    Error::config("read the user agent rules")
        .with("file", path.display())
        .hint("`regexes` names a regexes.yaml of uap-core; leave it out to use the built-in one")
}

const OTHER: &str = "Other";

#[derive(Default, Serialize)]
struct Browser<'a> {
    family: Option<&'a str>,
    major: Option<&'a str>,
    minor: Option<&'a str>,
    patch: Option<&'a str>,
}

#[derive(Default, Serialize)]
struct Os<'a> {
    family: Option<&'a str>,
    major: Option<&'a str>,
    minor: Option<&'a str>,
    patch: Option<&'a str>,
    #[serde(rename = "patchMinor")]
    patch_minor: Option<&'a str>,
}

#[derive(Serialize)]
struct Device<'a> {
    family: Option<&'a str>,
}

fn known(value: &str) -> Option<&str> {
    (!value.is_empty()).then_some(value)
}

fn details(browser: &Browser<'_>, os: &Os<'_>, device: &Device<'_>, compat: Compat) -> Result<Details> {
    let mut details = DetailsBuilder::default();
    details.set(Part::Browser, browser.family);
    details.set_version(Part::BrowserVersion, [browser.major, browser.minor, browser.patch]);
    details.set(Part::Os, os.family);
    details.set_version(Part::OsVersion, [os.major, os.minor, os.patch]);
    details.set(Part::Device, device.family);
    details.set(Part::DeviceCategory, Some(category(device.family.unwrap_or_default(), compat)));
    details.set(Part::UserAgentJson, Some(&json(browser)?));
    details.set(Part::OsJson, Some(&json(os)?));
    details.set(Part::DeviceJson, Some(&json(device)?));
    Ok(details.finish())
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("write a user agent as JSON").source(error))
}

/// The category of a device by its name; the first rule that fits, case ignored. The reference takes the brand Cubot,
/// whose phones begin with its name, for bots.
fn category(device: &str, compat: Compat) -> &'static str {
    const RULES: [(&str, &[&str]); 4] = [
        ("Bot", &["bot"]),
        ("Mobile", &["mobile", "phone"]),
        ("Tablet", &["tablet", "pad", "kindle"]),
        ("PC", &["pc", "mac", "linux"]),
    ];
    if device.eq_ignore_ascii_case("spider") || device.eq_ignore_ascii_case("crawler") {
        return "Bot";
    }
    let device = device.to_lowercase();
    let brand = if compat == Compat::Default { "cubot" } else { "" };
    let device = device.strip_prefix(brand).unwrap_or(&device);
    let rule = RULES.iter().find(|(_, words)| words.iter().any(|word| device.contains(word)));
    rule.map_or("Other", |(category, _)| category)
}

#[cfg(test)]
mod tests {
    use super::category;
    use crate::config::Compat;

    #[test]
    fn categories_by_name() {
        let cases = [
            ("Spider", "Bot"),
            ("CRAWLER", "Bot"),
            ("Web Spider", "Other"),
            ("Cubot X18", "Other"),
            ("CUBOT_PHONE", "Mobile"),
            ("Robot Cubot", "Bot"),
            ("iPhone", "Mobile"),
            ("Generic Smartphone", "Mobile"),
            ("Generic Tablet", "Tablet"),
            ("iPad", "Tablet"),
            ("Kindle", "Tablet"),
            ("Mac", "PC"),
            ("Other", "Other"),
            ("", "Other"),
        ];
        for (device, expected) in cases {
            assert_eq!(category(device, Compat::Default), expected, "{device}");
            let reference =
                if device.starts_with('C') && device.to_lowercase().contains("bot") { "Bot" } else { expected };
            assert_eq!(category(device, Compat::Reference), reference, "{device}");
        }
    }
}
