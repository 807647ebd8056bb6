//! What is accepted has one reading: of the schemes that can be built, none signs two requests alike.

use std::collections::HashMap;

use super::*;

/// A header that is signed, or that may be.
const NAMES: [&str; 2] = ["x-a", "x-b"];
const LITERALS: [&str; 5] = ["|", "|x", "x|", "x;", ";"];

/// The parts that schemes are made of, which begin and end as badly as they can.
fn parts() -> Vec<Part> {
    let literal = |text: &'static str| Part::Literal(text.into());
    let mut parts: Vec<Part> = LITERALS.map(literal).into();
    for name in NAMES {
        let value = || Part::Field(Field::header(name));
        parts.extend([value(), Part::Optional(vec![value()].into())]);
        for start in LITERALS {
            parts.push(Part::Optional(vec![literal(start), value()].into()));
            for end in ["|", ";"] {
                parts.push(Part::Optional(vec![literal(start), value(), literal(end)].into()));
            }
        }
    }
    parts
}

/// What a request has: its headers, of which an empty one is none where it is optional, and its body.
type Sent<'v> = ([Option<&'v str>; 2], &'v str);

/// What is signed, or `None` where something is missing.
fn content(parts: &[Part], (headers, body): Sent<'_>) -> Option<String> {
    let value = |name: &str| headers[NAMES.iter().position(|other| *other == name)?];
    let mut content = String::new();
    for part in parts {
        match part {
            Part::Literal(text) => content.push_str(text),
            Part::Body => content.push_str(body),
            Part::Field(Field::Header(name)) => content.push_str(value(name)?),
            Part::Optional(parts) => {
                let inner = self::content(parts, (headers, body));
                let is_empty = |part: &Part| matches!(part, Part::Field(Field::Header(name)) if value(name) == Some(""));
                content
                    .push_str(&inner.filter(|_| !parts.iter().any(is_empty)).unwrap_or_default());
            }
            other => unreachable!("{other:?}"),
        }
    }
    Some(content)
}

#[test]
fn no_two_requests_are_signed_alike() {
    let parts = parts();
    let mut values: Vec<Option<String>> = vec![None];
    for first in ["|", "x", ";"] {
        values.push(Some(first.to_owned()));
        values.extend(["|", "x", ";"].map(|second| Some(format!("{first}{second}"))));
    }
    let bodies = ["", "q", "|", ";", "x|", "|x;", "|q;", ";q"];
    let (mut built, mut alike) = (0, 0);
    // Every so manieth of the sequences of four, so that all kinds of neighbours are among them.
    for number in (0..parts.len().pow(4)).step_by(11) {
        let mut number = number;
        let mut chosen: Vec<Part> = Vec::new();
        for _ in 0..4 {
            chosen.push(parts[number % parts.len()].clone());
            number /= parts.len();
        }
        chosen.push(Part::Body);
        let debug = format!("{chosen:?}");
        let used = NAMES.map(|name| debug.matches(name).count());
        if used.contains(&2) || used == [0, 0] {
            continue;
        }
        let Ok(verifier) =
            builder(Scheme { content: chosen.clone().into(), ..scheme(&[]) }).build()
        else {
            continue;
        };
        built += 1;
        let mut sent: HashMap<String, Vec<Sent<'_>>> = HashMap::new();
        let of = |at: usize| if used[at] == 0 { &values[..1] } else { &values[..] };
        for a in of(0) {
            for b in of(1) {
                for body in bodies {
                    let request = ([a.as_deref(), b.as_deref()], body);
                    if let Some(content) = content(&chosen, request) {
                        sent.entry(content).or_default().push(request);
                    }
                }
            }
        }
        for (content, requests) in sent.into_iter().filter(|(_, requests)| requests.len() > 1) {
            let tag = tag(&content);
            let accepted = requests.iter().filter(|(headers, body)| {
                let mut all = vec![("x-signature", &*tag)];
                all.extend(
                    NAMES.into_iter().zip(*headers).filter_map(|(name, it)| Some((name, it?))),
                );
                verifier.verify(request("/", &all, body)).is_ok()
            });
            let accepted: Vec<_> = accepted.collect();
            assert!(accepted.len() <= 1, "{chosen:?} {content:?}: {accepted:?}");
            alike += 1;
        }
    }
    assert!(
        built > 100 && alike > 1_000,
        "{built} schemes, {alike} contents: too little was tried"
    );
}
