//! S1: what somebody was once let in with, for every preset: all of it is refused, and nothing panics.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri};
use inhook::presets::{self, Preset};
use inhook::scheme::{Algorithm, Danger, Encoding, Field, KeyFormat, Layout, SentAt};
use inhook::sign::{Message, Signer};
use inhook::{Secret, Verifier};

#[path = "common/vector.rs"]
mod vector;

use vector::{Vector, Verdict};

/// A genuine request of a preset, and where in it the tag is.
struct Genuine {
    preset: &'static Preset,
    vector: Vector,
    request: Request<Bytes>,
    place: Place,
    /// The text that has the tag, before it, the tag, and behind it.
    text: [String; 3],
}

/// Where a text is.
enum Place {
    Header(HeaderName),
    Query,
    Body,
}

impl Genuine {
    /// One of each preset whose tag stands somewhere as it is.
    fn all() -> Vec<Self> {
        let mut all: BTreeMap<&str, Self> = BTreeMap::new();
        for vector in Vector::all() {
            let preset = presets::find(&vector.scheme).unwrap();
            if vector.normative && vector.expect == Verdict::Valid && !all.contains_key(preset.name)
            {
                all.extend(Self::new(preset, vector).map(|genuine| (preset.name, genuine)));
            }
        }
        all.into_values().collect()
    }

    fn new(preset: &'static Preset, vector: Vector) -> Option<Self> {
        let request = vector.request();
        let signature = &preset.scheme.signature;
        let header = |name: &str| {
            let name: HeaderName = name.parse().unwrap();
            let text = request.headers().get(&name)?.to_str().ok()?.to_owned();
            Some((Place::Header(name), text))
        };
        let (place, text) = match (&signature.field, signature.layout) {
            (Field::Header(name), Layout::Numbered) => header(&format!("{name}1"))?,
            (Field::Header(name), _) => header(name)?,
            (Field::Query(_), _) => (Place::Query, request.uri().query()?.to_owned()),
            _ => (Place::Body, String::from_utf8(request.body().to_vec()).ok()?),
        };
        let bytes = match preset.scheme.algorithm {
            Algorithm::HmacSha1 => 20,
            Algorithm::HmacSha256 => 32,
            _ => 64,
        };
        let (length, is_digit): (usize, fn(char) -> bool) = match signature.encoding {
            Encoding::Base64 => (4 * usize::div_ceil(bytes, 3), |char| {
                char.is_ascii_alphanumeric() || "+/=".contains(char)
            }),
            Encoding::Base64Url => (usize::div_ceil(4 * bytes, 3), |char| {
                char.is_ascii_alphanumeric() || "-_".contains(char)
            }),
            _ => (2 * bytes, |char| char.is_ascii_hexdigit()),
        };
        // The last run of digits of that length; a prefix may end in `=`.
        let runs = text.split(|char| !is_digit(char));
        let run = runs.rev().find(|run| run.len() >= length)?;
        let run_at = text.rfind(run)?;
        let at = run_at + run.len() - length;
        let [before, tag, after] = [&text[..at], &text[at..at + length], &text[at + length..]];
        let text = [before, tag, after].map(str::to_owned);
        Some(Self { preset, vector, request, place, text })
    }

    fn tag(&self) -> &str {
        &self.text[1]
    }

    /// The request with something in place of the tag; `None` where nothing can hold that.
    fn with_tag(&self, tag: impl AsRef<[u8]>) -> Option<Request<Bytes>> {
        let [before, _, after] = &self.text;
        self.with_text([before.as_bytes(), tag.as_ref(), after.as_bytes()].concat())
    }

    fn with_text(&self, text: Vec<u8>) -> Option<Request<Bytes>> {
        let mut request = self.request.clone();
        match &self.place {
            Place::Header(name) => {
                request.headers_mut().insert(name, HeaderValue::from_bytes(&text).ok()?);
            }
            Place::Query => {
                let query = String::from_utf8(text).ok()?;
                let uri = format!("{}?{query}", request.uri().path());
                *request.uri_mut() = uri.parse::<Uri>().ok()?;
            }
            Place::Body => *request.body_mut() = text.into(),
        }
        Some(request)
    }

    fn with_body(&self, body: Vec<u8>) -> Request<Bytes> {
        let mut request = self.request.clone();
        *request.body_mut() = body.into();
        request
    }
}

