//! JSON pointers, looked up in one pass and in a tree.
#![allow(clippy::expect_used, clippy::panic, reason = "an oracle fails by panicking")]

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::pointer::{MAX_LEVELS, MAX_POINTERS, Pointers, Scalar};

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
    !pointers.is_empty() && pointers.iter().all(|pointer| tree.pointer(pointer).is_some())
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
