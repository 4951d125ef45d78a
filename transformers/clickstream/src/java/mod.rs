//! Text rules of the Java platform that the published tables depend on, byte for byte.
//!
//! Each file holds one rule: how a double is printed, how form data is percent-decoded, in which order a hash map is
//! walked, how a text is cut to a number of bytes, what a URI may look like. They are pure functions of their input.

mod compare;
mod key_order;
mod number;
mod parse;
mod percent;
mod truncate;
mod uri;

pub use compare::{compare_utf16, equals_ignore_case};
pub use key_order::KeyOrder;
pub use number::double_to_string;
pub use parse::{low_bits, parse_double, parse_long, trim};
pub use percent::{decode_percent, url_decode};
pub use truncate::truncate;
pub use uri::{UriFault, UriParts, parse_uri};
