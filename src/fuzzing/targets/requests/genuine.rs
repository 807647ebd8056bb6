//! A request that has all that a scheme asks for, as text, with `$tag` for the signature.

use serde_json::{Map, Value};

use super::super::fixtures::{Standing, URL};
use crate::clock::Clock;
use crate::fuzzing::{encoded, set_json};
use crate::scheme::{Field, Json, KeyId, Layout, Part, Scheme, SentAt};
use crate::timestamp;

/// The parts of a request.
struct Draft {
    query: String,
    head: String,
    form: Vec<String>,
    json: Value,
    item: Value,
    done: Vec<Field>,
}

pub(super) fn text(scheme: &Scheme) -> Vec<u8> {
    let (_, query) = URL.split_once('?').expect("a URL with a query");
    let mut draft = Draft {
        query: query.into(),
        head: String::new(),
        form: Vec::new(),
        json: Value::Null,
        item: Value::Null,
        done: Vec::new(),
    };
    let time = |sent_at: &SentAt| timestamp::write(sent_at.format, Standing.now());
    let time = scheme.sent_at.as_ref().map(time).unwrap_or_default();
    draft.put(&scheme.signature.field, &signature(scheme, &time), scheme);
    let [id, digest] = [&scheme.id, &scheme.digest].map(Option::as_ref);
    let sent_at = scheme.sent_at.as_ref().map(|sent_at| &sent_at.field);
    let leaves = Part::leaves(&scheme.content).into_iter().filter_map(Part::as_field);
    let values = leaves.chain(scheme.identity.fields()).map(|field| (Some(field), "1"));
    let events = scheme.events().iter().map(|event| (Some(event), "event1"));
    let named = [(id, "71"), (digest, "$sha"), (sent_at, &time)];
    for (field, value) in named.into_iter().chain(values).chain(events) {
        field.into_iter().for_each(|field| draft.put(field, value, scheme));
    }
    if let Some(KeyId::Header(name)) = &scheme.key_id {
        draft.put(&Field::Header(name.clone()), "key1", scheme);
    }
    for (name, value) in scheme.requires.iter() {
        draft.put(&Field::Header(name.clone()), value, scheme);
    }
    format!("POST /fuzzed?{}\n{}\n{}", draft.query, draft.head, draft.body(scheme)).into_bytes()
}

/// The signature, and beside it the time if that is where it belongs.
fn signature(scheme: &Scheme, time: &str) -> String {
    let label = match scheme.key_id {
        Some(KeyId::Prefix(end)) => format!("key1{end}"),
        _ => String::new(),
    };
    let tag = format!("{}{label}$tag", scheme.signature.prefix);
    let layout = scheme.signature.layout;
    let Some(separator) = layout.separator() else { return tag };
    let space = if let Layout::SpacedList(_) = layout { " " } else { "" };
    let separator = format!("{separator}{space}");
    match scheme.sent_at.as_ref().map(|sent_at| &sent_at.field) {
        Some(Field::Parameter(name)) => format!("{tag}{separator}{name}={time}"),
        Some(Field::Entry(0)) => format!("{time}{separator}{tag}"),
        Some(Field::Entry(at)) => format!("{}{time}", format!("{tag}{separator}").repeat(*at)),
        _ => tag,
    }
}

impl Draft {
    /// Writes a value at a place where there is none.
    fn put(&mut self, field: &Field, value: &str, scheme: &Scheme) {
        if self.done.iter().any(|other| other.is_at(field)) {
            return;
        }
        self.done.push(field.clone());
        let pair = |name: &str| format!("{name}={}", written(value));
        match field {
            Field::Header(name) => {
                let is_numbered = scheme.signature.layout == Layout::Numbered;
                let is_signature = scheme.signature.field.is(field);
                let number = if is_numbered && is_signature { "1" } else { "" };
                self.head.push_str(&format!("{name}{number}: {value}\n"));
            }
            Field::Query(name) => self.query.push_str(&format!("&{}", pair(name))),
            Field::Form(name) => self.form.push(pair(name)),
            Field::Pointer(pointer) => self.set(pointer, value.into(), field, scheme),
            Field::Integer(pointer) => {
                let number = value.parse::<u64>().map_or(value.into(), Value::from);
                self.set(pointer, number, field, scheme);
            }
            // Where the signature is, or no field of their own.
            Field::Parameter(_) | Field::Entry(_) | Field::FirstOf(_) => {}
        }
    }

    fn set(&mut self, pointer: &str, value: Value, field: &Field, scheme: &Scheme) {
        let leaves = Part::leaves(&scheme.content).into_iter().filter_map(Part::as_field);
        let mut in_item = leaves.chain([&scheme.signature.field]);
        let in_item = scheme.items.is_some() && in_item.any(|other| other.is_at(field));
        let json = if in_item { &mut self.item } else { &mut self.json };
        if json.is_null() {
            *json = Value::Object(Map::new());
        }
        set_json(json, pointer, value);
    }

    fn body(&self, scheme: &Scheme) -> String {
        let mut json = self.json.clone();
        if let Some(items) = &scheme.items {
            let mut other = self.item.clone();
            other["e"] = 1.into();
            if json.is_null() {
                json = Value::Object(Map::new());
            }
            set_json(&mut json, items, vec![self.item.clone(), other].into());
        }
        let mut form = self.form.clone();
        let json = match &scheme.json {
            Json::Form(name) => {
                form.push(format!("{name}={}", written(&json.to_string())));
                Value::Null
            }
            Json::Body => json,
        };
        match (json.is_null(), form.is_empty()) {
            (false, _) => json.to_string(),
            (true, false) => form.join("&"),
            // As a form it is sorted, decoded, and has one pair twice.
            (true, true) => "e=2&c=%41+&e=2".into(),
        }
    }
}

/// As in a query or a form, but for what stands for something.
fn written(text: &str) -> String {
    encoded(text).replace("%24", "$")
}
