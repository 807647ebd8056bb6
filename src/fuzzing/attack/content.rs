//! What a genuine request says.
#![allow(clippy::arithmetic_side_effects, reason = "lengths are short")]

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::Attack;
use crate::fuzzing::choices::Choices;
use crate::fuzzing::{encoded, set_json};
use crate::scheme::{Danger, Field, Identity, Json, Part, Scheme, SentAt, TimeFormat};
use crate::sign::SignError;
use crate::timestamp;

/// What a message says, whenever it is sent and by whom it is signed.
#[derive(Debug, Clone)]
pub(super) struct Content {
    id: u32,
    /// What is in it beside what the scheme asks for.
    payload: String,
    style: u8,
    /// The field whose id differs from the others', if there is one.
    apart: Option<Field>,
    /// Ids that are cut elsewhere: what one of them has at its front, another one has at its end.
    moved: Vec<(Field, String)>,
    /// A time as text, with which bodies may start; retries keep the first attempt's.
    stamp: String,
}

/// What texts are made of: what separates, quotes, escapes or is written in several ways.
const PAYLOAD: [&str; 20] = [
    "a", "Z", "0", "9", ".", ":", ",", "|", "&", "=", "%", "+", " ", "\"", "\\", "é", "\n", "\r\n",
    "\u{fffd}", "'",
];

