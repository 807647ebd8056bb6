//! A8, B1 to B12, B18 and E2: signatures that are missing, wrong, or written in another way.

use std::borrow::Cow;

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use inhook::scheme::{Algorithm, Encoding, Field, KeyId, Layout, Part, Scheme, Signature};

use crate::genuine::{Genuine, Place};
use crate::{Case, Must};

pub(crate) const CASES: &[Case] = &[
    ("A8 another key than signed it", Must::BeRefused, a8_label, 2),
    ("B1, B2 missing", Must::BeRefused, b1_missing, 90),
    ("B1, B2 what is signed is missing", Must::BeRefusedEarly, b1_signed, 20),
    ("B3 empty", Must::BeRefused, |genuine| genuine.with_tag("").into_iter().collect(), 90),
    ("B4 too short or too long", Must::BeRefused, b4_length, 90),
    ("B5 the right one among wrong ones", Must::BeTheSame, b5_places, 25),
    ("B5 other versions", Must::BeRefused, b5_versions, 90),
    ("B6, B7 another spelling", Must::BeRefused, b6_b7_spelling, 90),
    ("B8 another algorithm", Must::BeRefused, b8_algorithm, 80),
    ("B8 another algorithm by its own name", Must::BeRefused, b8_named, 30),
    ("B9 the right one under another name", Must::BeRefused, b9_other_names, 85),
    ("B10 twice", Must::BeRefused, b10_twice, 80),
    ("B10 a time that is there twice", Must::BeRefusedEarly, b10_times, 20),
    ("B10 under both names", Must::BeRefusedEarly, b10_names, 12),
    ("B10 under both names, and alike", Must::BeTheSame, b10_names_alike, 12),
    ("B11 no visible ASCII", Must::BeRefused, b11_bytes, 90),
    ("B12 16, 17 and 8,000 of them", Must::BeRefused, b12_many, 90),
    ("B18 values under each other's names", Must::BeRefused, b18_names, 15),
    ("one digit of the tag", Must::BeRefused, one_digit, 90),
    ("E2 what the headers show", Must::BeRefusedEarly, e2_early, 85),
];

/// Where a request says which key it is signed with.
fn a8_label(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let label = genuine.vector.params.get("key_id").map_or("0", String::as_str);
    let labels = ["", "other", "0."].into_iter().filter(|other| *other != label);
    match &genuine.scheme().key_id {
        Some(KeyId::Header(name)) => {
            labels.map(|other| genuine.with_headers(&[(name, other)])).collect()
        }
        Some(KeyId::Prefix(_)) => {
            let [before, tag, after] = &genuine.text;
            let (front, end) = before.rsplit_once(label).unwrap();
            let texts = labels.map(|other| format!("{front}{other}{end}{tag}{after}"));
            texts.filter_map(|text| genuine.with_text(text.into())).collect()
        }
        _ => Vec::new(),
    }
}

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

/// Each header that is signed, but for the signature.
fn b1_signed(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let without = |name: HeaderName| {
        let mut request = genuine.request.clone();
        request.headers_mut().remove(&name).unwrap();
        request
    };
    signed_headers(genuine).into_iter().map(without).collect()
}

fn b4_length(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let tag = genuine.tag();
    let prefixes = (0..tag.len()).map(|length| tag[..length].to_owned());
    let longer = ["0", "A", "=", "=="].map(|more| format!("{tag}{more}"));
    // Those of its bytes, which in base64 have a spelling of their own.
    let bytes = match genuine.scheme().signature.encoding {
        Encoding::Base64 => Base64::decode_vec(tag).unwrap(),
        Encoding::Base64Url => Base64UrlUnpadded::decode_vec(tag).unwrap(),
        _ => Vec::new(),
    };
    let more = [&bytes[..], b"\0"].concat();
    let others = (0..bytes.len()).map(|length| &bytes[..length]).chain([&more[..]]);
    let spelled = others.map(|bytes| match genuine.scheme().signature.encoding {
        Encoding::Base64Url => Base64UrlUnpadded::encode_string(bytes),
        _ => Base64::encode_string(bytes),
    });
    let tags = prefixes.chain(longer).chain([tag.repeat(2)]).chain(spelled);
    tags.filter_map(|tag| genuine.with_tag(tag)).collect()
}

