//! B16, D2 to D4, D6, D7, D11, D14 and D15: what makes a request another delivery, and what does not.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use inhook::delivery::Key;
use inhook::scheme::{Field, Identity};
use serde_json::{Value, json};

use crate::genuine::{Genuine, Texts};
use crate::time::attempts_at;
use crate::{Case, Must, is_400};

pub(crate) const CASES: &[Case] = &[
    ("D4, D14 a later attempt", Must::BeTheSame, d4_later, 35),
    ("D7, B16 an id that no header has, signed", Must::BeRefusedEarly, d7_header, 25),
    ("D7, B16 an id in the body that is no short text, signed", Must::BeUnusable, d7_body, 19),
    ("D7, B10 an id that is there twice", Must::BeRefusedEarly, d7_twice, 25),
    ("D11 a signed id with another body", Must::BeTheSame, d11_body, 30),
];

/// The same message at another time, where the partner signs one.
fn d4_later(genuine: &Genuine) -> Vec<Request<Bytes>> {
    attempts_at(genuine, [genuine.vector.now() + Duration::from_secs(1)])
}

fn d7_header(genuine: &Genuine) -> Vec<Request<Bytes>> {
    if genuine.id_header().is_none() {
        return Vec::new();
    }
    let long = [256, 257, 10_000].map(|length| "x".repeat(length));
    let odd = ["", "a b", "a\tb", " a", "a ", "\u{85}", "é", "\u{202e}a", "\u{ff11}"];
    let ids = odd.map(str::to_owned).into_iter().chain(long);
    let signed = ids.filter_map(|id| genuine.signed(&Texts { id, ..genuine.texts() }));
    signed.collect()
}

fn d7_body(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let scheme = genuine.scheme();
    let Identity::Fields(fields) = &scheme.identity else { return Vec::new() };
    let text = [json!(""), json!("a\0"), json!("\u{85}"), json!("x".repeat(256)), json!(7)];
    let number = [json!("7"), json!(-1), json!(1.5), json!(1e30), json!("")];
    let either = [json!(null), json!(true), json!(["1"]), json!({ "id": "1" })];
    let (pointer, ids) = match &fields[0] {
        Field::Pointer(pointer) => (pointer, text),
        Field::Integer(pointer) => (pointer, number),
        _ => return Vec::new(),
    };
    let Ok(json) = serde_json::from_slice::<Value>(genuine.request.body()) else {
        return Vec::new();
    };
    let with = |id: Value| {
        let mut json = json.clone();
        *json.pointer_mut(pointer)? = id;
        genuine.signed(&Texts { body: json.to_string().into_bytes(), ..genuine.texts() })
    };
    ids.into_iter().chain(either).filter_map(with).collect()
}

fn d7_twice(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let Some(name) = genuine.id_header() else { return Vec::new() };
    let own = genuine.request.headers()[&name].clone();
    let twice = [own, "other".parse().unwrap()].map(|second| {
        let mut request = genuine.request.clone();
        request.headers_mut().append(&name, second);
        request
    });
    twice.into()
}

fn d11_body(genuine: &Genuine) -> Vec<Request<Bytes>> {
    if !matches!(genuine.scheme().identity, Identity::Fields(_)) {
        return Vec::new();
    }
    genuine.signed(&longer(genuine)).into_iter().collect()
}

/// The same JSON or form, and another body.
fn longer(genuine: &Genuine) -> Texts {
    let mut texts = genuine.texts();
    texts.body.push(b'\n');
    texts
}

/// D2, D3, D15: by the content such an id changes nothing; with it or by it alone it does, as each says.
#[test]
fn s1_d2_d3_d15_an_id_that_nobody_signs() {
    let mut count = 0;
    for genuine in Genuine::all() {
        if genuine.id_header().is_none() || genuine.signs_id() {
            continue;
        }
        let changed = [
            genuine.with_texts(&Texts { id: "guessed".into(), ..genuine.texts() }, genuine.tag()),
            genuine.without_id(),
            genuine.signed(&longer(&genuine)),
        ];
        for identity in [Identity::Content, Identity::IdAndContent, Identity::UnsignedId] {
            let builder = genuine.builder("acme").identity(identity.clone());
            let Ok(verifier) = builder.build() else {
                // Its body has a new time at each attempt.
                assert!(genuine.scheme().sent_at.is_some() && genuine.time().is_none());
                continue;
            };
            let key = |request| verifier.verify(request).map(|delivery| delivery.key());
            let own = key(genuine.request.clone());
            let name = genuine.preset.name;
            let [other_id, no_id, other_body] =
                changed.clone().map(|request| key(request.unwrap()));
            let is_same = [&other_id, &no_id, &other_body].map(|key| *key == own);
            match identity {
                Identity::Content => assert_eq!(is_same, [true, true, false], "{name}"),
                Identity::IdAndContent => assert_eq!(is_same, [false; 3], "{name}"),
                _ => {
                    assert_eq!(is_same, [false, false, true], "{name}");
                    assert!(no_id.is_err_and(|rejection| is_400(&rejection)), "{name}");
                }
            }
            count += 1;
        }
    }
    assert!(count >= 40, "only {count}");
}

/// D4, D6, D7: the key of a request is always the same, and none of another source has it.
#[test]
fn s1_d4_d6_d7_each_source_has_keys_of_its_own() {
    let mut keys = HashSet::new();
    let all = Genuine::all();
    for genuine in &all {
        let name = genuine.preset.name;
        let key = |source: &str| -> Key {
            let verifier = genuine.builder(source).build().unwrap();
            verifier.verify(genuine.request.clone()).unwrap().key()
        };
        // Each of these ends where the next one goes on.
        let sources =
            [name.to_owned(), format!("{name}:"), format!("{name}:1"), format!(":{name}")];
        for source in &sources {
            let is_deduplicated = genuine.scheme().identity != Identity::None;
            assert_eq!(key(source) == key(source), is_deduplicated, "{name}");
            assert!(keys.insert(key(source)), "{name}: {source}");
        }
    }
    assert_eq!(keys.len(), all.len() * 4);
}
