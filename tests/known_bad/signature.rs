//! B1 to B12, B18 and E2: signatures that are missing, wrong, or written in another way.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use inhook::scheme::{Algorithm, Encoding, Field, Layout, Part, Scheme, Signature};

use crate::genuine::{Genuine, Place};
use crate::{Case, Must};

pub(crate) const CASES: &[Case] = &[
    ("B1, B2 missing", Must::BeRefused, b1_missing, 90),
    ("B3 empty", Must::BeRefused, |genuine| genuine.with_tag("").into_iter().collect(), 90),
    ("B4 too short or too long", Must::BeRefused, b4_length, 90),
    ("B5 other versions", Must::BeRefused, b5_versions, 90),
    ("B6, B7 another spelling", Must::BeRefused, b6_b7_spelling, 90),
    ("B8 another algorithm", Must::BeRefused, b8_algorithm, 80),
    ("B8 another algorithm by its own name", Must::BeRefused, b8_named, 30),
    ("B9 the right one under another name", Must::BeRefused, b9_other_names, 85),
    ("B10 twice", Must::BeRefused, b10_twice, 80),
    ("B11 no visible ASCII", Must::BeRefused, b11_bytes, 90),
    ("B12 8,000 of them", Must::BeRefused, b12_many, 90),
    ("B18 values under each other's names", Must::BeRefused, b18_names, 15),
    ("one digit of the tag", Must::BeRefused, one_digit, 90),
    ("E2 what the headers show", Must::BeRefusedEarly, e2_early, 85),
];

fn b1_missing(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let mut request = genuine.request.clone();
    match &genuine.place {
        Place::Header(name) => drop(request.headers_mut().remove(name)),
        Place::Query => *request.uri_mut() = request.uri().path().parse().unwrap(),
        Place::Body => *request.body_mut() = Bytes::new(),
    }
    // Where there are several headers for it, another one may be right.
    let others = &genuine.scheme().signature.others;
    others.iter().for_each(|name| drop(request.headers_mut().remove(&**name)));
    let empty = genuine.with_text(Vec::new()).into_iter().filter(|_| others.is_empty());
    let mut bare = request.clone();
    bare.headers_mut().clear();
    [request, bare].into_iter().chain(empty).collect()
}

fn b4_length(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let tag = genuine.tag();
    let prefixes = (0..tag.len()).map(|length| tag[..length].to_owned());
    let longer = ["0", "A", "=", "=="].map(|more| format!("{tag}{more}"));
    prefixes.chain(longer).chain([tag.repeat(2)]).filter_map(|tag| genuine.with_tag(tag)).collect()
}

fn b5_versions(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let prefix = &*genuine.scheme().signature.prefix;
    let [before, tag, after] = &genuine.text;
    let Some(front) = before.strip_suffix(prefix).filter(|_| !prefix.is_empty()) else {
        // Without a prefix any is one too many.
        let prefixed = ["v1=", "sha256=", "v1:"];
        return prefixed
            .into_iter()
            .filter_map(|it| genuine.with_tag(format!("{it}{tag}")))
            .collect();
    };
    let others = [
        prefix.replace('1', "2"),
        prefix.replace('1', "1a"),
        prefix.to_ascii_uppercase(),
        prefix.replace("256", "1"),
        format!("x{prefix}"),
        String::new(),
    ];
    let others = others.into_iter().filter(|other| other != prefix);
    others.filter_map(|it| genuine.with_text(format!("{front}{it}{tag}{after}").into())).collect()
}

fn b6_b7_spelling(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let tag = genuine.tag();
    let mut others = vec![format!("{} {}", &tag[..8], &tag[8..]), format!("{}\t", tag)];
    match genuine.scheme().signature.encoding {
        Encoding::Hex => others.extend([tag.to_ascii_uppercase(), tag[1..].to_owned()]),
        Encoding::AnyCaseHex => others.push(tag[1..].to_owned()),
        _ => {
            others.extend([tag.trim_end_matches('=').to_owned(), format!("{tag}=")]);
            others.extend([
                tag.replace('+', "-").replace('/', "_"),
                tag.replace('-', "+").replace('_', "/"),
            ]);
            // The last digit has bits that nobody reads.
            let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
            let last = tag.trim_end_matches('=').len() - 1;
            let digits =
                digits.chars().map(|digit| format!("{}{digit}{}", &tag[..last], &tag[last + 1..]));
            others.extend(digits);
        }
    }
    others.extend(["g", "%", "\u{ff11}"].map(|digit| format!("{digit}{}", &tag[1..])));
    others
        .into_iter()
        .filter(|other| other != tag)
        .filter_map(|tag| genuine.with_tag(tag))
        .collect()
}

fn b8_algorithm(genuine: &Genuine) -> Vec<Request<Bytes>> {
    by_other_algorithms(genuine, |_| vec![genuine.scheme().signature.prefix.to_string()])
}

/// `sha1=` before a tag by SHA-1, or the number of another version.
fn b8_named(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let prefix = &*genuine.scheme().signature.prefix;
    by_other_algorithms(genuine, |algorithm| {
        let own = number(genuine.scheme().algorithm);
        let others = [
            prefix.replace(own, number(algorithm)),
            prefix.replace("v1", "v0"),
            prefix.replace("v0", "v1"),
            prefix.replace("v1", "v2"),
        ];
        others.into_iter().filter(|other| other != prefix).collect()
    })
}

/// How an algorithm is known: by the bits of its hash, or SHA-1 by its number.
fn number(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HmacSha1 => "1",
        Algorithm::HmacSha256 => "256",
        _ => "512",
    }
}

