//! Why the step `source` puts bytes into the dead letters. One dead letter covers one record, one stretch that is no
//! record, or what lies beyond a break in an object; records before and after it are not lost.

/// The object ends before its compression says so. What was complete before the break is read.
pub const TRUNCATED_OBJECT: &str = "truncated_object";
/// The object's compression is damaged. What was decoded before the damage is read.
pub const CORRUPT_OBJECT: &str = "corrupt_object";
/// Beyond `limits.expansion_ratio`; the rest of the object is not read.
pub const EXPANSION_RATIO: &str = "expansion_ratio";
/// Beyond `limits.object_bytes`; the rest of the object is not read.
pub const OBJECT_TOO_LARGE: &str = "object_too_large";
/// A format that is not read, such as xz: the object is passed over, and named.
pub const UNSUPPORTED_FORMAT: &str = "unsupported_format";
/// A zstd frame that asks for a larger window than `limits.zstd_window`.
pub const WINDOW_TOO_LARGE: &str = "window_too_large";
/// Compressed more than three times over.
pub const TOO_MANY_LAYERS: &str = "too_many_layers";
/// `source.base64` is set and the object holds something else.
pub const BAD_BASE64: &str = "bad_base64";
/// An encrypted entry of a zip.
pub const ZIP_ENCRYPTED: &str = "zip_encrypted";
/// An entry of a zip that is neither stored nor deflated, or stored without its length.
pub const ZIP_UNSUPPORTED: &str = "zip_unsupported";
/// A record longer than `limits.record_bytes`.
pub const RECORD_TOO_LONG: &str = "record_too_long";
/// A record nested deeper than `limits.depth`; only framings that look into JSON see it.
pub const TOO_DEEP: &str = "too_deep";
/// No JSON value where the framing expects one; only framings that look into JSON see it.
pub const NOT_JSON: &str = "not_json";
/// `framing: array` and something other than an array; the rest of the object is not read.
pub const NOT_AN_ARRAY: &str = "not_an_array";
/// The object ends inside its array; the elements before are read.
pub const UNTERMINATED_ARRAY: &str = "unterminated_array";

/// All of them.
pub const ALL: [&str; 15] = [
    UNSUPPORTED_FORMAT,
    WINDOW_TOO_LARGE,
    TRUNCATED_OBJECT,
    CORRUPT_OBJECT,
    EXPANSION_RATIO,
    OBJECT_TOO_LARGE,
    TOO_MANY_LAYERS,
    BAD_BASE64,
    ZIP_ENCRYPTED,
    ZIP_UNSUPPORTED,
    RECORD_TOO_LONG,
    TOO_DEEP,
    NOT_JSON,
    NOT_AN_ARRAY,
    UNTERMINATED_ARRAY,
];
