//! The rule files of all apps.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etl_sdk::{Error, ErrorKind, Result};
use hashbrown::HashMap;

use super::category::CategoryRules;
use super::channel::ChannelRules;

const CATEGORY_FILE: &str = "traffic_source_category_rule_v1.json";
const CHANNEL_FILE: &str = "traffic_source_channel_rule_v1.json";

/// Folders deeper than this under the rule folder are an error, not a loop through links.
const MAX_DEPTH: usize = 16;

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
}

/// The rules of every app that has some.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    apps: HashMap<String, Arc<AppRules>>,
}

impl RuleSet {
    /// Reads all rule files under `folder`, at any depth. The folder a file stands in is named like its app. The files
    /// are `traffic_source_category_rule_v1.json` and `traffic_source_channel_rule_v1.json` in any case; others, and
    /// names that start with a dot, are passed over.
    ///
    /// Fails when the folder is missing, when a file cannot be read or parsed, when an app has only one of the two
    /// files, and when it has one of them twice.
    pub fn load(folder: &Path) -> Result<Self> {
        let mut found = HashMap::new();
        collect(folder, 0, &mut found)?;
        let mut found: Vec<(String, AppFiles)> = found.into_iter().collect();
        found.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let mut apps = HashMap::with_capacity(found.len());
        for (app, files) in found {
            let rules = files.read(&app)?;
            apps.insert(app, Arc::new(rules));
        }
        Ok(Self { apps })
    }

    /// The rules of an app, if it has some.
    pub fn app(&self, app_id: &str) -> Option<&Arc<AppRules>> {
        self.apps.get(app_id)
    }

    /// Number of apps that have rules.
    pub fn len(&self) -> usize {
        self.apps.len()
    }

    /// Whether no app has rules.
    pub fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }
}

/// Rules by app id, from elsewhere than a folder.
impl FromIterator<(String, AppRules)> for RuleSet {
    fn from_iter<I: IntoIterator<Item = (String, AppRules)>>(apps: I) -> Self {
        Self { apps: apps.into_iter().map(|(app, rules)| (app, Arc::new(rules))).collect() }
    }
}

/// Where an app's rules are.
#[derive(Default)]
struct AppFiles {
    category: Option<PathBuf>,
    channel: Option<PathBuf>,
}

impl AppFiles {
    fn read(&self, app: &str) -> Result<AppRules> {
        let (category, channel) = match (&self.category, &self.channel) {
            (Some(category), Some(channel)) => (category, channel),
            (Some(only), None) => return Err(missing(app, only, CHANNEL_FILE)),
            (None, only) => return Err(missing(app, only.as_deref().unwrap_or(Path::new("")), CATEGORY_FILE)),
        };
        let in_file = |path: &Path| {
            let file = path.display().to_string();
            move |error: Error| error.with("file", file)
        };
        Ok(AppRules {
            category: CategoryRules::parse(&read_text(category)?).map_err(in_file(category))?,
            channel: ChannelRules::parse(&read_text(channel)?).map_err(in_file(channel))?,
        })
    }
}

fn missing(app: &str, present: &Path, name: &'static str) -> Error {
    Error::config("load the traffic source rules")
        .with("app", app)
        .with("file", present.display())
        .with("missing", name)
        .hint("an app needs both rule files in one folder")
}

/// Fills `found`, by app, with the rule files under `folder`.
fn collect(folder: &Path, depth: usize, found: &mut HashMap<String, AppFiles>) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::config("look for traffic source rules: the folders are nested too deep")
            .with("folder", folder.display()));
    }
    let failed = |cause: std::io::Error| io_error("look for traffic source rules", "folder", folder, cause);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        // Follows links: mounted settings are often links to files.
        if fs::metadata(&path).map_err(failed)?.is_dir() {
            collect(&path, depth + 1, found)?;
            continue;
        }
        let is_category = name.eq_ignore_ascii_case(CATEGORY_FILE);
        if !is_category && !name.eq_ignore_ascii_case(CHANNEL_FILE) {
            continue;
        }
        let app = folder.file_name().map(|app| app.to_string_lossy().into_owned()).unwrap_or_default();
        let files = found.entry(app.clone()).or_default();
        let place = if is_category { &mut files.category } else { &mut files.channel };
        if let Some(other) = place.replace(path.clone()) {
            return Err(Error::config("load the traffic source rules: an app has the same file twice")
                .with("app", app)
                .with("file", other.display())
                .with("other", path.display()));
        }
    }
    Ok(())
}

fn read_text(path: &Path) -> Result<String> {
    let text =
        fs::read_to_string(path).map_err(|cause| io_error("read the traffic source rules", "file", path, cause))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn io_error(operation: &str, role: &'static str, path: &Path, cause: std::io::Error) -> Error {
    let kind = match cause.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorKind::Permission,
        _ => ErrorKind::Config,
    };
    Error::new(kind, operation).with(role, path.display()).source(cause)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

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
