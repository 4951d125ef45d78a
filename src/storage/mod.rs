//! Folders and buckets behind one door: urls, how to reach them, and their errors in our words.
//!
//! From the ground up:
//!
//! | file | what it is |
//! |---|---|
//! | `endpoint` | servers in the place of AWS |
//! | `aws` | the `aws` section of the job file |
//! | `encryption`, `storage_class` | how S3 keeps what is written |
//! | `config` | the `s3` section of the job file |
//! | `url` | what a url may say |
//! | `retry` | what is tried again, how often, and for how long |
//! | `disk` | what file systems refuse |
//! | `answer` | what S3 answered, read from the text of an error |
//! | `class` | what a store's failure means |
//! | `error` | errors of `object_store` and of the SDK in our words |
//! | `credentials` | the one chain of credentials, for both clients |
//! | `keys` | whether an answer is a listing, and keys that the store's client cannot name |
//! | `operation` | which operation of S3 a request is |
//! | `headers` | what each request says as the `s3` section wants it |
//! | `counted` | bodies whose bytes are counted |
//! | `http` | what all requests go through |
//! | `address` | how one bucket is reached |
//! | `store` | [`Storage`]: a folder or bucket by its url |
//! | `sdk` | the SDK's client of a bucket |
//! | `service` | what clients of other services are made of |
//! | `prefix` | the files below a url that components are configured with |

mod address;
mod answer;
mod aws;
mod class;
mod config;
mod counted;
mod credentials;
pub(crate) mod disk;
mod encryption;
mod endpoint;
mod error;
mod headers;
mod http;
mod keys;
mod operation;
mod prefix;
pub mod retry;
mod sdk;
mod service;
mod storage_class;
mod store;
mod url;

pub(crate) use self::answer::is_archived;
pub use self::aws::{AwsConfig, RoleConfig};
pub use self::class::answer_of;
pub use self::config::{S3Config, Section};
pub use self::disk::MAX_PART_BYTES;
pub use self::encryption::{Encryption, KmsEncryption};
pub use self::error::{sdk_error, service_error, store_error};
pub(crate) use self::http::client as http_client;
pub(crate) use self::keys::{OddKey, OddKeys};
pub use self::prefix::PrefixReader;
pub use self::retry::RetryConfig;
pub use self::sdk::sdk_client;
pub use self::store::{Bucket, Storage, StorageKind};
