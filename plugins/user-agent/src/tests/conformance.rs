//! uap-core's published cases, and the rows of the reference.

use super::{batch, build, enrich, rows};
use crate::config::Compat;
use crate::uap::Uap;
use etl_sdk::testing::external::data;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;
use ua_parser::{Extractor, Regexes};

#[derive(Deserialize)]
struct Cases<T> {
    test_cases: Vec<T>,
}

#[derive(Deserialize)]
struct VersionCase {
    user_agent_string: String,
    family: String,
    major: Option<String>,
    minor: Option<String>,
    patch: Option<String>,
    patch_minor: Option<String>,
}

#[derive(Deserialize)]
struct DeviceCase {
    user_agent_string: String,
    family: String,
    brand: Option<String>,
    model: Option<String>,
}

fn cases<T: DeserializeOwned>(folder: &Path, file: &str) -> Vec<T> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    serde_saphyr::from_str::<Cases<T>>(&text).unwrap().test_cases
}

/// Empty and missing are the same in the published cases.
fn texts<const N: usize>(values: [Option<&str>; N]) -> [&str; N] {
    values.map(Option::unwrap_or_default)
}

#[derive(Default)]
struct Agreement {
    cases: usize,
    differences: Vec<String>,
}

impl Agreement {
    fn compare<const N: usize>(&mut self, text: &str, expected: [Option<&str>; N], found: [Option<&str>; N]) {
        self.cases += 1;
        let (expected, found) = (texts(expected), texts(found));
        if expected != found {
            self.differences.push(format!("{text}: expected {expected:?}, found {found:?}"));
        }
    }

    /// 99.9 % of the cases agree.
    fn check(&self, at_least: usize) {
        assert!(self.cases >= at_least, "{} cases only", self.cases);
        eprintln!("{} of {} published cases differ", self.differences.len(), self.cases);
        let allowed = self.cases / 1_000;
        assert!(
            self.differences.len() <= allowed,
            "{} of {}: {:#?}",
            self.differences.len(),
            self.cases,
            self.differences
        );
    }
}

#[test]
fn browsers_as_published() {
    let Some(folder) = data("conformance").map(|data| data.join("uap/latest")) else { return };
    let uap = Uap::from_file(folder.join("regexes.yaml"), Compat::Default).unwrap();
    let mut agreement = Agreement::default();
    for case in cases::<VersionCase>(&folder, "test_ua.yaml") {
        let found = uap.extractor().unwrap().browser(&case.user_agent_string);
        let expected = [Some(&*case.family), case.major.as_deref(), case.minor.as_deref(), case.patch.as_deref()];
        let found = match &found {
            Some(found) => found.each_ref().map(Option::as_deref),
            None => [Some("Other"), None, None, None],
        };
        agreement.compare(&case.user_agent_string, expected, found);
    }
    agreement.check(1_600);
}

#[test]
fn operating_systems_as_published() {
    let Some(folder) = data("conformance").map(|data| data.join("uap/latest")) else { return };
    let uap = Uap::from_file(folder.join("regexes.yaml"), Compat::Default).unwrap();
    let mut agreement = Agreement::default();
    for case in cases::<VersionCase>(&folder, "test_os.yaml") {
        let found = uap.extractor().unwrap().os(&case.user_agent_string);
        let expected = [
            Some(&*case.family),
            case.major.as_deref(),
            case.minor.as_deref(),
            case.patch.as_deref(),
            case.patch_minor.as_deref(),
        ];
        let found = match &found {
            Some(found) => found.each_ref().map(Option::as_deref),
            None => [Some("Other"), None, None, None, None],
        };
        agreement.compare(&case.user_agent_string, expected, found);
    }
    agreement.check(480);
}

#[test]
fn devices_as_published() {
    let Some(folder) = data("conformance").map(|data| data.join("uap/latest")) else { return };
    let uap = Uap::from_file(folder.join("regexes.yaml"), Compat::Default).unwrap();
    let mut agreement = Agreement::default();
    for case in cases::<DeviceCase>(&folder, "test_device.yaml") {
        let found = uap.extractor().unwrap().device(&case.user_agent_string);
        let expected = [Some(&*case.family), case.brand.as_deref(), case.model.as_deref()];
        let found = match &found {
            Some(found) => found.each_ref().map(Option::as_deref),
            None => [Some("Other"), None, None],
        };
        agreement.compare(&case.user_agent_string, expected, found);
    }
    agreement.check(16_000);
}

