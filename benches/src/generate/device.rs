//! Users and what they browse with: user agents, addresses, screens, languages.

use crate::random::Random;
use std::fmt::Write;

/// The app ids of generated events, most used first.
pub const APPS: [&str; 3] = ["shop", "news", "game"];

/// Which kind of SDK sends the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// A browser; pages.
    Web,
    /// An Android app; screens.
    Android,
    /// An iOS app; screens.
    Ios,
}

/// A user on one device. Everything in it depends on the seed and the user's number alone, so that every object that
/// meets the user sees the same device.
#[derive(Clone, Debug)]
pub struct User {
    /// Place in the population; small ones are heavy users.
    pub number: u64,
    /// One of [`APPS`].
    pub app: &'static str,
    /// Pages or screens.
    pub platform: Platform,
    /// `unique_id` of the events.
    pub pseudo_id: String,
    /// Whether the user is known by name.
    pub signed_in: bool,
    /// `User-Agent` header.
    pub agent: String,
    /// `X-Forwarded-For` list, JSON-safe.
    pub address: String,
    /// Whether the user agent is a crawler's.
    pub bot: bool,
    /// `locale`, `system_language` and `country_code`.
    pub locale: (&'static str, &'static str, &'static str),
    /// Milliseconds east of UTC.
    pub zone_offset: i64,
    /// Width and height in pixels.
    pub screen: (u32, u32),
    /// `make`, `brand`, `model` and `os_version` of a phone; the browser's vendor in `make` otherwise.
    pub make: &'static str,
    /// See `make`.
    pub model: &'static str,
    /// See `make`.
    pub os_version: String,
    /// First touch, in epoch milliseconds.
    pub first_touch: i64,
}

const LOCALES: [((&str, &str, &str), i64); 8] = [
    (("en-US", "en", "US"), -18_000_000),
    (("en-GB", "en", "GB"), 0),
    (("de-DE", "de", "DE"), 3_600_000),
    (("fr-FR", "fr", "FR"), 3_600_000),
    (("sv-SE", "sv", "SE"), 3_600_000),
    (("zh-CN", "zh", "CN"), 28_800_000),
    (("ja-JP", "ja", "JP"), 32_400_000),
    (("pt-BR", "pt", "BR"), -10_800_000),
];

const SCREENS: [(u32, u32); 6] = [(1920, 1080), (2560, 1440), (1366, 768), (1440, 900), (3840, 2160), (1536, 864)];

const PHONES: [(&str, &str, (u32, u32)); 24] = [
    ("Google", "Pixel 6", (1080, 2400)),
    ("Google", "Pixel 7a", (1080, 2400)),
    ("Google", "Pixel 8 Pro", (1344, 2992)),
    ("Google", "Pixel 9", (1080, 2424)),
    ("samsung", "SM-S911B", (1080, 2340)),
    ("samsung", "SM-S928U", (1440, 3120)),
    ("samsung", "SM-A546E", (1080, 2340)),
    ("samsung", "SM-A155F", (1080, 2340)),
    ("samsung", "SM-G991B", (1080, 2400)),
    ("samsung", "SM-T870", (1600, 2560)),
    ("Xiaomi", "2201117TG", (1080, 2400)),
    ("Xiaomi", "23049PCD8G", (1220, 2712)),
    ("Xiaomi", "M2101K6G", (1080, 2400)),
    ("OnePlus", "CPH2449", (1440, 3216)),
    ("OnePlus", "LE2113", (1080, 2400)),
    ("OPPO", "CPH2387", (720, 1612)),
    ("vivo", "V2158", (1080, 2408)),
    ("HUAWEI", "VOG-L29", (1080, 2340)),
    ("HUAWEI", "ELE-L29", (1080, 2340)),
    ("motorola", "moto g power (2022)", (720, 1600)),
    ("motorola", "moto g84 5G", (1080, 2400)),
    ("Sony", "XQ-DQ54", (1080, 2520)),
    ("nubia", "NX709J", (1080, 2400)),
    ("realme", "RMX3690", (720, 1600)),
];

const IPHONES: [(&str, (u32, u32)); 6] = [
    ("iPhone12,1", (828, 1792)),
    ("iPhone13,2", (1170, 2532)),
    ("iPhone14,5", (1170, 2532)),
    ("iPhone15,3", (1290, 2796)),
    ("iPhone16,1", (1179, 2556)),
    ("iPad13,4", (1668, 2388)),
];

const BOTS: [&str; 7] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/126.0.6478.126 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
];

