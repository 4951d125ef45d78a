//! The rule files of all apps.

use std::path::Path;
use std::sync::Arc;

use etl_sdk::{BuildContext, Error, FolderFile, Result, read_local_folder};
use hashbrown::HashMap;

use super::category::CategoryRules;
use super::channel::ChannelRules;

const CATEGORY_FILE: &str = "traffic_source_category_rule_v1.json";
const CHANNEL_FILE: &str = "traffic_source_channel_rule_v1.json";

/// The rules that come with the program, for apps without their own.
const DEFAULT_CATEGORIES: &str = include_str!("../../rules/categories.json");
const DEFAULT_CHANNELS: &str = include_str!("../../rules/channels.json");

/// The two rule lists of one app, ready to use.
#[derive(Debug)]
pub struct AppRules {
    pub(super) category: CategoryRules,
    pub(super) channel: ChannelRules,
}

impl AppRules {
    /// Reads the content of the two files.
    ///
    /// Fails with [`ErrorKind::Config`] and names the entry or the rule's id and field: for unknown keys in a category
    /// entry, a condition or one of its items (not at the level of a channel rule, which has keys for display too), for
    /// unknown fields and operators, and for patterns that are no regular expressions.
    pub fn parse(category_json: &str, channel_json: &str) -> Result<Self> {
        Ok(Self { category: CategoryRules::parse(category_json)?, channel: ChannelRules::parse(channel_json)? })
    }

    /// The rules that come with the program: well-known sites, and channels by category, medium and campaign.
    pub fn built_in() -> Result<Self> {
        Self::parse(DEFAULT_CATEGORIES, DEFAULT_CHANNELS)
    }
}

/// The rules of every app that has some.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    apps: HashMap<String, Arc<AppRules>>,
    others: Option<Arc<AppRules>>,
}

impl RuleSet {
    /// Reads all rule files under a folder of this machine; see [`RuleSet::read`].
    pub fn load(folder: &Path) -> Result<Self> {
        Self::of_files(&folder.display().to_string(), read_local_folder(folder, &is_rule_file)?)
    }

    /// Reads all rule files under a folder or url, at any depth. The folder a file stands in is named like its app. The
    /// files are `traffic_source_category_rule_v1.json` and `traffic_source_channel_rule_v1.json` in any case; others,
    /// and names that start with a dot, are passed over.
    ///
    /// Fails when the folder is missing, when a file cannot be read or parsed, when an app has only one of the two
    /// files, and when it has one of them twice.
    pub fn read(place: &str, context: &BuildContext) -> Result<Self> {
        let named = if place.contains("://") {
            place.trim_end_matches('/').to_owned()
        } else {
            context.resolve(Path::new(place)).display().to_string()
        };
        Self::of_files(&named, context.read_folder(place, &is_rule_file)?)
    }

    fn of_files(place: &str, files: Vec<FolderFile>) -> Result<Self> {
        let mut found: HashMap<String, AppFiles> = HashMap::new();
        for (path, content) in files {
            let file = format!("{place}/{path}");
            let (folder, name) = file.rsplit_once('/').unwrap_or_default();
            let app = folder.rsplit('/').next().unwrap_or_default().to_owned();
            let is_category = name.eq_ignore_ascii_case(CATEGORY_FILE);
            let files = found.entry_ref(&app).or_default();
            let slot = if is_category { &mut files.category } else { &mut files.channel };
            if let Some((other, _)) = slot.replace((file.clone(), content)) {
                return Err(Error::config("load the traffic source rules: an app has the same file twice")
                    .with("app", app)
                    .with("file", other)
                    .with("other", file));
            }
        }
        let mut found: Vec<(String, AppFiles)> = found.into_iter().collect();
        found.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let mut apps = HashMap::with_capacity(found.len());
        for (app, files) in found {
            let rules = files.parse(&app)?;
            apps.insert(app, Arc::new(rules));
        }
        Ok(Self { apps, others: None })
    }

    /// The same, with rules for all apps that have none of their own.
    #[must_use]
    pub fn with_others(self, rules: AppRules) -> Self {
        Self { others: Some(Arc::new(rules)), ..self }
    }

    /// The rules of an app, if it has some.
    pub fn app(&self, app_id: &str) -> Option<&Arc<AppRules>> {
        self.apps.get(app_id).or(self.others.as_ref())
    }

    /// Whether an app has rules of its own.
    pub fn has_own(&self, app_id: &str) -> bool {
        self.apps.contains_key(app_id)
    }

    /// The apps that have rules of their own, in no order.
    pub fn apps(&self) -> impl Iterator<Item = &str> {
        self.apps.keys().map(String::as_str)
    }

    /// Number of apps that have rules of their own.
    pub fn len(&self) -> usize {
        self.apps.len()
    }

    /// Whether no app has rules of its own.
    pub fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }
}

/// Rules by app id, from elsewhere than a folder.
impl FromIterator<(String, AppRules)> for RuleSet {
    fn from_iter<I: IntoIterator<Item = (String, AppRules)>>(apps: I) -> Self {
        Self { apps: apps.into_iter().map(|(app, rules)| (app, Arc::new(rules))).collect(), others: None }
    }
}

/// Whether a path below the folder of rules is one of a rule file.
fn is_rule_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.eq_ignore_ascii_case(CATEGORY_FILE) || name.eq_ignore_ascii_case(CHANNEL_FILE)
}

/// An app's files: the name that errors carry, and the content.
#[derive(Default)]
struct AppFiles {
    category: Option<(String, Vec<u8>)>,
    channel: Option<(String, Vec<u8>)>,
}