/// The crate whose rules these are gives the same for the published cases of each kind, as they are, behind and before a
/// long text, and for texts of nothing but what rules look for, shorter and longer than its engines are quick for.
#[test]
fn long_texts_give_what_the_plain_engine_gives() {
    let Some(folder) = data("conformance").map(|data| data.join("uap/latest")) else { return };
    let uap = Uap::from_file(folder.join("regexes.yaml"), Compat::Default).unwrap();
    let text = std::fs::read_to_string(folder.join("regexes.yaml")).unwrap();
    let plain = Extractor::try_from(serde_saphyr::from_str::<Regexes<'_>>(&text).unwrap()).unwrap();
    let mut texts: Vec<String> = Vec::new();
    for (file, step) in [("test_ua.yaml", 20), ("test_os.yaml", 10), ("test_device.yaml", 200)] {
        let cases = cases::<Value>(&folder, file);
        for case in cases.iter().step_by(step) {
            let agent = case["user_agent_string"].as_str().unwrap();
            texts.extend([agent.to_owned(), "x1/2.3 ".repeat(200) + agent, agent.to_owned() + &" bot/1".repeat(300)]);
        }
    }
    for length in [100, 500, 530, 540, 1_380, 1_400, 1_920, 1_960, 2_048] {
        let text = |piece: &str| piece.repeat(length)[..length].to_owned();
        texts.extend(["bot ", "Spider ", "abc-bot/1.2 ", "; NT-5 Build ", "é bot "].map(|piece| {
            let text = piece.repeat(length);
            text[..text.floor_char_boundary(length)].to_owned()
        }));
        texts.push(format!("CSimpleSpider/{}", text("1")));
        texts.push(format!("; NT-{} Build", text("1")));
    }
    let own = |parts: &[Option<&str>]| -> Vec<String> {
        parts.iter().map(|part| part.unwrap_or_default().to_owned()).collect()
    };
    let extractor = uap.extractor().unwrap();
    for text in &texts {
        let (browser, os, device) = plain.extract(text);
        let expected = browser.map(|found| own(&[Some(&found.family), found.major, found.minor, found.patch]));
        let found = extractor.browser(text).map(|found| own(&found.each_ref().map(Option::as_deref)));
        assert_eq!(found, expected, "{text}");
        let expected = os.map(|found| {
            let [major, minor, patch, behind] =
                [&found.major, &found.minor, &found.patch, &found.patch_minor].map(Option::as_deref);
            own(&[Some(&found.os), major, minor, patch, behind])
        });
        let found = extractor.os(text).map(|found| own(&found.each_ref().map(Option::as_deref)));
        assert_eq!(found, expected, "{text}");
        let expected = device.map(|found| own(&[Some(&found.device), found.brand.as_deref(), found.model.as_deref()]));
        let found = extractor.device(text).map(|found| own(&found.each_ref().map(Option::as_deref)));
        assert_eq!(found, expected, "{text}");
    }
}

/// The user agents of a file of the reference, run through the step with the rules the reference had.
fn reference_rows(file: &str) -> Option<Vec<serde_json::Map<String, Value>>> {
    let folder = data("conformance")?;
    let regexes = folder.join("uap/reference/regexes.yaml");
    let input = std::fs::read_to_string(folder.join("S/event_v2").join(file)).unwrap();
    let lines: Vec<Value> = input.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<Option<&str>> = lines.iter().map(|line| line["ua"].as_str()).collect();
    assert!(!texts.is_empty());
    let enrichment = build(json!({ "engine": "uap", "regexes": regexes })).unwrap();
    Some(rows(&enrich(&enrichment, batch(&texts))))
}

#[test]
fn a_row_of_the_reference() {
    let Some(rows) = reference_rows("transformed_data_event_v2.json") else { return };
    let path = data("conformance").unwrap().join("S/event_v2/expected/test_enrich_UA_v2.json");
    let expected = std::fs::read_to_string(path).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    assert_eq!(Value::Object(rows[0].clone()), expected);
    assert_eq!(rows.len(), 1);
}

#[test]
fn the_bots_of_the_reference_are_bots() {
    let Some(rows) = reference_rows("transformed_data_event_bot_v2.json") else { return };
    assert_eq!(rows.len(), 6);
    for row in rows {
        assert_eq!(row["device_ua_device_category"], "Bot", "{row:?}");
    }
}

#[test]
fn the_null_user_agents_of_the_reference_stay_null() {
    let Some(rows) = reference_rows("transformed_data_ua_null.json") else { return };
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert!(row.values().all(Value::is_null), "{row:?}");
    }
}

/// The examples of `docs/compatibility.md` that are about this step.
#[test]
fn the_document_shows_what_comes_out() {
    let document = include_str!("../../../../docs/compatibility.md");
    let blocks = document.split("```json\n").skip(1).map(|block| block.split("\n```").next().unwrap());
    let examples = blocks.map(|block| serde_json::from_str::<Value>(block).unwrap());
    let mut run = 0;
    for example in examples.filter(|example| example.get("user_agent").is_some()) {
        for compat in ["default", "reference"] {
            let enrichment = build(json!({ "engine": "uap", "compat": compat })).unwrap();
            let row = &rows(&enrich(&enrichment, batch(&[example["user_agent"].as_str()])))[0];
            for (column, value) in example[compat].as_object().unwrap() {
                assert_eq!(row.get(column), Some(value), "{compat}: {column}");
            }
        }
        run += 1;
    }
    assert_eq!(run, 1);
}

/// Both engines fill the same columns, and agree on what they both know.
#[test]
fn woothee_fills_the_columns_that_uap_fills() {
    let texts = [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/117.0",
    ]
    .map(Some);
    let run = |engine: &str| rows(&enrich(&build(json!({ "engine": engine })).unwrap(), batch(&texts)));
    let (woothee, uap) = (run("woothee"), run("uap"));
    for (row, (woothee, uap)) in woothee.iter().zip(&uap).enumerate() {
        let names = |row: &serde_json::Map<String, Value>| row.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(woothee), names(uap));
        let same = match row {
            0 => vec!["device_ua_browser_version", "device_ua_os", "device_ua_os_version", "device_ua_device"],
            1 => vec!["device_ua_os", "device_ua_os_version"],
            2 => vec!["device_ua_browser", "device_ua_device", "device_ua_device_category"],
            _ => vec!["device_ua_browser", "device_ua_browser_version", "device_ua_os"],
        };
        for column in same {
            assert_eq!(woothee[column], uap[column], "{column} of {:?}", texts[row]);
        }
        assert_eq!(woothee["device_ua"]["string"], uap["device_ua"]["string"]);
    }
}
