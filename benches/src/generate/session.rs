//! A visit: the state that one user's events share, and the order they come in.

use super::device::{Platform, User, write_uuid};
use crate::random::Random;
use std::fmt::Write;

/// What an event is; decides which attributes it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// First start of an app on a device.
    FirstOpen,
    /// Start of a visit.
    SessionStart,
    /// A page (web) or a screen (apps).
    View,
    /// Time spent.
    Engagement,
    /// Scrolled to the end.
    Scroll,
    /// A link to elsewhere was followed.
    Click,
    /// Words were searched for.
    Search,
    /// An item is looked at or put into the cart.
    Item,
    /// Several items are bought.
    Purchase,
    /// User properties were set.
    ProfileSet,
    /// The app goes to the background.
    AppEnd,
}

impl Kind {
    /// `event_type` of the event.
    pub fn name(self, platform: Platform) -> &'static str {
        match self {
            Self::FirstOpen => "_first_open",
            Self::SessionStart => "_session_start",
            Self::View if platform == Platform::Web => "_page_view",
            Self::View => "_screen_view",
            Self::Engagement => "_user_engagement",
            Self::Scroll => "_scroll",
            Self::Click => "_click",
            Self::Search => "_search",
            Self::Item => "view_item",
            Self::Purchase => "purchase",
            Self::ProfileSet => "_profile_set",
            Self::AppEnd => "_app_end",
        }
    }

    /// Whether the freshness and future rules let it pass whatever its time.
    pub fn is_exempt(self) -> bool {
        matches!(self, Self::FirstOpen | Self::ProfileSet)
    }
}

/// One visit of one user.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who visits.
    pub user: User,
    /// `_session_id`.
    pub id: String,
    /// Start in epoch milliseconds.
    pub start: i64,
    /// `_session_number`.
    pub number: u64,
    /// Time of the latest event in epoch milliseconds.
    pub clock: i64,
    /// The current page or screen.
    pub page: Page,
    /// The page or screen before, and when it was opened.
    pub previous: Option<(Page, i64)>,
    /// Query of the landing page, with its `?`, or empty.
    pub campaign: String,
    /// Where the visit came from; empty for a direct one.
    pub referrer: String,
    /// How much later the events arrive than they happen, in milliseconds.
    pub delay: i64,
    views: u32,
    written: u32,
    left: u32,
    pending: Vec<Kind>,
}

/// A page or screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Path without query.
    pub path: &'static str,
    /// Title as a person reads it.
    pub title: &'static str,
    /// Number that tells one article or product from another.
    pub number: u64,
}

const PAGES: [(&str, &str); 12] = [
    ("/", "Home"),
    ("/products/kettle", "Kettles & pots \u{2013} for every kitchen"),
    ("/products/grinder", "Grinders"),
    ("/stories/mountain-railways", "A week on mountain railways"),
    ("/stories/k\u{fc}che", "K\u{fc}chengeschichten"),
    ("/cart", "Your cart (100% secure)"),
    ("/checkout/address", "Checkout: address"),
    ("/checkout/payment", "Checkout: payment"),
    ("/help/returns", "Returns and refunds"),
    ("/account", "\u{30a2}\u{30ab}\u{30a6}\u{30f3}\u{30c8}"),
    ("/search", "Search results"),
    ("/about/team", "The team"),
];

impl Session {
    /// A visit that starts at `start`, of a user out of `users`.
    pub fn new(seed: u64, users: u64, start: i64, day: i64, random: &mut Random) -> Self {
        let user = User::new(seed, random.skewed(users), day);
        // A phone without network sends days later, within the default freshness of 72 hours.
        let delay = if random.chance(0.01) { random.between(6 * 3_600_000, 47 * 3_600_000) } else { 0 };
        let first = user.platform != Platform::Web && random.chance(0.2);
        let mut id = String::with_capacity(48);
        write_uuid(&mut id, random);
        let (campaign, referrer) = origin(&user, random);
        let mut pending = vec![Kind::View, Kind::SessionStart];
        if first {
            pending.push(Kind::FirstOpen);
        }
        let mut session = Self {
            id,
            start: start - delay,
            number: 1 + random.skewed(30),
            clock: start - delay,
            page: page(random),
            previous: None,
            campaign,
            referrer,
            delay,
            views: 0,
            written: 0,
            left: 4 + random.skewed(60) as u32,
            pending,
            user,
        };
        if first {
            session.number = 1;
            session.user.first_touch = session.start;
        }
        session
    }