/// The message again, signed by another algorithm, behind each of these prefixes.
fn by_other_algorithms(
    genuine: &Genuine,
    prefixes: impl Fn(Algorithm) -> Vec<String>,
) -> Vec<Request<Bytes>> {
    let scheme = genuine.scheme();
    if !genuine.accepts(&genuine.message()) {
        return Vec::new();
    }
    let algorithms = [Algorithm::HmacSha1, Algorithm::HmacSha256, Algorithm::HmacSha512];
    let others = algorithms.into_iter().filter(|other| *other != scheme.algorithm);
    let named =
        others.flat_map(|algorithm| prefixes(algorithm).into_iter().map(move |it| (algorithm, it)));
    let signed = named.filter_map(|(algorithm, prefix)| {
        let signature = Signature { prefix: prefix.into(), ..scheme.signature.clone() };
        let signer = genuine.signer(Scheme { algorithm, signature, ..scheme.clone() })?;
        signer.request(&genuine.message()).ok()
    });
    signed.collect()
}

/// Names that some partner's older signatures have, or receivers believe in.
const NAMES: [&str; 8] = [
    "x-hub-signature",
    "x-signature",
    "x-webhook-signature",
    "signature",
    "webhook-signature",
    "svix-signature",
    "authorization",
    "x-original-signature",
];

/// Beside one that is wrong, empty or missing.
fn b9_other_names(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let Place::Header(own) = &genuine.place else { return Vec::new() };
    let right = &genuine.request.headers()[own];
    let aliases = &genuine.scheme().aliases;
    let wrong = one_digit(genuine).into_iter().next();
    let mut missing = genuine.request.clone();
    missing.headers_mut().remove(own);
    let is_second = |name: &str| {
        let mut names = aliases.iter().flat_map(|(name, other)| [name, other]);
        names.any(|second| second == name)
    };
    let placed = NAMES.into_iter().filter(|name| name != own).flat_map(|name| {
        let missing = Some(&missing).filter(|_| !is_second(name)).cloned();
        let bad = [wrong.clone(), genuine.with_text(Vec::new()), missing];
        bad.into_iter().flatten().map(move |mut request| {
            request.headers_mut().insert(name, right.clone());
            request
        })
    });
    placed.collect()
}

fn b10_twice(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let Place::Header(name) = &genuine.place else { return Vec::new() };
    if genuine.scheme().signature.layout == Layout::Repeated {
        return Vec::new();
    }
    let right = genuine.request.headers()[name].clone();
    let wrong = HeaderValue::from_static("0000");
    let pairs = [(&right, &wrong), (&wrong, &right), (&right, &right)];
    let twice = pairs.map(|(first, second)| {
        let mut request = genuine.request.clone();
        request.headers_mut().insert(name, first.clone());
        request.headers_mut().append(name, second.clone());
        request
    });
    twice.into()
}

fn b11_bytes(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let bytes: [&[u8]; 6] =
        [b"\xff", b"\x80", "é".as_bytes(), "\u{202e}".as_bytes(), "\u{ff10}".as_bytes(), b"\x00"];
    let tag = genuine.tag().as_bytes();
    let placed = bytes.iter().flat_map(|byte| [[byte, tag].concat(), [tag, byte].concat()]);
    placed.filter_map(|tag| genuine.with_tag(tag)).collect()
}

fn b12_many(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let [before, tag, _] = &genuine.text;
    let prefix = &*genuine.scheme().signature.prefix;
    let wrong: String = tag.chars().rev().filter(|char| *char != '=').collect();
    let wrong = format!("{wrong}{}", "=".repeat(tag.len() - wrong.len()));
    let separator = match genuine.scheme().signature.layout {
        Layout::List(separator) | Layout::Lists(separator) => separator.to_string(),
        Layout::SpacedList(separator) => format!("{separator} "),
        _ => ",".into(),
    };
    let list = format!("{wrong}{separator}{prefix}").repeat(8_000);
    genuine.with_text(format!("{before}{list}{tag}").into()).into_iter().collect()
}

/// Each two of the headers that are signed, or are the signature.
fn b18_names(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let scheme = genuine.scheme();
    let signed = scheme.content.iter().filter_map(|part| match part {
        Part::Id => scheme.id.as_ref(),
        Part::SentAt => scheme.sent_at.as_ref().map(|sent_at| &sent_at.field),
        Part::Field(field) => Some(field),
        _ => None,
    });
    let fields = signed.chain([&scheme.signature.field]).chain(&scheme.digest);
    let names: Vec<HeaderName> =
        fields.filter_map(Field::as_header).filter_map(|name| genuine.header(name)).collect();
    let pairs = (0..names.len()).flat_map(|at| (0..at).map(move |other| (at, other)));
    let swapped = pairs.map(|(one, other)| {
        let mut request = genuine.request.clone();
        let headers = request.headers_mut();
        let value = headers[&names[one]].clone();
        let value = headers.insert(&names[other], value).unwrap();
        headers.insert(&names[one], value);
        request
    });
    swapped.collect()
}

/// Each digit, by another one.
fn one_digit(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let tag = genuine.tag();
    let digits = tag.trim_end_matches('=').len();
    let changed = (0..digits).map(|at| {
        let other = if &tag[at..=at] == "0" { "1" } else { "0" };
        format!("{}{other}{}", &tag[..at], &tag[at + 1..])
    });
    changed.filter_map(|tag| genuine.with_tag(tag)).collect()
}

/// What needs no MAC to be refused.
fn e2_early(genuine: &Genuine) -> Vec<Request<Bytes>> {
    if !matches!(genuine.place, Place::Header(_)) {
        return Vec::new();
    }
    let cases = [b1_missing, b10_twice, b11_bytes];
    let empty = genuine.with_text(Vec::new());
    cases.into_iter().flat_map(|make| make(genuine)).chain(empty).collect()
}
