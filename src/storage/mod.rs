//! Folders and buckets behind one door: urls, how to reach them, and their errors in our words.
//!
//! From the ground up:
//!
//! | file | what it is |
//! |---|---|
//! | `config` | the `s3` section of the job file |
//! | `url` | what a url may say |
//! | `retry` | what is tried again, how often, and for how long |
//! | `disk` | what file systems refuse |
//! | `answer` | what S3 answered, read from the text of an error |
//! | `class` | what a store's failure means |
//! | `error` | errors of `object_store` and of the SDK in our words |
//! | `credentials` | the one chain of credentials, for both clients |
//! | `keys` | whether an answer is a listing, and keys that the store's client cannot name |
//! | `http` | what all requests go through |
//! | `address` | how one bucket is reached |
//! | `store` | [`Storage`]: a folder or bucket by its url |
//! | `sdk` | the SDK's client of a bucket |
//! | `prefix` | the files below a url that components are configured with |

mod address;
mod answer;
mod class;
mod config;
mod credentials;
pub(crate) mod disk;
mod error;
mod http;
mod keys;
mod prefix;
pub mod retry;
mod sdk;
mod store;
mod url;

pub(crate) use self::answer::is_archived;
pub use self::class::answer_of;
pub use self::config::{S3Config, Section};
pub use self::disk::MAX_PART_BYTES;
pub use self::error::{sdk_error, store_error};
pub(crate) use self::keys::{OddKey, OddKeys};
pub use self::prefix::PrefixReader;
pub use self::retry::RetryConfig;
pub use self::sdk::sdk_client;
pub use self::store::{Bucket, Storage, StorageKind};