/// A case by its number, what it makes of a request, and how many presets have it at least.
type Case = (&'static str, fn(&Genuine) -> Vec<Request<Bytes>>, usize);

const CASES: [Case; 13] = [
    ("B1 missing", b1_missing, 90),
    ("B3 empty", |genuine| genuine.with_tag("").into_iter().collect(), 90),
    ("B4 too short or too long", b4_length, 90),
    ("B5 other versions", b5_versions, 90),
    ("B6, B7 another spelling", b6_b7_spelling, 90),
    ("B8 another algorithm", b8_algorithm, 80),
    ("B10 twice", b10_twice, 80),
    ("B11 no visible ASCII", b11_bytes, 90),
    ("B12 8,000 of them", b12_many, 90),
    ("B15 another body", b15_body, 80),
    ("C1 to C3 another spelling of the time", c1_to_c3_time, 25),
    ("C4, C5 too early and too late", c5_tolerance, 25),
    ("one digit of the tag", one_digit, 90),
];

#[test]
fn s1_all_of_it_is_refused() {
    let all = Genuine::all();
    // The tags of the others are escaped where they stand.
    assert!(all.len() >= 90, "only {} presets have a tag that can be found", all.len());
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for genuine in &all {
        let verifier = genuine.vector.verifier(&genuine.preset.scheme);
        let accepted = verifier.verify(genuine.request.clone());
        assert!(accepted.is_ok(), "{}: {accepted:?}", genuine.preset.name);
        for (case, make, _) in CASES {
            let requests = make(genuine);
            let count = counts.entry(case).or_default();
            count.0 += usize::from(!requests.is_empty());
            count.1 += requests.len();
            for request in requests {
                let verdict = verifier.verify(request.clone());
                assert!(verdict.is_err(), "{case}: {}: {request:?}", genuine.preset.name);
            }
        }
    }
    for (case, _, least) in CASES {
        let (presets, requests) = counts[case];
        println!("{case}: {requests} requests of {presets} presets");
        assert!(presets >= least, "{case}: only {presets} presets have it");
    }
}

/// Secrets with which anybody could sign, or that are another key than was meant.
#[test]
fn s1_a1_to_a5_no_preset_takes_a_secret_that_is_none() {
    for preset in presets::all() {
        let scheme = &preset.scheme;
        let good = match &scheme.key {
            KeyFormat::Hex => "6b".repeat(32),
            KeyFormat::Base64 { prefix } | KeyFormat::Base64If { prefix } => {
                format!("{prefix}MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            }
            _ => "a secret of at least sixteen bytes".into(),
        };
        let build = |secret: &str| {
            let secret = Secret::new(secret).label("key");
            let builder = Verifier::builder("acme", scheme.clone(), secret);
            builder.url("https://hooks.example.com/in").build()
        };
        build(&good).unwrap_or_else(|error| panic!("{}: {error}", preset.name));
        for bad in ["", " ", "\n", "\t \r\n", "short", "whsec_", "whsec_AA==", "v1,whsec_MfKQ="] {
            assert!(build(bad).is_err(), "{}: {bad:?}", preset.name);
        }
        for padded in [format!("{good}\n"), format!(" {good}"), format!("{good} ")] {
            assert!(build(&padded).is_err(), "{}: {padded:?}", preset.name);
        }
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
    let others = &genuine.preset.scheme.signature.others;
    others.iter().for_each(|name| drop(request.headers_mut().remove(&**name)));
    let empty = genuine.with_text(Vec::new()).into_iter().filter(|_| others.is_empty());
    [request].into_iter().chain(empty).collect()
}

fn b4_length(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let tag = genuine.tag();
    let prefixes = (0..tag.len()).map(|length| tag[..length].to_owned());
    let longer = ["0", "A", "=", "=="].map(|more| format!("{tag}{more}"));
    prefixes.chain(longer).chain([tag.repeat(2)]).filter_map(|tag| genuine.with_tag(tag)).collect()
}

fn b5_versions(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let prefix = &*genuine.preset.scheme.signature.prefix;
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
    match genuine.preset.scheme.signature.encoding {
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
    let scheme = &genuine.preset.scheme;
    if !is_accepted(genuine, &message(genuine)) {
        return Vec::new();
    }
    let algorithms = [Algorithm::HmacSha1, Algorithm::HmacSha256, Algorithm::HmacSha512];
    let others = algorithms.into_iter().filter(|other| *other != scheme.algorithm);
    let signed = others.filter_map(|algorithm| {
        let scheme = inhook::scheme::Scheme { algorithm, ..scheme.clone() };
        let signer = Signer::for_url(scheme, genuine.vector.secret(), &genuine.vector.url).ok()?;
        signer.request(&message(genuine)).ok()
    });
    signed.collect()
}

/// What was signed there, as far as it is not in the body.
fn message(genuine: &Genuine) -> Message {
    let message = Message::new(genuine.request.body().clone()).sent_at(genuine.vector.now());
    message.id(genuine.vector.id.as_deref().unwrap_or("7001"))
}

/// The control: the partner's own signature of it is accepted.
fn is_accepted(genuine: &Genuine, message: &Message) -> bool {
    let Genuine { preset, vector, .. } = genuine;
    let signer = Signer::for_url(preset.scheme.clone(), vector.secret(), &vector.url).unwrap();
    let request = signer.request(message);
    request.is_ok_and(|request| vector.verifier(&preset.scheme).verify(request).is_ok())
}

fn b10_twice(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let Place::Header(name) = &genuine.place else { return Vec::new() };
    if genuine.preset.scheme.signature.layout == Layout::Repeated {
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
    let prefix = &*genuine.preset.scheme.signature.prefix;
    let wrong: String = tag.chars().rev().filter(|char| *char != '=').collect();
    let wrong = format!("{wrong}{}", "=".repeat(tag.len() - wrong.len()));
    let separator = match genuine.preset.scheme.signature.layout {
        Layout::List(separator) | Layout::Lists(separator) => separator.to_string(),
        Layout::SpacedList(separator) => format!("{separator} "),
        _ => ",".into(),
    };
    let list = format!("{wrong}{separator}{prefix}").repeat(8_000);
    genuine.with_text(format!("{before}{list}{tag}").into()).into_iter().collect()
}

fn b15_body(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let scheme = &genuine.preset.scheme;
    let body = genuine.request.body();
    if matches!(genuine.place, Place::Body)
        || scheme.dangerously_allow.contains(&Danger::UnsignedBody)
        || scheme.dangerously_allow.contains(&Danger::AmbiguousContent)
    {
        return Vec::new();
    }
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
    others.into_iter().map(|body| genuine.with_body(body)).collect()
}

fn c1_to_c3_time(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let Some(SentAt { field, .. }) = &genuine.preset.scheme.sent_at else { return Vec::new() };
    match field {
        Field::Header(name) => {
            let name: HeaderName = name.parse().unwrap();
            let Some(time) = genuine.request.headers().get(&name) else { return Vec::new() };
            let with = |text: String| {
                let mut request = genuine.request.clone();
                let text = HeaderValue::from_bytes(text.as_bytes()).ok()?;
                request.headers_mut().insert(&name, text);
                Some(request)
            };
            spellings(time.to_str().unwrap()).into_iter().filter_map(with).collect()
        }
        Field::Parameter(name) => {
            let [before, tag, after] = &genuine.text;
            let name = format!("{name}=");
            let Some((front, rest)) = before.split_once(&name) else { return Vec::new() };
            let time = rest.split(|char: char| !char.is_ascii_digit()).next().unwrap();
            let rest = &rest[time.len()..];
            let with =
                |text| genuine.with_text(format!("{front}{name}{text}{rest}{tag}{after}").into());
            spellings(time).into_iter().filter_map(with).collect()
        }
        _ => Vec::new(),
    }
}

/// What is no time, or not the same text.
fn spellings(time: &str) -> Vec<String> {
    let fixed = [
        "",
        "-1",
        "0",
        "99999999999999999999",
        "-9223372036854775808",
        "9223372036854775807",
        "0x65",
        "1.7e9",
        "1_7",
        "abc",
        "2026-01-15",
        "NaN",
    ];
    let spelled = ["+", "0", "00", "-"].map(|sign| format!("{sign}{time}"));
    let longer = [".0", "abc", "e0", "Z", "000", "\u{661}"].map(|more| format!("{time}{more}"));
    fixed.map(str::to_owned).into_iter().chain(spelled).chain(longer).collect()
}

fn c5_tolerance(genuine: &Genuine) -> Vec<Request<Bytes>> {
    let scheme = &genuine.preset.scheme;
    let (Some(tolerance), Some(_)) = (scheme.tolerance, &scheme.sent_at) else { return Vec::new() };
    let signer = Signer::for_url(scheme.clone(), genuine.vector.secret(), &genuine.vector.url);
    let signer = signer.unwrap();
    let now = genuine.vector.now();
    if !is_accepted(genuine, &message(genuine).fill_body()) {
        return Vec::new();
    }
    let second = std::time::Duration::from_secs(1);
    let times = [
        now - tolerance.past - second,
        now - tolerance.past * 100,
        now + tolerance.future + second,
        now + tolerance.future * 1_000,
        // Milliseconds for seconds.
        std::time::SystemTime::UNIX_EPOCH + second * 1_768_469_400 * 100,
    ];
    let sign = |time| signer.request(&message(genuine).sent_at(time).fill_body()).ok();
    times.into_iter().filter_map(sign).collect()
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
