//! Folders and buckets behind one door: urls, how to reach them, and their errors in our words.
//!
//! From the ground up:
//!
//! | file | what it is |
//! |---|---|
//! | `config` | the `s3` section of the job file |
//! | `retry` | what is tried again, how often, and for how long |
//! | `disk` | what file systems refuse |
//! | `answer` | what S3 answered, read from the text of an error |
//! | `class` | what a store's failure means |
//! | `error` | errors of `object_store` and of the SDK in our words |
//! | `credentials` | the one chain of credentials, for both clients |
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
mod prefix;
pub mod retry;
mod sdk;
mod store;

pub(crate) use self::answer::is_archived;
pub use self::config::S3Config;
pub use self::disk::MAX_PART_BYTES;
pub use self::error::{sdk_error, store_error};
pub use self::prefix::PrefixReader;
pub use self::retry::RetryConfig;
pub use self::sdk::sdk_client;
pub use self::store::{Bucket, Storage, StorageKind};
