//! B15, B16 and E8: another body, none, and JSON that is none.

use bytes::Bytes;
use http::Request;
use inhook::scheme::{Danger, Identity};

use crate::genuine::{Genuine, Place, Texts};
use crate::{Case, Must};

pub(crate) const CASES: &[Case] = &[
    ("B15 another body", Must::BeRefused, b15_body, 80),
    ("B15, B16 no text and an empty body, signed", Must::BeAnother, b15_b16_signed, 30),
    ("E8 JSON that is none, signed", Must::DoNoHarm, e8_malformed, 80),
];

/// Whether the whole body is signed as it is.
fn signs_body(genuine: &Genuine) -> bool {
    let dangers = &genuine.scheme().dangerously_allow;
    let loose = [Danger::UnsignedBody, Danger::AmbiguousContent];
    !matches!(genuine.place, Place::Body) && !loose.iter().any(|danger| dangers.contains(danger))
}

fn with_bodies(
    genuine: &Genuine,
    bodies: impl IntoIterator<Item = Vec<u8>>,
) -> impl Iterator<Item = Texts> {
    let texts = genuine.texts();
    bodies.into_iter().map(move |body| Texts { body, ..texts.clone() })
}

fn b15_body(genuine: &Genuine) -> Vec<Request<Bytes>> {
    if !signs_body(genuine) {
        return Vec::new();
    }
    let body = genuine.request.body();
    let mut others = vec![
        [body, b"\n".as_slice()].concat(),
        [body, b" ".as_slice()].concat(),
        [b" ".as_slice(), body].concat(),
        [b"\xef\xbb\xbf".as_slice(), body].concat(),
        Vec::new(),
        body[..body.len() / 2].to_vec(),
    ];
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) {
        others.extend([json.to_string(), format!("{json:#}")].map(String::into_bytes));
    }
    others.retain(|other| other != body);
    let texts = with_bodies(genuine, others);
    texts.filter_map(|texts| genuine.with_texts(&texts, genuine.tag())).collect()
}

/// Where the body is what tells deliveries apart, and nothing has to be in it.
fn b15_b16_signed(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let scheme = genuine.scheme();
    let by_content = matches!(scheme.identity, Identity::Content | Identity::IdAndContent);
    let in_body = scheme.sent_at.is_some() && genuine.time().is_none();
    if !by_content || in_body || !signs_body(genuine) {
        return Vec::new();
    }
    let texts = with_bodies(genuine, [Vec::new(), b"\xff\x00\xfe".into()]);
    texts.filter_map(|texts| genuine.signed(&texts)).collect()
}

fn e8_malformed(genuine: &Genuine) -> Vec<Request<Bytes>> {
    if !signs_body(genuine) {
        return Vec::new();
    }
    let body = genuine.request.body();
    let cut = [1, 2, 3].map(|quarters| body[..body.len() * quarters / 4].to_vec());
    let odd = [
        &b"null"[..],
        b"7",
        b"\"",
        b"[]",
        b"{}",
        b"{\"id\":[],\"type\":{},\"event\":0}",
        b"{\"id\":\"\\ud800\"}",
        b"{\"id\":1e999}",
        b"\xff\xfe\x00{",
        b"%=%zz&=&&",
    ];
    let deep = ["[", "{\"a\":"].map(|open| open.repeat(500).into_bytes());
    let bodies = cut.into_iter().chain(odd.map(<[u8]>::to_vec)).chain(deep);
    with_bodies(genuine, bodies).filter_map(|texts| genuine.signed(&texts)).collect()
}
