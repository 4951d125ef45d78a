//! Writes small databases in the MMDB format (version 2.0), for tests.

use std::path::PathBuf;

pub(crate) enum Value {
    Text(String),
    Number16(u16),
    Number32(u32),
    Number64(u64),
    Map(Vec<(String, Value)>),
    List(Vec<Value>),
}

impl Value {
    /// A map of texts, or of other values with [`Value::Map`].
    pub(crate) fn map<const N: usize>(texts: [(&str, &str); N]) -> Self {
        Self::Map(texts.map(|(key, text)| (key.to_owned(), Self::Text(text.to_owned()))).into())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                control(2, text.len(), out);
                out.extend(text.as_bytes());
            }
            Self::Number16(number) => {
                control(5, 2, out);
                out.extend(number.to_be_bytes());
            }
            Self::Number32(number) => {
                control(6, 4, out);
                out.extend(number.to_be_bytes());
            }
            Self::Number64(number) => {
                control(9, 8, out);
                out.extend(number.to_be_bytes());
            }
            Self::Map(entries) => {
                control(7, entries.len(), out);
                for (key, value) in entries {
                    Self::Text(key.clone()).encode(out);
                    value.encode(out);
                }
            }
            Self::List(values) => {
                control(11, values.len(), out);
                for value in values {
                    value.encode(out);
                }
            }
        }
    }
}

fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    assert!(size < 29, "longer values have another form");
    if kind < 8 {
        out.push(kind << 5 | size as u8);
    } else {
        out.extend([size as u8, kind - 7]);
    }
}

#[derive(Clone, Copy)]
enum Branch {
    Empty,
    Node(usize),
    Data(usize),
}

/// Writes a database of networks (address, length of the prefix in bits, record) and returns its path.
pub(crate) fn write<const N: usize>(name: &str, ip_version: u16, networks: &[([u8; N], usize, Value)]) -> PathBuf {
    let mut nodes = vec![[Branch::Empty; 2]];
    let mut data = Vec::new();
    for (address, length, record) in networks {
        let mut node = 0;
        for bit in 0..*length {
            let side = usize::from(address[bit / 8] >> (7 - bit % 8) & 1);
            if bit + 1 == *length {
                nodes[node][side] = Branch::Data(data.len());
            } else if let Branch::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Branch::Empty; 2]);
                nodes[node][side] = Branch::Node(nodes.len() - 1);
                node = nodes.len() - 1;
            }
        }
        record.encode(&mut data);
    }
    let mut file = Vec::new();
    for branch in nodes.iter().flatten() {
        let number = match branch {
            Branch::Empty => nodes.len(),
            Branch::Node(node) => *node,
            Branch::Data(offset) => nodes.len() + 16 + offset,
        };
        file.extend(&(number as u32).to_be_bytes()[1..]);
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = [
        ("binary_format_major_version", Value::Number16(2)),
        ("binary_format_minor_version", Value::Number16(0)),
        ("build_epoch", Value::Number64(1_763_596_800)),
        ("database_type", Value::Text("test places".into())),
        ("description", Value::Map(Vec::new())),
        ("ip_version", Value::Number16(ip_version)),
        ("languages", Value::List(Vec::new())),
        ("node_count", Value::Number32(nodes.len() as u32)),
        ("record_size", Value::Number16(24)),
    ];
    Value::Map(metadata.map(|(key, value)| (key.to_owned(), value)).into()).encode(&mut file);
    let path = std::env::temp_dir().join(format!("ip-geo-{name}-{}.mmdb", std::process::id()));
    std::fs::write(&path, file).unwrap();
    path
}
