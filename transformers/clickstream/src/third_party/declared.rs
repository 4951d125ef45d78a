//! Objects whose members are declared by name and type, as the reference declares them for Jackson.

use crate::compat::Compat;
use crate::event::Defect;
use crate::java;
use crate::values::{self, Misfit};
use etl_sdk::json::{Fault, Kind, Reader, Token};
use std::borrow::Cow;

/// An object's declared members, in the order in which they are written back.
#[derive(Debug)]
pub(crate) struct Declared {
    pub members: &'static [Member],
    /// Whether keys that are not declared are kept.
    pub keeps_unknown: bool,
}

/// One declared member.
#[derive(Debug)]
pub(crate) struct Member {
    pub key: &'static str,
    pub shape: Shape,
}

/// What a member is, and what stands for it when it is missing or null.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// A text; numbers and booleans count as theirs. Null.
    Text,
    /// A boolean, a whole number (0 is false), or the text of one. False.
    Boolean,
    /// 32 bits; decimals are cut toward zero, text of a number counts. 0.
    Int,
    /// As [`Shape::Int`] with 64 bits. 0.
    Long,
    /// As [`Shape::Long`]. Null.
    OptionalLong,
    /// A whole number of 64 bits, or null for anything else.
    SafeLong,
    /// A whole number of 32 bits, or null for anything else.
    SafeInt,
    /// A number or text of one. 0.0.
    Double,
    /// An object. Null.
    Object(&'static Declared),
    /// An array of objects and nulls. Null.
    List(&'static Declared),
}

impl Declared {
    /// The index of a member; a key that is not declared does not compile where the result is a constant.
    pub const fn index_of(&self, key: &str) -> usize {
        let mut index = 0;
        while !same(self.members[index].key, key) {
            index += 1;
        }
        index
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.members.iter().position(|member| member.key == key)
    }
}

const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// An object's members as tokens; spans point into the text it was read from. Made to be read into again.
#[derive(Debug, Default)]
pub(crate) struct Object {
    /// All of it; another kind than [`Kind::Object`] when something else stood there.
    pub token: Token,
    /// By index of the member.
    values: Vec<Token>,
    /// By index of the member; only read where the value is an object.
    objects: Vec<Object>,
    /// Keys that are not declared, in their order.
    pub unknown: Vec<(Token, Token)>,
    /// How numbers in the place of texts are read.
    pub compat: Compat,
    /// Of a value that another of its key replaced, in the reference: it reads each before it takes the next.
    replaced: Option<Defect>,
}

impl Object {
    /// One to read into.
    pub fn new(compat: Compat) -> Self {
        Self { compat, ..Self::default() }
    }

    /// Reads the next value of the reader. A [`Fault`] says that the text is no JSON, or nested too deep. Whether the
    /// members are of their types is left to [`Object::misfit`]. Of keys that come twice the last one counts.
    pub fn read(&mut self, declared: &'static Declared, reader: &mut Reader<'_>) -> Result<(), Fault> {
        self.values.clear();
        self.values.resize(declared.members.len(), Token::default());
        self.unknown.clear();
        self.replaced = None;
        if reader.peek() != Some(b'{') {
            self.token = reader.value()?;
            return Ok(());
        }
        let text = reader.text();
        let start = reader.offset();
        reader.enter()?;
        let mut first = true;
        while let Some(key) = reader.next_key(&mut first)? {
            let Some(index) = declared.find(&values::key_text(key, text)) else {
                let value = reader.value()?;
                if declared.keeps_unknown {
                    self.unknown.push((key, value));
                }
                continue;
            };
            if self.compat.is_reference() && self.values[index].is_present() && self.replaced.is_none() {
                self.replaced = self.misfit_of(index, &declared.members[index], text, u32::MAX);
            }
            self.values[index] = match (declared.members[index].shape, reader.peek()) {
                (Shape::Object(inner), Some(b'{')) => {
                    if self.objects.len() <= index {
                        self.objects.resize_with(declared.members.len(), || Self::new(self.compat));
                    }
                    self.objects[index].read(inner, reader)?;
                    self.objects[index].token
                }
                (Shape::Text, _) => values::as_sent(reader.value()?, self.compat),
                _ => reader.value()?,
            };
        }
        self.token = reader.container_from(Kind::Object, start);
        Ok(())
    }

    /// The token of a member.
    pub fn value(&self, index: usize) -> Token {
        self.values.get(index).copied().unwrap_or_default()
    }

    pub fn text<'a>(&self, index: usize, source: &'a str) -> Option<Cow<'a, str>> {
        values::text(self.value(index), source)
    }

    /// A whole number of any of the shapes; `None` where the member is missing, null or does not fit.
    pub fn long(&self, index: usize, source: &str) -> Option<i64> {
        values::long(self.value(index), source).ok().flatten()
    }

    /// As [`Object::long`], 0 instead of `None`.
    pub fn int_or_zero(&self, index: usize, source: &str) -> i32 {
        self.long(index, source).and_then(|value| i32::try_from(value).ok()).unwrap_or_default()
    }

    pub fn safe_long(&self, index: usize, source: &str) -> Option<i64> {
        values::safe_long(self.value(index), source)
    }

    pub fn safe_int(&self, index: usize, source: &str) -> Option<i32> {
        self.safe_long(index, source).and_then(|value| i32::try_from(value).ok())
    }

    pub fn boolean(&self, index: usize, source: &str) -> bool {
        boolean(self.value(index), source).unwrap_or_default()
    }

    /// 0.0 where the member is missing or null.
    pub fn double(&self, index: usize, source: &str) -> f64 {
        values::double(self.value(index), source).ok().flatten().unwrap_or_default()
    }

    /// A member that is an object.
    pub fn object(&self, index: usize) -> Option<&Self> {
        if self.value(index).kind == Kind::Object { self.objects.get(index) } else { None }
    }

    /// The first member whose value is not of its type, with the path of its key. `depth` is that of the text.
    pub fn misfit(&self, declared: &'static Declared, source: &str, depth: u32) -> Option<Defect> {
        let of_members = || {
            let mut members = declared.members.iter().enumerate();
            members.find_map(|(index, member)| self.misfit_of(index, member, source, depth))
        };
        self.replaced.clone().or_else(of_members)
    }

    fn misfit_of(&self, index: usize, member: &Member, source: &str, depth: u32) -> Option<Defect> {
        let value = self.value(index);
        let message = match member.shape {
            Shape::Text if matches!(value.kind, Kind::Array | Kind::Object) => "an array or object instead of text",
            Shape::Boolean => boolean(value, source).err()?,
            Shape::Int => match values::long(value, source) {
                Ok(Some(long)) if i32::try_from(long).is_err() => "a number beyond 32 bits",
                found => found.err()?,
            },
            Shape::Long | Shape::OptionalLong => values::long(value, source).err()?,
            Shape::Double => values::double(value, source).err()?,
            Shape::Object(inner) if value.kind == Kind::Object => {
                return self.object(index)?.misfit(inner, source, depth).map(|defect| within(member.key, defect));
            }
            Shape::Object(_) if value.is_present() => "must be an object",
            Shape::List(inner) if value.kind == Kind::Array => {
                return misfit_of_list(value, inner, source, depth, self.compat)
                    .map(|defect| within(member.key, defect));
            }
            Shape::List(_) if value.is_present() => "must be an array",
            Shape::Text | Shape::SafeLong | Shape::SafeInt | Shape::Object(_) | Shape::List(_) => return None,
        };
        Some(Defect { reason: "wrong_type", key: member.key.to_owned(), message })
    }
}

