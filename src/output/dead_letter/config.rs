//! The `dead_letter` section of the job file.

use crate::storage::S3Config;
use crate::text::ByteSize;
use schemars::JsonSchema;
use serde::Deserialize;

/// What becomes of records that cannot be used.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeadLetterConfig {
    /// A folder or `s3://bucket/prefix`. Default: `_dead_letters` under the sink's url.
    pub url: Option<String>,
    /// How to reach an `s3://` url. Default: the sink's settings.
    pub s3: Option<S3Config>,
    /// Most bytes of a raw record kept beside its address; `0` keeps the address alone, so that no copy of personal
    /// data is made. Default: `1MiB`.
    pub raw_bytes: ByteSize,
}

impl Default for DeadLetterConfig {
    fn default() -> Self {
        Self { url: None, s3: None, raw_bytes: ByteSize::mib(1) }
    }
}
