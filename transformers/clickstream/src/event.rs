//! One event of a payload: its keys sorted into slots, nothing copied yet.

use crate::compat::Compat;
use crate::fields::{A, E, Kind as FieldKind, attribute_key, event_key};
use crate::values;
use etl_sdk::json::{Fault, Kind, Reader, Token};

/// Why an event cannot become rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Defect {
    /// Reason code of the dead letter.
    pub reason: &'static str,
    /// The key at fault.
    pub key: String,
    pub message: &'static str,
}

/// A property of the user object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UserProperty {
    pub key: Token,
    /// The property's `value`. Where that is null, the whole of a custom property, and a missing token for a known one.
    pub value: Token,
    /// The property's `set_timestamp`, epoch milliseconds.
    pub set_time: Option<i64>,
    /// Whether a property known by name is of its type. What is not is kept as it was sent, like a custom one.
    pub fits: bool,
}

/// The user properties that are known by name, in the order they are put into the map.
pub(crate) const KNOWN_USER_KEYS: [&str; 4] = ["_user_id", "_user_name", "_user_age", "_user_first_touch_timestamp"];

/// From here on the known properties are whole numbers; the ones before are text.
pub(crate) const FIRST_NUMBER: usize = 2;

/// Place of `_user_age`, which has 32 bits.
const AGE: usize = 2;

/// The tokens of one event. Spans point into the text it was parsed from.
#[derive(Debug)]
pub(crate) struct ParsedEvent {
    event: [Token; E::Count as usize],
    attributes: [Token; A::Count as usize],
    /// Keys of the event without a column.
    pub extras: Vec<(Token, Token)>,
    /// Keys of its attributes without a column.
    pub attribute_extras: Vec<(Token, Token)>,
    /// The value of `event_type` alone, without its alias: the freshness rule reads no other key.
    pub event_type: Token,
    pub has_attributes: bool,
    pub compat: Compat,
    /// [`KNOWN_USER_KEYS`] in order.
    pub known_user: [Option<UserProperty>; 4],
    pub custom_user: Vec<UserProperty>,
    /// The whole element.
    pub element: Token,
    /// What the structural check found: judged before the filters.
    pub structural: Option<Defect>,
    /// What a later reader would refuse: judged after the filters.
    pub defect: Option<Defect>,
    /// A user property known by name that is not of its shape: the reference refuses the event for it.
    pub user_defect: Option<Defect>,
}

impl Default for ParsedEvent {
    fn default() -> Self {
        Self {
            event: [Token::default(); E::Count as usize],
            attributes: [Token::default(); A::Count as usize],
            extras: Vec::new(),
            attribute_extras: Vec::new(),
            event_type: Token::default(),
            has_attributes: false,
            compat: Compat::default(),
            known_user: [None; 4],
            custom_user: Vec::new(),
            element: Token::default(),
            structural: None,
            defect: None,
            user_defect: None,
        }
    }
}

impl ParsedEvent {
    /// The token of an event's key.
    pub fn event(&self, key: E) -> Token {
        self.event[key as usize]
    }

    /// The token of an attribute.
    pub fn attribute(&self, key: A) -> Token {
        self.attributes[key as usize]
    }

    /// Whether the user object has a property. An empty one counts as none, so that it replaces nothing.
    pub fn has_user_properties(&self) -> bool {
        !self.custom_user.is_empty() || self.known_user.iter().any(Option::is_some)
    }

    /// Reads the next value of the reader as an event. A [`Fault`] says that the text is not JSON; what is JSON but no
    /// event is left in [`ParsedEvent::structural`] and [`ParsedEvent::defect`].
    pub fn parse(&mut self, reader: &mut Reader<'_>, compat: Compat) -> Result<(), Fault> {
        self.clear();
        self.compat = compat;
        let text = reader.text();
        if reader.peek() != Some(b'{') {
            self.element = reader.value()?;
            self.structural =
                Some(Defect { reason: "not_an_object", key: String::new(), message: "the element is no object" });
            return Ok(());
        }
        let start = reader.offset();
        reader.enter()?;
        let mut first = true;
        while let Some(key) = reader.next_key(&mut first)? {
            let slot = if key.kind == Kind::EscapedText {
                event_key(&values::text(key, text).unwrap_or_default())
            } else {
                event_key(key.raw(text))
            };
            match slot {
                Some((slot, kind)) => {
                    let token = match (slot, reader.peek()) {
                        (slot, Some(b'{')) if slot == E::Attributes as usize => self.attributes(reader)?,
                        (slot, Some(b'{')) if slot == E::User as usize => self.user(reader)?,
                        _ => kind.column(reader.value()?, compat),
                    };
                    if kind == FieldKind::Any {
                        self.replace_container(slot, token);
                    }
                    self.event[slot] = token;
                    if slot == E::EventName as usize && values::key_text(key, text) == "event_type" {
                        self.event_type = token;
                    }
                    self.judge(kind, key, token, text);
                }
                None => self.extras.push((key, reader.value()?)),
            }
        }
        self.element = reader.container_from(Kind::Object, start);
        self.judge_whole();
        Ok(())
    }