fn within(key: &str, mut defect: Defect) -> Defect {
    defect.key = if defect.key.is_empty() { key.to_owned() } else { format!("{key}.{}", defect.key) };
    defect
}

fn misfit_of_list(
    list: Token,
    declared: &'static Declared,
    source: &str,
    depth: u32,
    compat: Compat,
) -> Option<Defect> {
    let mut found = None;
    let broken = each_of_list(list, declared, source, depth, compat, |object, text| {
        if object.token.kind == Kind::Object {
            found = found.take().or_else(|| object.misfit(declared, text, depth));
        } else if object.token.kind != Kind::Null && found.is_none() {
            found = Some(Defect { reason: "wrong_type", key: String::new(), message: "an element that is no object" });
        }
    });
    match broken {
        Ok(()) => found,
        Err(fault) => Some(Defect { reason: "wrong_type", key: String::new(), message: fault.reason }),
    }
}

/// Reads the elements of an array one after the other into one object, so that memory does not grow with their number.
/// `visit` gets the object and the text its tokens point into.
pub(crate) fn each_of_list<'a>(
    list: Token,
    declared: &'static Declared,
    source: &'a str,
    depth: u32,
    compat: Compat,
    mut visit: impl FnMut(&Object, &'a str),
) -> Result<(), Fault> {
    if list.kind != Kind::Array {
        return Ok(());
    }
    let text = list.raw(source);
    let mut reader = Reader::new(text, depth);
    let mut object = Object::new(compat);
    let mut first = true;
    reader.enter()?;
    while reader.next_element(&mut first)? {
        object.read(declared, &mut reader)?;
        visit(&object, text);
    }
    Ok(())
}