    /// Moves to the next event; `None` when the visit is over.
    pub fn advance(&mut self, random: &mut Random) -> Option<Kind> {
        let kind = match self.pending.pop() {
            Some(kind) => kind,
            None if self.left == 0 => return None,
            None => self.choose(random),
        };
        self.left = self.left.saturating_sub(1);
        if self.written > 0 {
            self.clock += random.between(150, 15_000);
        }
        if kind == Kind::View {
            if self.views > 0 {
                self.previous = Some((self.page, self.clock - random.between(1_000, 90_000)));
                self.page = page(random);
            }
            self.views += 1;
        }
        self.written += 1;
        Some(kind)
    }

    /// Whether the current page is the one the visit began with.
    pub fn is_entrance(&self) -> bool {
        self.views <= 1
    }

    fn choose(&self, random: &mut Random) -> Kind {
        if self.left == 1 && self.user.platform != Platform::Web {
            return Kind::AppEnd;
        }
        match random.below(100) {
            0..=37 => Kind::View,
            38..=57 => Kind::Engagement,
            58..=69 => Kind::Scroll,
            70..=74 => Kind::Click,
            75..=78 => Kind::Search,
            79..=91 => Kind::Item,
            92..=95 => Kind::Purchase,
            _ => Kind::ProfileSet,
        }
    }

    /// Appends the host name of the user's app.
    pub fn write_host(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, "www.{}.example", self.user.app);
    }

    /// Appends a page's url, the campaign's parameters included on the landing page.
    pub fn write_url(&self, out: &mut String, page: Page, landing: bool) {
        out.push_str("https://");
        self.write_host(out);
        out.push_str(page.path);
        if landing && !self.campaign.is_empty() {
            out.push_str(&self.campaign);
        } else if page.number > 0 {
            let _ = write!(out, "?id={}&view=full", page.number);
        }
    }
}

fn page(random: &mut Random) -> Page {
    let (path, title) = PAGES[random.skewed(PAGES.len() as u64) as usize];
    Page { path, title, number: random.skewed(400) }
}

/// Query of the landing page and the referrer.
fn origin(user: &User, random: &mut Random) -> (String, String) {
    let campaign = random.skewed(40);
    let mut click = String::with_capacity(40);
    write_uuid(&mut click, random);
    let none = String::new;
    match random.below(100) {
        0..=34 => (none(), none()),
        35..=54 => (none(), "https://www.google.com/".to_owned()),
        55..=59 => (none(), format!("https://www.bing.com/search?q=best+kettle+{campaign}")),
        60..=64 => (none(), "https://duckduckgo.com/".to_owned()),
        65..=76 => (
            format!(
                "?utm_source={}&utm_medium={}&utm_campaign=autumn_{campaign}&utm_content=variant%20{}&utm_term=kettle%2Bpot",
                ["newsletter", "google", "partner", "tiktok"][random.below(4) as usize],
                ["email", "cpc", "affiliate", "social"][random.below(4) as usize],
                random.below(3)
            ),
            none(),
        ),
        77..=84 => (format!("?gclid=Cj0KCQ{click}&pid={campaign}"), "https://www.google.com/".to_owned()),
        85..=90 => (format!("?fbclid=IwAR{click}"), "https://l.facebook.com/".to_owned()),
        91..=95 => (none(), format!("https://www.{}.example/help/returns", user.app)),
        _ => (none(), format!("https://blog{campaign}.example.org/posts/{campaign}?ref=list")),
    }
}