    /// Reads the next value as one that is nested too deep to be an event. A [`Fault`] says that the text is not JSON.
    pub fn pass_too_deep(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        self.clear();
        self.element = reader.value_at_any_depth()?;
        let message = "the element is nested deeper than the limit";
        self.structural = Some(Defect { reason: "too_deep", key: String::new(), message });
        Ok(())
    }

    fn clear(&mut self) {
        self.event.fill(Token::default());
        self.attributes.fill(Token::default());
        self.extras.clear();
        self.attribute_extras.clear();
        self.event_type = Token::default();
        self.has_attributes = false;
        self.known_user = [None; 4];
        self.custom_user.clear();
        self.structural = None;
        self.defect = None;
        self.user_defect = None;
    }

    fn attributes(&mut self, reader: &mut Reader<'_>) -> Result<Token, Fault> {
        let text = reader.text();
        let start = reader.offset();
        // A second `attributes` key replaces the first.
        self.attributes.fill(Token::default());
        self.attribute_extras.clear();
        reader.enter()?;
        let mut first = true;
        while let Some(key) = reader.next_key(&mut first)? {
            let slot = if key.kind == Kind::EscapedText {
                attribute_key(&values::text(key, text).unwrap_or_default())
            } else {
                attribute_key(key.raw(text))
            };
            let token = reader.value()?;
            match slot {
                Some((slot, kind)) => {
                    let token = kind.column(token, self.compat);
                    self.attributes[slot] = token;
                    self.judge(kind, key, token, text);
                }
                None => self.attribute_extras.push((key, token)),
            }
        }
        Ok(reader.container_from(Kind::Object, start))
    }

    fn user(&mut self, reader: &mut Reader<'_>) -> Result<Token, Fault> {
        let text = reader.text();
        let start = reader.offset();
        self.known_user = [None; 4];
        self.custom_user.clear();
        reader.enter()?;
        let mut first = true;
        while let Some(key) = reader.next_key(&mut first)? {
            let name = values::key_text(key, text);
            let known = KNOWN_USER_KEYS.iter().position(|known| *known == name);
            let found = property(reader, key)?;
            let Some(index) = known else {
                self.custom_user.push(found.custom(text, self.compat));
                continue;
            };
            if let Some(message) = found.misfit(index, text) {
                let key = KNOWN_USER_KEYS[index].to_owned();
                self.user_defect.get_or_insert(Defect { reason: "bad_user_property", key, message });
            }
            self.known_user[index] = found.known(index, text, self.compat);
        }
        Ok(reader.container_from(Kind::Object, start))
    }

    fn judge(&mut self, kind: FieldKind, key: Token, token: Token, text: &str) {
        let misfit = match kind {
            FieldKind::Text | FieldKind::RequiredText if matches!(token.kind, Kind::Array | Kind::Object) => {
                Some("an array or object instead of text")
            }
            FieldKind::Long => values::long(token, text).err(),
            FieldKind::Double => values::double(token, text).err(),
            FieldKind::Integer | FieldKind::RequiredInteger => {
                let fits = match token.kind {
                    Kind::Null => true,
                    Kind::Number => token.raw(text).parse::<i64>().is_ok(),
                    _ => false,
                };
                if !fits {
                    self.keep_structural("wrong_type", key.raw(text), "no whole number of 64 bits");
                }
                None
            }
            FieldKind::Float => {
                let special = |text: &str| matches!(text, "NaN" | "Infinity" | "-Infinity" | "INF" | "-INF");
                let fits = match token.kind {
                    Kind::Null | Kind::Number => true,
                    _ => token.is_text() && special(token.raw(text)),
                };
                if !fits {
                    self.keep_structural("wrong_type", key.raw(text), "no number");
                }
                None
            }
            FieldKind::Text | FieldKind::RequiredText | FieldKind::Safe | FieldKind::Any => None,
        };
        if let Some(misfit) = misfit {
            self.keep_defect("wrong_type", key.raw(text), misfit);
        }
    }

    fn judge_whole(&mut self) {
        for (field, key) in [(E::EventId, "event_id"), (E::AppId, "app_id"), (E::Timestamp, "timestamp")] {
            if !self.event(field).is_present() {
                self.keep_structural("missing_field", key, "must be there");
            }
        }
        let attributes = self.event(E::Attributes);
        let user = self.event(E::User);
        self.has_attributes = attributes.kind == Kind::Object;
        for (slot, token) in [(E::Attributes, attributes), (E::User, user), (E::Items, self.event(E::Items))] {
            self.judge_container(slot as usize, token);
        }
    }

    /// What another value of the key said is gone. The reference reads each before it takes the next, and refuses the event
    /// for the first that does not fit.
    fn replace_container(&mut self, slot: usize, token: Token) {
        if slot == E::Attributes as usize && token.kind != Kind::Object {
            self.attributes.fill(Token::default());
            self.attribute_extras.clear();
        }
        if slot == E::User as usize && token.kind != Kind::Object {
            self.known_user = [None; 4];
            self.custom_user.clear();
        }
        if self.compat.is_reference() {
            self.judge_container(slot, token);
        }
    }