/// A boolean as Jackson reads a primitive one.
pub(crate) fn boolean(token: Token, source: &str) -> Result<bool, Misfit> {
    match token.kind {
        Kind::Missing | Kind::Null | Kind::False => Ok(false),
        Kind::True => Ok(true),
        Kind::Number => token.raw(source).parse::<i64>().map(|number| number != 0).map_err(|_| "no boolean"),
        Kind::Text | Kind::EscapedText => match values::text(token, source).as_deref().map(java::trim) {
            Some("true" | "True" | "TRUE") => Ok(true),
            Some("false" | "False" | "FALSE" | "" | "null") | None => Ok(false),
            Some(_) => Err("text that is no boolean"),
        },
        Kind::Array | Kind::Object => Err("no boolean"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static INNER: Declared =
        Declared { members: &[Member { key: "flag", shape: Shape::Boolean }], keeps_unknown: false };
    static OUTER: Declared = Declared {
        members: &[
            Member { key: "text", shape: Shape::Text },
            Member { key: "int", shape: Shape::Int },
            Member { key: "long", shape: Shape::Long },
            Member { key: "double", shape: Shape::Double },
            Member { key: "safe", shape: Shape::SafeInt },
            Member { key: "inner", shape: Shape::Object(&INNER) },
            Member { key: "list", shape: Shape::List(&INNER) },
        ],
        keeps_unknown: true,
    };
    const INT: usize = OUTER.index_of("int");
    const INNER_PLACE: usize = OUTER.index_of("inner");

    fn read(text: &str) -> Object {
        let mut object = Object::default();
        object.read(&OUTER, &mut Reader::new(text, 20)).unwrap();
        object
    }

    fn misfit(text: &str) -> Option<String> {
        read(text).misfit(&OUTER, text, 20).map(|defect| defect.key)
    }

    #[test]
    fn values_are_coerced_as_jackson_does() {
        for (text, value) in
            [("{'int':1.9}", 1), ("{'int':' 7 '}", 7), ("{'int':''}", 0), ("{'int':null}", 0), ("{}", 0)]
        {
            assert_eq!(read(text).int_or_zero(INT, text), value, "{text}");
            assert_eq!(misfit(text), None, "{text}");
        }
        for (text, value) in [
            ("true", Ok(true)),
            ("0", Ok(false)),
            ("3", Ok(true)),
            ("'TRUE'", Ok(true)),
            ("''", Ok(false)),
            ("null", Ok(false)),
        ] {
            let token = Reader::new(text, 1).value().unwrap();
            assert_eq!(boolean(token, text), value, "{text}");
        }
    }

    #[test]
    fn the_first_misfit_is_named_by_its_path() {
        for (text, key) in [
            ("{'text':[]}", "text"),
            ("{'int':2147483648}", "int"),
            ("{'long':'x'}", "long"),
            ("{'double':true}", "double"),
            ("{'inner':[]}", "inner"),
            ("{'inner':{'flag':'yes'}}", "inner.flag"),
            ("{'list':{}}", "list"),
            ("{'list':[null,1]}", "list"),
            ("{'list':[null,{},{'flag':1.5}]}", "list.flag"),
        ] {
            assert_eq!(misfit(text).as_deref(), Some(key), "{text}");
        }
        assert_eq!(misfit("{'safe':{},'inner':null,'list':[null],'other':[]}"), None);
    }

    #[test]
    fn the_last_of_a_key_counts_and_objects_are_read_again() {
        let text = "{'inner':{'flag':true},'inner':null,'int':'x','int':5}";
        let mut object = read(text);
        assert!(object.object(INNER_PLACE).is_none());
        assert_eq!(object.misfit(&OUTER, text, 20), None);
        let text = "{'inner':{'flag':true,'gone':1},'kept':1}";
        object.read(&OUTER, &mut Reader::new(text, 20)).unwrap();
        assert!(object.object(INNER_PLACE).unwrap().boolean(0, text));
        assert_eq!((object.unknown.len(), object.object(INNER_PLACE).unwrap().unknown.len()), (1, 0));
        object.read(&OUTER, &mut Reader::new("5", 20)).unwrap();
        assert_eq!((object.token.kind, object.value(INT).kind), (Kind::Number, Kind::Missing));
    }
}
