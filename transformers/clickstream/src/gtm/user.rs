//! The user's properties of an event of Google Tag Manager.

use super::declared::{USER, USER_PROPERTIES};
use crate::custom::UserProperties;
use crate::event::Defect;
use crate::third_party::{Element, PropertiesWriter};
use std::borrow::Cow;

const AGE: usize = USER_PROPERTIES.index_of("age");

/// The reference gives up an event whose user has no age.
pub(super) fn check(element: &Element<'_>) -> Result<(), Defect> {
    let Some(user) = element.object.object(USER) else { return Ok(()) };
    if element.reference && user.safe_int(AGE, element.source).is_none() {
        return Err(Defect { reason: "bad_user_property", key: "age".to_owned(), message: "no whole number" });
    }
    Ok(())
}

/// The eight known properties, null ones too, then the others. A missing age is null.
pub(super) fn properties(element: &Element<'_>, writer: &mut PropertiesWriter) -> Option<UserProperties> {
    let source = element.source;
    let user = element.object.object(USER)?;
    let text = |name, key: usize| (name, user.text(key, source), "string");
    let age = user.safe_int(AGE, source).map(|age| Cow::Owned(age.to_string()));
    let known = [
        text("user_id", const { USER_PROPERTIES.index_of("_user_id") }),
        text("username", const { USER_PROPERTIES.index_of("username") }),
        text("email", const { USER_PROPERTIES.index_of("email") }),
        text("firstName", const { USER_PROPERTIES.index_of("firstName") }),
        text("lastName", const { USER_PROPERTIES.index_of("lastName") }),
        text("gender", const { USER_PROPERTIES.index_of("gender") }),
        ("age", age, "number"),
        text("persona", const { USER_PROPERTIES.index_of("persona") }),
    ];
    Some(writer.known_then_others(&known, &user.unknown, source))
}