/// In front, in the middle and at the end of as many as may be there.
fn b5_places(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let sent_at = genuine.scheme().sent_at.as_ref().map(|sent_at| &sent_at.field);
    // A list by position has no room for more.
    let has_room = !matches!(sent_at, Some(Field::Entry(_)));
    let separator = separator(genuine.scheme().signature.layout);
    let (true, Some(separator), Place::Header(_)) = (has_room, separator, &genuine.place) else {
        return Vec::new();
    };
    let [before, tag, after] = &genuine.text;
    let prefix = &*genuine.scheme().signature.prefix;
    let wrong = format!("{prefix}{}", wrong(tag));
    let front = before.strip_suffix(prefix).unwrap();
    let placed = [0, 1, 7, 14, 15].map(|at| {
        let mut tags = vec![&*wrong; 16];
        let right = format!("{prefix}{tag}");
        tags[at] = &right;
        format!("{front}{}{after}", tags.join(&separator))
    });
    placed.into_iter().filter_map(|text| genuine.with_text(text.into())).collect()
}

/// The tag of nothing, in the right shape.
fn wrong(tag: &str) -> String {
    let wrong: String = tag.chars().rev().filter(|char| *char != '=').collect();
    format!("{wrong}{}", "=".repeat(tag.len() - wrong.len()))
}

/// What stands between the signatures of a list.
fn separator(layout: Layout) -> Option<String> {
    match layout {
        Layout::List(separator) | Layout::Lists(separator) => Some(separator.to_string()),
        Layout::SpacedList(separator) => Some(format!("{separator} ")),
        _ => None,
    }
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

/// The time once more, or another one.
fn b10_times(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let (Some(name), Some(time)) = (genuine.time_header(), genuine.time()) else {
        return Vec::new();
    };
    let twice = [time, "1".into()].map(|second| {
        let mut request = genuine.request.clone();
        request.headers_mut().append(&name, second.parse().unwrap());
        request
    });
    twice.into()
}

/// What has two names, under the other one as well, where it says something else.
fn b10_names(genuine: &Genuine) -> Vec<Request<Bytes>> {
    under_both_names(genuine, |_| "other".into())
}

fn b10_names_alike(genuine: &Genuine) -> Vec<Request<Bytes>> {
    under_both_names(genuine, |own| own)
}

fn under_both_names(genuine: &Genuine, second: fn(String) -> String) -> Vec<Request<Bytes>> {
    let twice = |(own, other): &(Cow<'_, str>, Cow<'_, str>)| {
        let name = genuine.header(own)?;
        let second = second(genuine.header_text(&name));
        let other = if name == **own { other } else { own };
        Some(genuine.with_headers(&[(other, &second)]))
    };
    genuine.scheme().aliases.iter().filter_map(twice).collect()
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
    let separator = separator(genuine.scheme().signature.layout).unwrap_or_else(|| ",".into());
    let wrong = wrong(tag);
    // As many as may be there, and one more: then the right one is one too many.
    let lists = [(15, &*wrong), (16, tag), (8_000, tag)].map(|(count, last)| {
        let list = format!("{wrong}{separator}{prefix}").repeat(count);
        format!("{before}{list}{last}")
    });
    lists.into_iter().filter_map(|text| genuine.with_text(text.into())).collect()
}

/// Each two of the headers that are signed, or are the signature.
fn b18_names(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let scheme = genuine.scheme();
    let others = [&scheme.signature.field].into_iter().chain(&scheme.digest);
    let others = others.filter_map(Field::as_header).filter_map(|name| genuine.header(name));
    let names: Vec<HeaderName> = signed_headers(genuine).into_iter().chain(others).collect();
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

fn signed_headers(genuine: &Genuine) -> Vec<HeaderName> {
    let scheme = genuine.scheme();
    let fields = scheme.content.iter().filter_map(|part| match part {
        Part::Id => scheme.id.as_ref(),
        Part::SentAt => scheme.sent_at.as_ref().map(|sent_at| &sent_at.field),
        Part::Field(field) => Some(field),
        _ => None,
    });
    fields.filter_map(Field::as_header).filter_map(|name| genuine.header(name)).collect()
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
