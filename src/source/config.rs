//! The `source` section of the job file.

use super::zone::PathZone;
use crate::storage::S3Config;
use crate::text::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the raw batches are and how they are read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// A folder, `file:///folder` or `s3://bucket/prefix`. Example: `s3://acme-raw/clickstream/`
    pub url: String,
    /// How to reach an `s3://` url.
    #[serde(default)]
    pub s3: S3Config,
    /// How objects are laid out by time. Default: `hive-hourly`.
    #[serde(default)]
    pub layout: Layout,
    /// Which time of an object decides its window. Default: `modified`.
    #[serde(default)]
    pub select: Select,
    /// How far before the window's start path prefixes are listed too, so that an object written late under an earlier
    /// prefix is found. At least the producer's longest buffering. It does not change which times belong to the window.
    /// Default: `2h`.
    #[serde(default = "default_look_back")]
    pub look_back: Span,
    /// How far past the window's end path prefixes are listed too, for producers whose clock runs ahead of the store's.
    /// It does not change which times belong to the window. Default: `1h`.
    #[serde(default = "default_look_ahead")]
    pub look_ahead: Span,
    /// The time zone of the hours in paths: `UTC`, a name such as `Asia/Tokyo`, or a distance from UTC such as `+09:00`.
    /// Default: `UTC`.
    #[serde(default)]
    pub path_time_zone: PathZone,
    /// What it means when there is nothing at all below the url, in no window: `warn`, or `fail` for an error.
    /// Default: `warn`.
    #[serde(default)]
    pub if_empty: IfEmpty,
    /// Only objects whose key ends like one of these. Default: all. Example: `[.gz, .json]`
    #[serde(default)]
    pub suffixes: Vec<String>,
    /// How one object holds many records. Default: `lines`.
    #[serde(default)]
    pub framing: Framing,
    /// `true` for objects that are Base64 text around the (possibly compressed) records.
    #[serde(default)]
    pub base64: bool,
}

/// What a source without any object means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IfEmpty {
    /// A warning: the prefix may be wrong.
    #[default]
    Warn,
    /// An error of the kind `not_found`.
    Fail,
}

/// How objects are laid out by time; see `path_time_zone`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `year=2026/month=11/day=20/hour=05/`
    #[default]
    HiveHourly,
    /// `2026/11/20/05/`, as Firehose writes.
    FirehoseHourly,
    /// No time in the path; needs `select: modified`.
    Flat,
}

/// Which time of an object decides its window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// When the object was last modified. Windows tile exactly: each object belongs to one window, late ones included.
    #[default]
    Modified,
    /// The hour in its path. An object that arrives after its hour was processed is only found by running that hour again.
    /// The window must be of whole hours.
    Path,
}

/// How one object holds many records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// One record per line; a line is any text. Blank lines are no records.
    #[default]
    Lines,
    /// The whole object is one JSON value.
    Document,
    /// The object is a JSON array; each element is a record.
    Array,
    /// JSON values one after the other, with or without white space between them.
    Concatenated,
}

fn default_look_back() -> Span {
    Span { seconds: 2 * 3_600 }
}

fn default_look_ahead() -> Span {
    Span { seconds: 3_600 }
}