/// What bodies are in JSON as well, so that each has two spellings.
const ODD: [(&str, &str); 3] =
    [("number", "1.0"), ("solidus", r#""\/""#), ("letter", r#""\u00e9""#)];

impl Content {
    pub(super) fn new(attack: &Attack, sent_at: SystemTime, choices: &mut Choices<'_>) -> Self {
        let id = u32::from_be_bytes([1, choices.byte(), choices.byte(), choices.byte()]);
        let style = choices.byte();
        let length = choices.below(24);
        let payload: String = (0..length).map(|_| choices.one(&PAYLOAD)).collect();
        // Longer than what is read at once, or logged, or held in memory, hardly ever: that takes its time.
        let length = match choices.byte() {
            1..=8 => 2_000,
            9 => 70_000,
            _ => 0,
        };
        // In JSON each byte may be two, and each of those three in a form.
        let times = length.min(attack.max_body / 8) / (payload.len() + 1);
        let payload = if times > 1 { format!("{payload}a").repeat(times) } else { payload };
        let time = attack.scheme.sent_at.as_ref();
        let format = time.map_or(TimeFormat::UnixSeconds, |sent_at| sent_at.format);
        let stamp = timestamp::write(format, sent_at);
        Self { id, payload, style, apart: None, moved: Vec::new(), stamp }
    }

    /// As its id is written.
    pub(super) fn id(&self, attack: &Attack) -> String {
        self.text(attack, self.id)
    }

    pub(super) fn with_other_id(&self) -> Self {
        Self { id: self.id.wrapping_add(1), ..self.clone() }
    }

    /// With another id in one field, and the same one wherever else it is.
    pub(super) fn with_other(&self, field: &Field) -> Self {
        Self { apart: Some(field.clone()), ..self.clone() }
    }

    /// Another message whose ids are the same text when they are joined: the first letter of a field's stands behind
    /// the one before it. `None` where there are no two such fields next to each other.
    pub(super) fn with_moved(&self, attack: &Attack, choices: &mut Choices<'_>) -> Option<Self> {
        let scheme = &attack.scheme;
        let is_text = |field: &&Field| {
            !matches!(field, Field::Integer(_))
                && !is_time(scheme, field)
                && !is_given(attack, field)
        };
        let fields = scheme.identity.fields();
        let pairs: Vec<_> = fields.iter().zip(fields.iter().skip(1)).collect();
        let (mut one, mut other) = choices.any(&pairs)?;
        // Whichever is in front where they are joined.
        if choices.one_in(2) {
            (one, other) = (other, one);
        }
        // Ids that the partner writes in its own way can't be cut.
        if attack.ids.is_some() || ![one, other].iter().all(is_text) {
            return None;
        }
        let (front, rest) = (self.text_in(attack, one), self.text_in(attack, other));
        let (first, rest) = rest.split_at_checked(1)?;
        let moved = vec![(one.clone(), front + first), (other.clone(), rest.to_owned())];
        Some(Self { moved, ..self.clone() })
    }

    /// The same of an id and of the body behind it, which is all that is signed.
    pub(super) fn with_moved_payload(&self, attack: &Attack) -> Option<Self> {
        let field = attack.scheme.id.as_ref()?;
        let (first, rest) = self.payload.split_at_checked(1)?;
        let is_joined = self.style % 3 == 2 && *attack.scheme.content == [Part::Body];
        let is_free = attack.ids.is_none() && attack.bodies.is_none();
        if !is_joined || !is_free || !first.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let moved = vec![(field.clone(), self.text_in(attack, field) + first)];
        Some(Self { moved, payload: rest.to_owned(), ..self.clone() })
    }

    pub(super) fn with_other_payload(&self, choices: &mut Choices<'_>) -> Self {
        Self { payload: format!("{}{}", self.payload, choices.one(&PAYLOAD)), ..self.clone() }
    }

    /// The id in a field, as a number.
    fn id_in(&self, field: &Field) -> u32 {
        let is_apart = self.apart.as_ref().is_some_and(|apart| apart.is(field));
        self.id.wrapping_add(is_apart.into())
    }

    /// The id in a field, as a text.
    pub(super) fn text_in(&self, attack: &Attack, field: &Field) -> String {
        if let Some((_, text)) = self.moved.iter().find(|(moved, _)| moved.is(field)) {
            return text.clone();
        }
        self.text(attack, self.id_in(field))
    }

    /// An id as a text: of digits, with a letter in one case or the other, or long.
    fn text(&self, attack: &Attack, id: u32) -> String {
        if let Some(text) = attack.ids {
            return text(id);
        }
        match (self.style >> 4) % 4 {
            _ if matches!(attack.scheme.id, Some(Field::Integer(_))) => id.to_string(),
            // The next id is the same one but for the case, half of the time.
            1 => format!("evt{}{:x}", if id.is_multiple_of(2) { 'A' } else { 'a' }, id / 2),
            2 => format!("{}{id}", "x".repeat(64)),
            _ => id.to_string(),
        }
    }

    /// All that the scheme has somewhere, and for some messages what it has if it is there.
    pub(super) fn fields<'s>(&self, scheme: &'s Scheme) -> Vec<&'s Field> {
        let mut fields = needed(scheme);
        if self.style & 4 != 0 {
            fields.extend(optional(scheme));
        }
        fields
    }

    /// The body, and whether it has all that the scheme asks for.
    pub(super) fn body(
        &self,
        attack: &Attack,
        sent_at: SystemTime,
    ) -> Result<(Vec<u8>, bool), SignError> {
        let scheme = &attack.scheme;
        let time = scheme.sent_at.as_ref().map(|it| timestamp::write(it.format, sent_at));
        let needed = self.fields(scheme);
        let in_json = needed.iter().any(|field| field.is_in_json()) || scheme.items.is_some();
        let in_form = scheme.content.contains(&Part::SortedForm)
            || needed.iter().any(|field| matches!(field, Field::Form(_)));
        // More than a signer writes into items or the query is not known here, nor what is always the same in a field
        // that tells deliveries apart.
        let is_complete = scheme.items.is_none()
            && scheme.json == Json::Body
            && !scheme.allows(Danger::UnsignedBody)
            && needed.iter().all(|field| {
                field.is_in_body()
                    || field.as_header().is_some()
                    || scheme.id.as_ref() == Some(*field)
                    || is_time(scheme, field)
            })
            && scheme.key_id.is_none()
            && !scheme.identity.fields().iter().any(|field| is_given(attack, field))
            // One place can't be a text and a number, nor have another one in it.
            && !needed.iter().any(|one| needed.iter().any(|it| it.is_at(one) && it != one))
            && !needed.iter().any(|one| needed.iter().any(|it| is_within(it, one)));
        let in_form = in_form && scheme.json == Json::Body;
        let body = match (in_json, in_form, attack.bodies) {
            (true, ..) => self.json(attack, &needed, time.as_deref())?,
            (_, true, _) => self.form(attack, &needed),
            (.., Some(bodies)) => bodies(self.number()).into_bytes(),
            (.., None) => match self.style % 3 {
                // Where another part of the content could end, if it were cut in another way.
                1 => {
                    let separator = scheme.content.iter().find_map(|part| match part {
                        Part::Literal(text) => Some(&**text),
                        _ => None,
                    });
                    let separator = separator.unwrap_or(".");
                    format!("{}{separator}{}", self.stamp, self.payload).into_bytes()
                }
                2 => {
                    // Not every body is text.
                    let odd: &[u8] = if self.style & 8 != 0 { b"\xff\x00" } else { b"" };
                    [self.payload.as_bytes(), odd].concat()
                }
                _ => self.json(attack, &needed, None)?,
            },
        };
        Ok((body, is_complete))
    }

    /// JSON as no program writes it: what is serialised again differs.
    fn json(
        &self,
        attack: &Attack,
        needed: &[&Field],
        time: Option<&str>,
    ) -> Result<Vec<u8>, SignError> {
        let scheme = &attack.scheme;
        let (odd, mut tree): (&[_], Value) = match attack.bodies {
            Some(bodies) => {
                let members = serde_json::from_str(&bodies(self.number()));
                (&[], Value::Object(members.map_err(|_| SignError::Json)?))
            }
            None => (&ODD, json!({ "payload": self.payload })),
        };
        if let Some(items) = &scheme.items {
            let mut item = json!({ "payload": self.payload });
            for part in Part::leaves(&scheme.content) {
                if let Part::Field(Field::Pointer(pointer)) = part {
                    set_json(&mut item, pointer, self.text(attack, self.id).into());
                }
            }
            set_json(&mut tree, items, json!([item]));
        }
        for field in needed {
            if let Field::Pointer(pointer) | Field::Integer(pointer) = field {
                let value = match field {
                    _ if is_time(scheme, field) => of_time(scheme, field, time.unwrap_or_default()),
                    Field::Integer(_) => self.id_in(field).into(),
                    _ => self.text_in(attack, field).into(),
                };
                set_json(&mut tree, pointer, value);
            }
        }
        let Value::Object(members) = tree else { return Err(SignError::Json) };
        Ok(json_text(odd, &members).into_bytes())
    }

    /// That of a payload.
    fn number(&self) -> u32 {
        // FNV-1a, so that two payloads have two of them.
        let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        self.payload.bytes().fold(0x811c_9dc5, mix)
    }

    /// What the signer does not write itself.
    fn form(&self, attack: &Attack, needed: &[&Field]) -> Vec<u8> {
        let scheme = &attack.scheme;
        let is_taken = needed.contains(&&Field::form("payload"));
        let name = if is_taken { "payload_2" } else { "payload" };
        let mut pairs = vec![format!("{name}={}", encoded(&self.payload))];
        for field in needed {
            let is_written = scheme.id.as_ref() == Some(*field) || is_time(scheme, field);
            if let (Field::Form(name), false) = (field, is_written) {
                pairs.push(format!("{}={}", encoded(name), encoded(&self.text_in(attack, field))));
            }
        }
        pairs.join("&").into_bytes()
    }
}