impl AppFiles {
    fn parse(&self, app: &str) -> Result<AppRules> {
        let (category, channel) = match (&self.category, &self.channel) {
            (Some(category), Some(channel)) => (category, channel),
            (Some((only, _)), None) => return Err(missing(app, only, CHANNEL_FILE)),
            (None, only) => {
                return Err(missing(app, only.as_ref().map_or("", |(file, _)| file.as_str()), CATEGORY_FILE));
            }
        };
        let in_file = |file: &str| {
            let file = file.to_owned();
            move |error: Error| error.with("file", file)
        };
        Ok(AppRules {
            category: text_of(category).and_then(CategoryRules::parse).map_err(in_file(&category.0))?,
            channel: text_of(channel).and_then(ChannelRules::parse).map_err(in_file(&channel.0))?,
        })
    }
}

fn text_of((_, content): &(String, Vec<u8>)) -> Result<&str> {
    let text = std::str::from_utf8(content)
        .map_err(|cause| Error::config("read the traffic source rules: the file is no UTF-8").source(cause))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn missing(app: &str, present: &str, name: &'static str) -> Error {
    Error::config("load the traffic source rules")
        .with("app", app)
        .with("file", present)
        .with("missing", name)
        .hint("an app needs both rule files in one folder")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use etl_sdk::ErrorKind;

    use super::*;

    const CATEGORY: &str = r#"[{"url":"a.b","source":"s","category":"Search","params":[]}]"#;
    const CHANNEL: &str = r#"[{"id":"r1","channel":"c","condition":{"op::and":[]}}]"#;

    /// A folder of files that is removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn with(files: &[(&str, &str)]) -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let name = format!("rules-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let folder = std::env::temp_dir().join(name);
            for (path, text) in files {
                let path = folder.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_are_found_at_any_depth_and_in_any_case() {
        let folder = Folder::with(&[
            ("app1/traffic_source_category_rule_v1.json", CATEGORY),
            ("app1/traffic_source_channel_rule_v1.json", CHANNEL),
            ("x/y/app2/Traffic_Source_Category_Rule_V1.json", CATEGORY),
            ("x/y/app2/TRAFFIC_SOURCE_CHANNEL_RULE_V1.JSON", &format!("\u{feff}{CHANNEL}")),
            ("app3/traffic_source_category_rule_v0.json", "not JSON"),
            ("app3/other.json", "not JSON"),
            (".hidden/traffic_source_category_rule_v1.json", "not JSON"),
        ]);
        let rules = RuleSet::load(&folder.0).unwrap();
        assert_eq!(rules.len(), 2);
        assert!(rules.app("app1").is_some() && rules.app("app2").is_some() && rules.app("app3").is_none());
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = RuleSet::load(Path::new("/no/such/rules")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("folder=/no/such/rules"), "{error}");
    }

    #[test]
    fn a_file_that_does_not_parse_is_named_with_its_rule() {
        let folder = Folder::with(&[
            ("app1/traffic_source_category_rule_v1.json", CATEGORY),
            ("app1/traffic_source_channel_rule_v1.json", r#"[{"id":"r7","channel":"c","condition":{}}]"#),
        ]);
        let error = RuleSet::load(&folder.0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let message = error.to_string();
        assert!(
            message.contains("rule=r7") && message.contains("app1/traffic_source_channel_rule_v1.json"),
            "{message}"
        );
    }

    #[test]
    fn rules_come_through_the_reader_of_the_runner() {
        struct Shelf;
        impl etl_sdk::ReadFolder for Shelf {
            fn read_folder(
                &self,
                url: &str,
                wanted: &dyn Fn(&str) -> bool,
                _: &mut etl_sdk::FolderBudget,
            ) -> Result<Vec<FolderFile>> {
                assert_eq!(url, "s3://bucket/app9");
                assert!(!wanted("app1/other.json"));
                let names = [CATEGORY_FILE, CHANNEL_FILE];
                assert!(names.iter().all(|name| wanted(name)));
                // A prefix may be the app's own folder.
                Ok(names
                    .into_iter()
                    .zip([CATEGORY, CHANNEL])
                    .map(|(name, text)| (name.to_owned(), text.into()))
                    .collect())
            }
        }
        let remote = etl_sdk::RemoteFolders(Some(Arc::new(Shelf)));
        let context = BuildContext { remote, ..BuildContext::new("/") };
        let rules = RuleSet::read("s3://bucket/app9", &context).unwrap();
        assert!(rules.has_own("app9") && rules.len() == 1);
        let error = RuleSet::read("s3://bucket/app9", &BuildContext::new("/")).unwrap_err();
        assert!(error.to_string().contains("there is no reader"), "{error}");
    }

    #[test]
    fn the_rules_of_the_program_are_for_apps_without_their_own() {
        let own = [("app1".to_owned(), AppRules::parse(CATEGORY, CHANNEL).unwrap())];
        let rules = own.into_iter().collect::<RuleSet>().with_others(AppRules::built_in().unwrap());
        assert!(rules.has_own("app1") && !rules.has_own("app2"));
        assert!(!Arc::ptr_eq(rules.app("app1").unwrap(), rules.app("app2").unwrap()));
        assert!(RuleSet::default().app("app2").is_none());
    }

    #[test]
    fn half_an_app_and_twice_an_app_are_refused() {
        let folder = Folder::with(&[("app1/traffic_source_category_rule_v1.json", CATEGORY)]);
        let message = RuleSet::load(&folder.0).unwrap_err().to_string();
        assert!(message.contains("app=app1") && message.contains("missing=traffic_source_channel"), "{message}");
        let folder = Folder::with(&[
            ("a/app1/traffic_source_category_rule_v1.json", CATEGORY),
            ("b/app1/traffic_source_category_rule_v1.json", CATEGORY),
        ]);
        let message = RuleSet::load(&folder.0).unwrap_err().to_string();
        assert!(message.contains("twice app=app1"), "{message}");
    }
}
