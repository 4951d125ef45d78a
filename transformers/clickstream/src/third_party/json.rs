//! Declared objects as JSON text, as Jackson writes them back.

use super::declared::{Declared, Object, Shape, each_of_list};
use crate::java::{KeyOrder, double_to_string};
use crate::nested::{write_json, write_string};
use crate::values::key_text;
use etl_sdk::json::Kind;
use std::fmt::Write;

/// Appends an object: its declared members in their order, each with its default where it is missing, then the keys
/// that are not declared in the order of a Java `HashMap`. `order` is scratch.
pub(crate) fn write_object(
    object: &Object,
    declared: &'static Declared,
    source: &str,
    order: &mut KeyOrder,
    out: &mut String,
) {
    out.push('{');
    for (index, member) in declared.members.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(member.key, out);
        out.push(':');
        write_member(object, index, member.shape, source, order, out);
    }
    order.clear();
    for (index, (key, _)) in object.unknown.iter().enumerate() {
        order.put(&key_text(*key, source), index as u32);
    }
    for index in order.iter() {
        let (key, value) = object.unknown[index as usize];
        out.push(',');
        write_string(&key_text(key, source), out);
        out.push(':');
        write_json(value, source, out);
    }
    out.push('}');
}

fn write_member(object: &Object, index: usize, shape: Shape, source: &str, order: &mut KeyOrder, out: &mut String) {
    let number = match shape {
        Shape::Text => {
            match object.text(index, source) {
                Some(text) => write_string(&text, out),
                None => out.push_str("null"),
            }
            return;
        }
        Shape::Boolean => return out.push_str(if object.boolean(index, source) { "true" } else { "false" }),
        Shape::Double => return double_to_string(object.double(index, source), out),
        Shape::Object(inner) => {
            return match object.object(index) {
                Some(found) => write_object(found, inner, source, order, out),
                None => out.push_str("null"),
            };
        }
        Shape::List(inner) => return write_list(object, index, inner, source, order, out),
        Shape::Int => Some(i64::from(object.int_or_zero(index, source))),
        Shape::Long => Some(object.long(index, source).unwrap_or_default()),
        Shape::OptionalLong => object.long(index, source),
        Shape::SafeLong => object.safe_long(index, source),
        Shape::SafeInt => object.safe_int(index, source).map(i64::from),
    };
    // Writing to a String cannot fail.
    let _ = match number {
        Some(number) => write!(out, "{number}"),
        None => write!(out, "null"),
    };
}

fn write_list(
    object: &Object,
    index: usize,
    declared: &'static Declared,
    source: &str,
    order: &mut KeyOrder,
    out: &mut String,
) {
    let list = object.value(index);
    if list.kind != Kind::Array {
        out.push_str("null");
        return;
    }
    let start = out.len();
    // It has been read before, under the payload's depth.
    let _ = each_of_list(list, declared, source, u32::MAX, object.compat, |element, text| {
        out.push(if out.len() == start { '[' } else { ',' });
        if element.token.kind == Kind::Object {
            write_object(element, declared, text, order, out);
        } else {
            out.push_str("null");
        }
    });
    out.push_str(if out.len() == start { "[]" } else { "]" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::third_party::Member;
    use etl_sdk::json::Reader;

    static BRAND: Declared = Declared {
        members: &[Member { key: "brand", shape: Shape::Text }, Member { key: "on", shape: Shape::Boolean }],
        keeps_unknown: false,
    };
    static ALL: Declared = Declared {
        members: &[
            Member { key: "a", shape: Shape::Long },
            Member { key: "b", shape: Shape::OptionalLong },
            Member { key: "c", shape: Shape::List(&BRAND) },
            Member { key: "d", shape: Shape::Object(&BRAND) },
            Member { key: "e", shape: Shape::SafeInt },
            Member { key: "f", shape: Shape::Double },
        ],
        keeps_unknown: true,
    };

    #[test]
    fn members_come_in_declared_order_with_their_defaults() {
        for (read, written) in [
            ("{}", r#"{"a":0,"b":null,"c":null,"d":null,"e":null,"f":0.0}"#),
            (
                r#"{"z":1.10,"f":"2","e":7.0,"d":{"on":1,"x":1},"c":[{"brand":"\"q\"","x":1},null,{}],"b":"5","a":1.9,"y":[ 1 ]}"#,
                r#"{"a":1,"b":5,"c":[{"brand":"\"q\"","on":false},null,{"brand":null,"on":false}],"d":{"brand":null,"on":true},"e":null,"f":2.0,"y":[1],"z":1.1}"#,
            ),
            (r#"{"c":[]}"#, r#"{"a":0,"b":null,"c":[],"d":null,"e":null,"f":0.0}"#),
        ] {
            let mut object = Object::default();
            object.read(&ALL, &mut Reader::new(read, 20)).unwrap();
            let mut out = String::new();
            write_object(&object, &ALL, read, &mut KeyOrder::new(), &mut out);
            assert_eq!(out, written);
        }
    }
}