fn json_text(odd: &[(&str, &str)], members: &Map<String, Value>) -> String {
    let odd = odd.iter().map(|(name, value)| format!("\"{name}\" :  {value}"));
    let members = members.iter().map(|(name, value)| format!("{} : {value}", json!(name)));
    format!("{{ {} }}", odd.chain(members).collect::<Vec<_>>().join(" ,\n "))
}

/// A time in JSON, unless its text is what is signed, is a number if it can be one.
fn of_time(scheme: &Scheme, field: &Field, time: &str) -> Value {
    let is_number = matches!(field, Field::Integer(_))
        || scheme.sent_at.as_ref().is_some_and(|it| it.format != TimeFormat::Rfc3339)
            && !scheme.content.contains(&Part::SentAt);
    let number = time.parse::<u64>().ok().filter(|_| is_number);
    number.map_or_else(|| time.into(), Value::from)
}

/// Whether a value in JSON is within another one.
fn is_within(field: &Field, other: &Field) -> bool {
    match (field, other) {
        (
            Field::Pointer(inner) | Field::Integer(inner),
            Field::Pointer(outer) | Field::Integer(outer),
        ) => inner.strip_prefix(&**outer).is_some_and(|rest| rest.starts_with('/')),
        _ => false,
    }
}

pub(super) fn is_time(scheme: &Scheme, field: &Field) -> bool {
    scheme.sent_at.as_ref().is_some_and(|sent_at| sent_at.field.is_at(field))
}

/// Whether something else than the id decides what a field says.
fn is_given(attack: &Attack, field: &Field) -> bool {
    let scheme = &attack.scheme;
    let is_required =
        |header: &str| scheme.requires.iter().any(|(name, _)| name.eq_ignore_ascii_case(header));
    scheme.events().iter().chain(&scheme.digest).any(|own| own.is(field))
        || field.as_header().is_some_and(|header| is_required(header) || attack.sends(header))
}

/// What is signed if it is there.
fn optional(scheme: &Scheme) -> impl Iterator<Item = &Field> {
    let parts = scheme.content.iter().filter(|_| scheme.items.is_none());
    let optional = parts.filter_map(|part| match part {
        Part::Optional(parts) => Some(parts.iter()),
        _ => None,
    });
    optional.flatten().filter_map(|part| match part {
        Part::Field(field) if field.is_in_body() || field.as_header().is_some() => Some(field),
        _ => None,
    })
}

/// All that a scheme has somewhere, but the signature, which is written last, and what it makes itself.
fn needed(scheme: &Scheme) -> Vec<&Field> {
    let parts = scheme.content.iter().filter_map(|part| match part {
        // In an item, a pointer is another one.
        Part::Field(field) => Some(field).filter(|it| scheme.items.is_none() || !it.is_in_json()),
        _ => None,
    });
    let identity = match &scheme.identity {
        Identity::Fields(fields) => &**fields,
        _ => &[],
    };
    let sent_at = scheme.sent_at.iter().map(|SentAt { field, .. }| field);
    let mut fields: Vec<&Field> = Vec::new();
    for field in parts.chain(identity).chain(&scheme.id).chain(sent_at) {
        // Named twice, it is there once.
        if !fields.iter().any(|other| other.is(field)) {
            fields.push(field);
        }
    }
    fields
}
