//! The `woothee` engine, and how its words become the columns.
//!
//! | column | from |
//! |---|---|
//! | browser, browser version | `name`, `version` |
//! | os | `os`; `iOS` for iPhone, iPad and iPod |
//! | os version | `os_version` (Windows: the kernel's, `NT 10.0`) |
//! | device | `iPhone`, `iPad`, `iPod`; `Spider` for crawlers; else null: it knows no models |
//! | category | `crawler` Bot, `pc` PC, `smartphone` and `mobilephone` Mobile, the rest Other; an iPad, and an Android without the word `Mobile`, is a Tablet |
//!
//! What it calls `UNKNOWN` is null. The category is never null.

use crate::details::{Details, DetailsBuilder, Part};
use woothee::parser::{Parser, WootheeResult};

pub(crate) fn resolve(text: &str) -> Details {
    let result = Parser::new().parse(text).unwrap_or_default();
    let apple = matches!(result.os, "iPhone" | "iPad" | "iPod");
    let mut details = DetailsBuilder::default();
    details.set(Part::Browser, known(result.name));
    details.set(Part::BrowserVersion, known(result.version));
    details.set(Part::Os, if apple { Some("iOS") } else { known(result.os) });
    details.set(Part::OsVersion, known(&result.os_version));
    details.set(Part::Device, device(&result, apple));
    details.set(Part::DeviceCategory, Some(category(&result, text)));
    details.finish()
}

fn known(value: &str) -> Option<&str> {
    (!value.is_empty() && value != woothee::woothee::VALUE_UNKNOWN).then_some(value)
}

fn device<'a>(result: &WootheeResult<'a>, apple: bool) -> Option<&'a str> {
    if apple { Some(result.os) } else { (result.category == "crawler").then_some("Spider") }
}

fn category(result: &WootheeResult<'_>, text: &str) -> &'static str {
    match result.category {
        "crawler" => "Bot",
        "pc" => "PC",
        "smartphone" if result.os == "iPad" => "Tablet",
        "smartphone" if result.os == "Android" && !text.contains("Mobile") => "Tablet",
        "smartphone" | "mobilephone" => "Mobile",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Vec<Option<String>> {
        let details = resolve(text);
        Part::COLUMNS.iter().map(|part| details.get(*part).map(str::to_owned)).collect()
    }

    fn some(texts: [&str; 6]) -> Vec<Option<String>> {
        texts.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect()
    }

    #[test]
    fn usual_devices() {
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1";
        assert_eq!(row(phone), some(["Safari", "16.6", "iOS", "16.6.1", "iPhone", "Mobile"]));
        let desktop = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0.0.0 Safari/537.36";
        assert_eq!(row(desktop), some(["Chrome", "116.0.0.0", "Windows 10", "NT 10.0", "", "PC"]));
        let tablet = "Mozilla/5.0 (Linux; Android 12; SM-X906C) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80.0.3987.119 Safari/537.36";
        assert_eq!(row(tablet), some(["Chrome", "80.0.3987.119", "Android", "12", "", "Tablet"]));
        let android = "Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0.0.0 Mobile Safari/537.36";
        assert_eq!(row(android)[5].as_deref(), Some("Mobile"));
        let pad = "Mozilla/5.0 (iPad; CPU OS 15_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.5 Mobile/15E148 Safari/604.1";
        assert_eq!(row(pad)[4..], some(["", "", "", "", "iPad", "Tablet"])[4..]);
    }

    #[test]
    fn crawlers_and_the_unknown() {
        let bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        assert_eq!(row(bot), some(["Googlebot", "", "", "", "Spider", "Bot"]));
        assert_eq!(row("some new thing"), some(["", "", "", "", "", "Other"]));
    }
}
