//! The `uap` engine: uap-core's rules, with the results of its Java parser.
//!
//! What no rule knows is `Other`. The category follows the device's name alone (see [`category`]), so a desktop
//! computer, whose device is `Other`, is in the category `Other` as well.

mod rewrite;
mod rules;

use crate::config::Compat;
use crate::details::{Details, DetailsBuilder, Part};
use etl_sdk::{Error, Fact, Result};
use rules::{Part as Made, Rules, Source};
use serde::Serialize;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use ua_parser::device::Flag;
use ua_parser::{Regexes, device, os, user_agent};

/// The rules in the program; `third_party/uap-core/README.md` says where they are from.
const BUILT_IN: &str = include_str!("../../../third_party/uap-core/regexes.yaml");
const BUILT_IN_VERSION: &str = include_str!("../../../third_party/uap-core/VERSION");

/// The compiled rules, shared by all workers. Each thread that uses a rule adds a search cache to it.
pub(crate) struct Uap {
    compat: Compat,
    file: Option<PathBuf>,
    extractor: OnceLock<Extractor>,
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
        let rules: Regexes<'_> = serde_saphyr::from_str(&text).map_err(|error| wrong_file(&path).source(error))?;
        let extractor = compile(&rules).map_err(|error| wrong_file(&path).source(error))?;
        Ok(Self { compat, file: Some(path), extractor: OnceLock::from(extractor), compiling: Mutex::new(()) })
    }

    /// What the rules say of a user agent.
    pub(crate) fn resolve(&self, text: &str) -> Result<Details> {
        let extractor = self.extractor()?;
        let (browser, os, device) = (extractor.browser(text), extractor.os(text), extractor.device(text));
        let browser = match &browser {
            Some([family, major, minor, patch]) => Browser {
                family: family.as_deref(),
                major: major.as_deref(),
                minor: minor.as_deref(),
                patch: patch.as_deref(),
            },
            None => Browser { family: Some(OTHER), ..Browser::default() },
        };
        let os = match &os {
            Some([family, major, minor, patch, patch_minor]) => Os {
                family: family.as_deref(),
                major: major.as_deref(),
                minor: minor.as_deref(),
                patch: patch.as_deref(),
                patch_minor: patch_minor.as_deref(),
            },
            None => Os { family: Some(OTHER), ..Os::default() },
        };
        let device = Device { family: device.as_ref().map_or(Some(OTHER), |[family, ..]| family.as_deref()) };
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
    pub(crate) fn extractor(&self) -> Result<&Extractor> {
        if let Some(extractor) = self.extractor.get() {
            return Ok(extractor);
        }
        // Workers start together: one compiles, the others wait for its result rather than repeat it.
        let _compiling = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(extractor) = self.extractor.get() {
            return Ok(extractor);
        }
        let broken = || Error::internal("compile the built-in user agent rules");
        let rules: Regexes<'_> = serde_saphyr::from_str(BUILT_IN).map_err(|error| broken().source(error))?;
        let extractor = compile(&rules).map_err(|error| broken().source(error))?;
        Ok(self.extractor.get_or_init(|| extractor))
    }
}

/// The rules of browsers, operating systems and devices.
pub(crate) struct Extractor {
    browsers: Rules<4>,
    systems: Rules<5>,
    devices: Rules<3>,
}

type Parts<'t, const N: usize> = Option<[Option<Cow<'t, str>>; N]>;

impl Extractor {
    /// Family and the parts of the version: major, minor, patch.
    pub(crate) fn browser<'t>(&'t self, text: &'t str) -> Parts<'t, 4> {
        self.browsers.extract(text)
    }

    /// Family and the parts of the version: major, minor, patch, and what is behind it.
    pub(crate) fn os<'t>(&'t self, text: &'t str) -> Parts<'t, 5> {
        self.systems.extract(text)
    }

    /// Family, brand and model.
    pub(crate) fn device<'t>(&'t self, text: &'t str) -> Parts<'t, 3> {
        self.devices.extract(text)
    }
}

fn compile(rules: &Regexes<'_>) -> Result<Extractor, Box<dyn std::error::Error + Send + Sync>> {
    let browsers = rules.user_agent_parsers.iter().map(|rule: &user_agent::Parser<'_>| Source {
        regex: &rule.regex,
        ignore_case: false,
        parts: |groups| {
            Ok([
                Made::family(rule.family_replacement.clone(), groups)?,
                Made::literal(rule.v1_replacement.clone(), groups, 2),
                Made::literal(rule.v2_replacement.clone(), groups, 3),
                Made::literal(rule.v3_replacement.clone(), groups, 4),
            ])
        },
    });
    let systems = rules.os_parsers.iter().map(|rule: &os::Parser<'_>| Source {
        regex: &rule.regex,
        ignore_case: false,
        parts: |groups| {
            Ok([
                Made::template(rule.os_replacement.clone(), groups, 1),
                Made::template(rule.os_v1_replacement.clone(), groups, 2),
                Made::template(rule.os_v2_replacement.clone(), groups, 3),
                Made::template(rule.os_v3_replacement.clone(), groups, 4),
                Made::template(rule.os_v4_replacement.clone(), groups, 5),
            ])
        },
    });
    let devices = rules.device_parsers.iter().map(|rule: &device::Parser<'_>| Source {
        regex: &rule.regex,
        ignore_case: rule.regex_flag == Some(Flag::IgnoreCase),
        parts: |groups| {
            Ok([
                Made::template(rule.device_replacement.clone(), groups, 1),
                Made::template(rule.brand_replacement.clone(), 0, 1),
                Made::template(rule.model_replacement.clone(), groups, 1),
            ])
        },
    });
    Ok(Extractor {
        browsers: Rules::compile(browsers, 3)?,
        systems: Rules::compile(systems, 3)?,
        devices: Rules::compile(devices, 2)?,
    })
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
