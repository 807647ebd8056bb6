//! B17: what a request says of its own address, and of who sent it.

use bytes::Bytes;
use http::{HeaderValue, Request, Uri};
use inhook::scheme::{Field, Part};

use crate::genuine::{Genuine, Place};
use crate::{Case, Must};

pub(crate) const CASES: &[Case] = &[
    ("B17 another address beside the genuine one", Must::BeTheSame, b17_forwarded, 92),
    ("B17 another address that is signed", Must::BeRefused, b17_other_url, 5),
    ("B17 another query than was signed", Must::BeRefused, b17_query, 2),
    ("B17 no signature, from here", Must::BeRefused, b17_loopback, 85),
];

/// Whatever a proxy or an attacker says that the address is.
const EVIL: [(&str, &str); 9] = [
    ("host", "evil.example"),
    ("forwarded", "for=127.0.0.1;host=evil.example;proto=http"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-port", "8080"),
    ("x-forwarded-prefix", "/evil"),
    ("x-original-url", "/evil"),
    ("x-original-host", "evil.example"),
    ("x-rewrite-url", "/evil"),
];
const EVIL_URL: &str = "http://evil.example:8080/evil";

/// One after the other, and all together.
fn b17_forwarded(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let alone = EVIL.map(|header| genuine.with_headers(&[header]));
    alone.into_iter().chain([genuine.with_headers(&EVIL)]).collect()
}

/// The signature is right for the address that the request names.
fn b17_other_url(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let scheme = genuine.scheme();
    let parts = [Part::Url, Part::Path];
    if !parts.iter().any(|part| scheme.content.contains(part))
        || !genuine.accepts(&genuine.message())
    {
        return Vec::new();
    }
    let query = genuine.request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("{EVIL_URL}{query}");
    let signer = inhook::sign::Signer::for_url(scheme.clone(), genuine.vector.secret(), &url);
    let plain = signer.unwrap().request(&genuine.message()).unwrap();
    let mut spoofed = plain.clone();
    for (name, value) in EVIL {
        spoofed.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let mut absolute = spoofed.clone();
    *absolute.uri_mut() = url.parse().unwrap();
    vec![plain, spoofed, absolute]
}

/// Another order, another spelling, something twice.
fn b17_query(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let leaves: Vec<Part> = genuine.scheme().content.iter().flat_map(leaves).collect();
    let whole = leaves.contains(&Part::Query);
    let is_signed = |pair: &str| {
        let fields = leaves.iter().filter_map(|part| match part {
            Part::Field(Field::Query(name)) => Some(name),
            _ => None,
        });
        whole || fields.into_iter().any(|name| pair.starts_with(&**name))
    };
    let Some(query) = genuine.request.uri().query() else { return Vec::new() };
    let pairs: Vec<&str> = query.split('&').collect();
    let reversed = pairs.iter().rev().copied().collect::<Vec<_>>().join("&");
    let spellings =
        [reversed, format!("{query}&"), format!("{query}&a=1"), query.replacen('=', "%3D", 1)];
    let signed = pairs.iter().filter(|pair| is_signed(pair));
    let changed = signed.flat_map(|pair| {
        [
            format!("{query}&{pair}"),
            query.replace(pair, &format!("{pair}1")),
            query.replace(pair, ""),
        ]
    });
    let spellings = spellings.into_iter().filter(|_| whole);
    let targets = spellings.chain(changed).map(|query| format!("/?{query}"));
    let with = |target: String| {
        let mut request = genuine.request.clone();
        *request.uri_mut() = target.parse::<Uri>().unwrap();
        request
    };
    targets.map(with).collect()
}

/// The part, or what it consists of.
fn leaves(part: &Part) -> Vec<Part> {
    match part {
        Part::Optional(parts) => parts.to_vec(),
        part => vec![part.clone()],
    }
}

/// A peer, or what says who that is, is no signature.
fn b17_loopback(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let Place::Header(own) = &genuine.place else { return Vec::new() };
    let here = [
        ("host", "localhost"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "::1"),
        ("forwarded", "for=127.0.0.1"),
    ];
    let mut request = genuine.with_headers(&here);
    request.headers_mut().remove(own);
    vec![request]
}
