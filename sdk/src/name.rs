//! Names that are literals in one component and made at run time in another.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A text that costs nothing when it is a literal, and a counter when it is not.
#[derive(Clone)]
enum Text {
    Literal(&'static str),
    Shared(Arc<str>),
}

/// Defines a kind of name: they all behave as their text does, and cannot be taken for each other.
macro_rules! name {
    ($(#[$comment:meta])* $name:ident) => {
        $(#[$comment])*
        ///
        /// Made of a literal it takes no memory; made at run time it is shared, so that a clone never allocates.
        #[derive(Clone)]
        pub struct $name(Text);

        impl $name {
            /// A name that is known when the program is built.
            pub const fn new(text: &'static str) -> Self {
                Self(Text::Literal(text))
            }

            /// Its text.
            pub fn as_str(&self) -> &str {
                match &self.0 {
                    Text::Literal(text) => text,
                    Text::Shared(text) => text,
                }
            }
        }

        impl From<&'static str> for $name {
            fn from(text: &'static str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Text::Shared(text.into()))
            }
        }

        impl From<Arc<str>> for $name {
            fn from(text: Arc<str>) -> Self {
                Self(Text::Shared(text))
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                self.as_str()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $name {}

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.as_str().cmp(other.as_str())
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }
    };
}

name! {
    /// A step of the ledger: `payload`, `user-agent`, `quality event_v2`.
    StepName
}

name! {
    /// Why a row was filtered or refused: a stable code in `snake_case`, fit for grouping.
    ReasonCode
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const LITERAL: ReasonCode = ReasonCode::new("bad_json");

    #[test]
    fn a_literal_and_a_name_made_at_run_time_are_one_key() {
        let made = ReasonCode::from(["bad", "json"].join("_"));
        assert_eq!(made, LITERAL);
        let mut counts = BTreeMap::from([(LITERAL, 1)]);
        *counts.entry(made).or_default() += 2;
        assert_eq!(counts.get("bad_json"), Some(&3));
    }

    #[test]
    fn a_clone_shares_the_text() {
        let made = StepName::from("quality event".to_owned());
        assert!(std::ptr::eq(made.as_str(), made.clone().as_str()));
        let back: StepName = serde_json::from_str(&serde_json::to_string(&made).unwrap()).unwrap();
        assert_eq!(back, made);
    }
}