    fn judge_container(&mut self, slot: usize, token: Token) {
        for (container, fits, key) in [
            (E::Attributes, Kind::Object, "attributes"),
            (E::User, Kind::Object, "user"),
            (E::Items, Kind::Array, "items"),
        ] {
            if slot == container as usize && token.is_present() && token.kind != fits {
                let message = if fits == Kind::Array { "must be an array" } else { "must be an object" };
                self.keep_defect("wrong_type", key, message);
            }
        }
    }

    fn keep_structural(&mut self, reason: &'static str, key: &str, message: &'static str) {
        self.structural.get_or_insert_with(|| Defect { reason, key: key.to_owned(), message });
    }

    fn keep_defect(&mut self, reason: &'static str, key: &str, message: &'static str) {
        self.defect.get_or_insert_with(|| Defect { reason, key: key.to_owned(), message });
    }
}

/// A user property as it stands in the text.
struct FoundProperty {
    key: Token,
    /// All of it.
    whole: Token,
    /// Its member `value`; missing when it is no object.
    value: Token,
    /// Its member `set_timestamp`.
    set_time: Token,
    /// Values of the two that others replaced: whether it was `value`, and what it was.
    replaced: Vec<(bool, Token)>,
    /// Whether it is null itself.
    is_null: bool,
    /// What a property known by name may not be or hold.
    stray: Option<&'static str>,
}

impl FoundProperty {
    /// What the reference refuses a property known by name for.
    fn misfit(&self, index: usize, text: &str) -> Option<&'static str> {
        if self.stray.is_some() || self.is_null {
            return self.stray;
        }
        self.replaced.iter().copied().chain([(false, self.set_time), (true, self.value)]).find_map(
            |(is_value, token)| {
                if is_value {
                    misfit_value(index, token, text)
                } else {
                    values::long(token, text).err().map(|_| "a set_timestamp that is no number")
                }
            },
        )
    }

    /// As a property known by name. A text may be null and then stays in the map, as in the reference; a number that is
    /// null is left out.
    fn known(&self, index: usize, text: &str, compat: Compat) -> Option<UserProperty> {
        if self.is_null {
            return None;
        }
        let value = match (self.value.is_present(), self.whole.kind) {
            (true, _) => self.value,
            (false, Kind::Object) if index >= FIRST_NUMBER => return None,
            (false, Kind::Object) => Token::default(),
            (false, _) => self.whole,
        };
        let value = if index < FIRST_NUMBER { values::as_sent(value, compat) } else { value };
        let fits = misfit_value(index, value, text).is_none();
        Some(UserProperty {
            key: self.key,
            value,
            set_time: values::long(self.set_time, text).unwrap_or_default(),
            fits,
        })
    }

    /// As any other property: without a value all of it is the value, and was set at no known time.
    fn custom(&self, text: &str, compat: Compat) -> UserProperty {
        if self.value.is_present() {
            let set_time = values::number_as_long(self.set_time, text, compat);
            return UserProperty { key: self.key, value: self.value, set_time, fits: false };
        }
        UserProperty { key: self.key, value: self.whole, set_time: None, fits: false }
    }
}

/// Why a value is not of the type of the property at `index`.
fn misfit_value(index: usize, value: Token, text: &str) -> Option<&'static str> {
    if index < FIRST_NUMBER {
        let holds_more = matches!(value.kind, Kind::Array | Kind::Object);
        return holds_more.then_some("an array or object instead of text");
    }
    match values::safe_long(value, text) {
        Some(age) if index == AGE && i32::try_from(age).is_err() => Some("no whole number of 32 bits"),
        Some(_) => None,
        None => Some("no whole number"),
    }
}

fn property(reader: &mut Reader<'_>, key: Token) -> Result<FoundProperty, Fault> {
    let text = reader.text();
    let (mut value, mut set_time, mut replaced, mut stray) = (Token::default(), Token::default(), Vec::new(), None);
    if reader.peek() != Some(b'{') {
        let whole = reader.value()?;
        let is_null = whole.kind == Kind::Null;
        let stray = (!is_null).then_some("no object with a value");
        return Ok(FoundProperty { key, whole, value, set_time, replaced, is_null, stray });
    }
    let start = reader.offset();
    reader.enter()?;
    let mut first = true;
    while let Some(member) = reader.next_key(&mut first)? {
        let token = reader.value()?;
        let (is_value, place) = match values::key_text(member, text).as_ref() {
            "value" => (true, &mut value),
            "set_timestamp" => (false, &mut set_time),
            _ => {
                stray = Some("keys other than value and set_timestamp");
                continue;
            }
        };
        let before = std::mem::replace(place, token);
        if before.is_present() {
            replaced.push((is_value, before));
        }
    }
    let whole = reader.container_from(Kind::Object, start);
    Ok(FoundProperty { key, whole, value, set_time, replaced, is_null: false, stray })
}

#[cfg(test)]
mod tests;