/// Addresses that the test databases of the `MaxMind` format know, and, last, some that the fixtures' database knows.
const KNOWN_V4: [&str; 12] = [
    "81.2.69.142",
    "81.2.69.160",
    "81.2.69.192",
    "216.160.83.56",
    "2.125.160.216",
    "89.160.20.112",
    "89.160.20.128",
    "175.16.199.37",
    "202.196.224.18",
    "192.0.2.33",
    "198.51.100.7",
    "203.0.113.70",
];
const KNOWN_V6: [&str; 6] =
    ["2001:218::1", "2001:220::80", "2001:230::9", "2001:240::5", "2a02:cf40::1", "2001:db8:1::7"];

impl User {
    /// The user with this number. `day` is the start of the generated day in epoch milliseconds.
    pub fn new(seed: u64, number: u64, day: i64) -> Self {
        // Streams of users lie apart from those of objects, which count from 0.
        let mut random = Random::new(seed, (1 << 40) | number);
        let app = APPS[[0, 0, 0, 0, 0, 1, 1, 1, 2, 2][random.below(10) as usize]];
        let bot = random.chance(0.018);
        let platform = match random.below(10) {
            _ if bot => Platform::Web,
            0..=5 => Platform::Web,
            6..=7 => Platform::Android,
            _ => Platform::Ios,
        };
        let mut pseudo_id = String::with_capacity(36);
        write_uuid(&mut pseudo_id, &mut random);
        let (locale, zone_offset) = *random.pick(&LOCALES);
        let mut user = Self {
            number,
            app,
            platform,
            pseudo_id,
            signed_in: random.chance(0.4),
            agent: String::new(),
            address: address(&mut random),
            bot,
            locale,
            zone_offset,
            screen: *random.pick(&SCREENS),
            make: "Google Inc.",
            model: "",
            os_version: String::new(),
            first_touch: day - random.below(90 * crate::calendar::DAY_MSEC as u64) as i64,
        };
        user.choose_device(&mut random);
        user
    }

    fn choose_device(&mut self, random: &mut Random) {
        if self.bot {
            BOTS[random.skewed(BOTS.len() as u64) as usize].clone_into(&mut self.agent);
            return;
        }
        match self.platform {
            Platform::Web => self.agent = browser(random),
            Platform::Android => {
                let (make, model, screen) = PHONES[random.skewed(PHONES.len() as u64) as usize];
                (self.make, self.model, self.screen) = (make, model, screen);
                self.os_version = (9 + random.below(7)).to_string();
                self.agent = format!(
                    "Dalvik/2.1.0 (Linux; U; Android {}; {model} Build/{}.{:06}.{:03})",
                    self.os_version,
                    ["TQ3A", "UP1A", "AP2A", "TP1A"][random.below(4) as usize],
                    230_805 + 100 * random.below(4),
                    1 + random.below(3)
                );
            }
            Platform::Ios => {
                let (model, screen) = IPHONES[random.skewed(IPHONES.len() as u64) as usize];
                (self.make, self.model, self.screen) = ("apple", model, screen);
                let (major, minor) = (15 + random.below(4), random.below(7));
                self.os_version = format!("{major}.{minor}");
                self.agent = format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 \
                     (KHTML, like Gecko) Mobile/15E{}",
                    148 + random.below(3)
                );
            }
        }
    }
}

