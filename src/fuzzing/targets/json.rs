//! JSON pointers, looked up in one pass and in a tree, and those of each item of an array.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::pointer::{MAX_LEVELS, MAX_POINTERS, Path, Pointers, Scalar};

pub(super) fn check(data: &[u8]) -> bool {
    let end = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
    let (lines, body) = data.split_at(end);
    let body = body.strip_prefix(b"\n\n").unwrap_or_default();
    let lines = String::from_utf8_lossy(lines);
    let mut pointers: Vec<&str> = Vec::new();
    for line in lines.split('\n') {
        assert_eq!(Pointers::new([line]).is_ok(), is_pointer(line), "{line:?}");
        if is_pointer(line) && pointers.len() < MAX_POINTERS {
            pointers.push(line);
        }
    }

    let set = Pointers::new(pointers.iter().copied()).expect("each of them is one");
    let tree: Result<Value, _> = serde_json::from_slice(body);
    let (tree, found) = match (tree, set.find(body)) {
        (Ok(tree), Ok(found)) => (tree, found),
        (Ok(_), Err(_)) => panic!("JSON was refused"),
        (Err(_), Err(_)) => return false,
        // What no pointer leads to is skipped: text there need not be UTF-8, numbers and depth have
        // no bounds. It is JSON all the same.
        (Err(error), Ok(_)) => {
            assert!(serde_json::from_slice::<IgnoredAny>(body).is_ok(), "accepted: {error}");
            return false;
        }
    };
    for (at, pointer) in pointers.iter().enumerate() {
        compare(tree.pointer(pointer), found.get(at), body, pointer);
    }
    let pairs = serde_json::from_slice(body).expect("it was JSON before");
    for path in &pointers {
        let items = array(&pairs, &tree, path);
        items_at(path, items, &set, &pointers, body);
    }
    !pointers.is_empty() && pointers.iter().all(|pointer| tree.pointer(pointer).is_some())
}

/// The same pointers, in each item of the array that one of them leads to.
fn items_at(
    path: &str,
    items: Option<&Vec<Value>>,
    set: &Pointers,
    pointers: &[&str],
    body: &[u8],
) {
    let max = body.len() % 4 + 1;
    let items = items.filter(|items| (1..=max).contains(&items.len()));
    let found = Path::parse(path).expect("a pointer").find(set, body, max);
    let lengths = (items.map(Vec::len), found.as_ref().map(Vec::len));
    assert_eq!(lengths.0, lengths.1, "the items at {path:?} of {}", body.escape_ascii());
    for (item, found) in items.into_iter().flatten().zip(found.iter().flatten()) {
        for (at, pointer) in pointers.iter().enumerate() {
            compare(item.pointer(pointer), found.get(at), body, pointer);
        }
    }
}

/// The array that a pointer leads to, unless a key on the way there is in its object twice.
fn array<'t>(pairs: &Pairs, tree: &'t Value, path: &str) -> Option<&'t Vec<Value>> {
    let mut at = pairs;
    for token in path.split('/').skip(1) {
        let key = token.replace("~1", "/").replace("~0", "~");
        at = match at {
            Pairs::Object(pairs) => {
                let mut values = pairs.iter().filter(|(name, _)| *name == key);
                let value = values.next()?;
                if values.next().is_some() {
                    return None;
                }
                &value.1
            }
            // Where a tree leads on; of an array nothing is there twice.
            Pairs::Array(items) => items.get(key.parse::<usize>().ok()?)?,
            Pairs::Other => return None,
        };
    }
    tree.pointer(path)?.as_array()
}

/// JSON with all pairs of each object, of which a tree keeps the last.
enum Pairs {
    Object(Vec<(String, Pairs)>),
    Array(Vec<Pairs>),
    Other,
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs::Object(pairs))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pairs, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Pairs::Array(items))
            }

            fn visit_str<E>(self, _: &str) -> Result<Pairs, E> {
                Ok(Pairs::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Pairs, E> {
                Ok(Pairs::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Pairs, E> {
                Ok(Pairs::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Pairs, E> {
                Ok(Pairs::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Pairs, E> {
                Ok(Pairs::Other)
            }

            fn visit_unit<E>(self) -> Result<Pairs, E> {
                Ok(Pairs::Other)
            }
        }

        json.deserialize_any(Any)
    }
}

/// RFC 6901, section 3, without the pointer to the whole document, and not too deep.
fn is_pointer(text: &str) -> bool {
    let escaped = |rest: &str| rest.starts_with(['0', '1']);
    let levels = text.matches('/').count();
    text.starts_with('/') && levels <= MAX_LEVELS && text.split('~').skip(1).all(escaped)
}

fn compare(expected: Option<&Value>, found: Option<&Scalar<'_>>, body: &[u8], pointer: &str) {
    let right = match (expected, found) {
        (None, None) => true,
        (Some(Value::String(text)), Some(Scalar::Plain(found))) => {
            let written = format!("\"{found}\"");
            let stands = body.windows(written.len()).any(|part| part == written.as_bytes());
            text == found && stands && !found.contains(['\\', '"'])
        }
        (Some(Value::String(text)), Some(Scalar::Escaped(found))) => {
            text == found && body.contains(&b'\\')
        }
        (Some(Value::Number(number)), Some(Scalar::Integer(found))) => {
            number.as_u64() == Some(*found)
        }
        (Some(Value::Number(number)), Some(Scalar::Word(found))) => {
            number.as_u64().is_none()
                && number.as_i64().map(|number| number.to_string()).as_ref() == Some(found)
        }
        (Some(Value::Number(number)), Some(Scalar::Other)) => number.is_f64(),
        (Some(Value::Bool(value)), Some(Scalar::Word(found))) => value.to_string() == *found,
        (Some(Value::Null), Some(Scalar::Null)) => true,
        (Some(Value::Null | Value::Bool(_)), _) => false,
        (Some(Value::String(_)), _) | (None, _) | (_, None) => false,
        (Some(_), Some(found)) => *found == Scalar::Other,
    };
    assert!(right, "{pointer:?} is {expected:?}, and was found as {found:?}");
}