/// A browser's user agent: some thousand different ones, the newest versions most often.
fn browser(random: &mut Random) -> String {
    let version = 142 - random.skewed(40);
    let desktop = *random.pick(&[
        "Windows NT 10.0; Win64; x64",
        "Windows NT 10.0; Win64; x64",
        "Macintosh; Intel Mac OS X 10_15_7",
        "X11; Linux x86_64",
        "X11; CrOS x86_64 14541.0.0",
    ]);
    let chrome = |system: &str, mobile: &str, tail: &str| {
        format!(
            "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 {mobile}Safari/537.36{tail}"
        )
    };
    match random.below(20) {
        0..=6 => chrome(desktop, "", ""),
        7..=11 => {
            let (_, model, _) = PHONES[random.skewed(PHONES.len() as u64) as usize];
            chrome(&format!("Linux; Android {}; {model}", 10 + random.below(6)), "Mobile ", "")
        }
        12..=14 => {
            let (major, minor) = (18 - random.skewed(5), random.below(7));
            format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                 Gecko) Version/{major}.{minor} Mobile/15E148 Safari/604.1"
            )
        }
        15 => format!(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Version/{}.{} Safari/605.1.15",
            18 - random.skewed(5),
            random.below(7)
        ),
        16 => format!("Mozilla/5.0 ({desktop}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"),
        17 => chrome(desktop, "", &format!(" Edg/{version}.0.{}.{}", 2_000 + random.below(40), random.below(90))),
        18 => chrome(desktop, "", &format!(" OPR/{}.0.0.0", version - 16)),
        _ => chrome(
            &format!("Linux; Android {}; SAMSUNG SM-S911B", 12 + random.below(3)),
            "Mobile ",
            &format!(" SamsungBrowser/{}.0", 20 + random.below(8)),
        ),
    }
}

/// The header's list: the client first, proxies after it.
fn address(random: &mut Random) -> String {
    let mut list = match random.below(40) {
        0..=9 => (*random.pick(&KNOWN_V4)).to_owned(),
        10..=11 => (*random.pick(&KNOWN_V6)).to_owned(),
        12..=13 => format!("67.43.156.{}", random.below(256)),
        14 => format!("10.{}.{}.{}", random.below(256), random.below(256), random.below(256)),
        15 => format!("192.168.{}.{}", random.below(256), random.below(256)),
        16..=18 => {
            let mut part = || random.below(1 << 16);
            format!("2a02:8{:02x}:{:x}::{:x}", part() & 0xff, part(), part())
        }
        _ => {
            format!("{}.{}.{}.{}", 11 + random.below(180), random.below(256), random.below(256), 1 + random.below(254))
        }
    };
    for _ in 0..random.below(10).saturating_sub(7) {
        let _ = write!(list, ", 10.0.{}.{}", random.below(4), random.below(256));
    }
    list
}

/// Appends an identifier of the form `8-4-4-4-12`.
pub fn write_uuid(out: &mut String, random: &mut Random) {
    let (high, low) = (random.bits(), random.bits());
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 50),
        low & 0xffff_ffff_ffff
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn users_are_the_same_each_time_and_differ_from_each_other() {
        let users: Vec<User> = (0..4_000).map(|number| User::new(5, number, 0)).collect();
        assert_eq!(format!("{:?}", users[17]), format!("{:?}", User::new(5, 17, 0)));
        let distinct = |of: &dyn Fn(&User) -> String| users.iter().map(of).collect::<HashSet<_>>().len();
        assert_eq!(distinct(&|user| user.pseudo_id.clone()), 4_000);
        assert!(distinct(&|user| user.agent.clone()) > 500);
        assert!(distinct(&|user| user.address.clone()) > 1_500);
        assert_eq!(distinct(&|user| user.app.to_owned()), APPS.len());
        let bots = users.iter().filter(|user| user.bot).count();
        assert!((20..200).contains(&bots), "{bots}");
        for user in &users {
            assert_eq!(user.pseudo_id.len(), 36, "{}", user.pseudo_id);
            assert!(!user.agent.is_empty() && !user.agent.contains(['"', '\\']));
        }
    }
}
