//! Every preset: what its `Signer` signs is accepted, and nothing that was changed.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderValue, Request};
use inhook::presets::{self, Confirmed, Preset};
use inhook::scheme::{Danger, Field, Identity, Part, Scheme, SentAt, TimeFormat};
use inhook::sign::{Message, Signer};
use inhook::{Delivery, Rejection, Secret, Verifier};
use serde_json::{Value, json};

#[path = "common/notation.rs"]
mod notation;

/// One partner signs `data.id`.
const URL: &str = "https://hooks.example.com/webhooks/acme?tenant=7&data.id=5";

/// A secret in the notation of the preset, with the label that a request of it may name.
fn secret(scheme: &Scheme, which: u8) -> Secret {
    Secret::new(notation::secret(scheme, which)).label("key-1")
}

fn verifier(scheme: &Scheme, which: u8) -> Verifier {
    Verifier::builder("acme", scheme.clone(), secret(scheme, which)).url(URL).build().unwrap()
}

fn signer(scheme: &Scheme) -> Signer {
    Signer::for_url(scheme.clone(), secret(scheme, 1), URL).unwrap()
}

/// A body that has what the scheme reads from it.
fn body(scheme: &Scheme) -> Vec<u8> {
    if let Some(items) = scheme.items.as_deref() {
        let item = |n: u8| {
            json!({ "NotificationRequestItem": {
                "pspReference": format!("psp-{n}"), "merchantReference": "order: 7",
                "amount": { "value": 1130, "currency": "EUR" },
                "eventCode": "AUTHORISATION", "success": "true",
                "additionalData": {}, "reason": "not signed",
            }})
        };
        let mut json = json!({ "live": "false" });
        json[items.trim_start_matches('/')] = json!([item(1), item(2)]);
        return json.to_string().into_bytes();
    }
    let is_form = |field: &Field| matches!(field, Field::Form(_));
    let form = scheme.content.contains(&Part::SortedForm)
        || is_form(&scheme.signature.field)
        || scheme.id.as_ref().is_some_and(is_form);
    let pointers = pointers(scheme);
    if form && pointers.is_empty() {
        let payload = "From=%2B14158675309&Body=zwei+W%C3%B6rter&bt_payload=aGVsbG8%0A";
        return payload.as_bytes().to_vec();
    }
    let mut json = if pointers.iter().any(|pointer| pointer.starts_with("/0/")) {
        json!([{ "_id": "1" }])
    } else {
        json!({ "note": "zażółć 漢字" })
    };
    for pointer in pointers {
        set(&mut json, pointer, Value::String("text-1".into()));
    }
    if let Some(Field::Integer(pointer)) = &scheme.id {
        set(&mut json, pointer, json!(4_912_661_846_655_238_145u64));
    }
    if let Some(SentAt { field: Field::Pointer(pointer) | Field::Integer(pointer), format }) =
        &scheme.sent_at
    {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let now = match format {
            TimeFormat::UnixMillis => json!(u64::try_from(now.as_millis()).unwrap()),
            TimeFormat::Rfc3339 => json!(jiff::Timestamp::now().to_string()),
            _ => json!(now.as_secs().to_string()),
        };
        set(&mut json, pointer, now);
    }
    json.to_string().into_bytes()
}

/// The texts that are in the JSON.
fn pointers(scheme: &Scheme) -> Vec<&str> {
    let identity: &[Field] = match &scheme.identity {
        Identity::Fields(fields) => fields,
        _ => &[],
    };
    let event = match &scheme.event {
        Some(Field::FirstOf(fields)) => fields.first(),
        event => event.as_ref(),
    };
    let signed = scheme.content.iter().filter_map(|part| match part {
        Part::Field(field) => Some(field),
        _ => None,
    });
    let all = identity.iter().chain(&scheme.id).chain(event).chain(signed);
    let pointers = all.filter_map(|field| match field {
        Field::Pointer(pointer) => Some(&**pointer),
        _ => None,
    });
    pointers.collect()
}

/// Writes a value into JSON, with the objects and arrays that lead to it.
fn set(json: &mut Value, pointer: &str, value: Value) {
    let mut at = json;
    for token in pointer.split('/').skip(1) {
        at = match token.parse::<usize>() {
            Ok(index) => {
                if !at.is_array() {
                    *at = json!([]);
                }
                let items = at.as_array_mut().unwrap();
                while items.len() <= index {
                    items.push(json!({}));
                }
                &mut items[index]
            }
            Err(_) => {
                if !at.is_object() {
                    *at = json!({});
                }
                at.as_object_mut().unwrap().entry(token).or_insert(Value::Null)
            }
        };
    }
    *at = value;
}

fn signed(preset: &Preset) -> Request<Bytes> {
    let message = Message::new(body(&preset.scheme)).id("id-1").event("event-1");
    signer(&preset.scheme)
        .request(&message)
        .unwrap_or_else(|error| panic!("{}: {error}", preset.name))
}

fn verify(preset: &Preset, request: &Request<Bytes>) -> Result<Delivery, Rejection> {
    verifier(&preset.scheme, 1).verify(request.clone())
}

/// Whether a change there is a change of what is signed.
fn signs_body(scheme: &Scheme) -> bool {
    !scheme.dangerously_allow.contains(&Danger::UnsignedBody)
}

#[test]
fn what_a_partner_signs_is_accepted() {
    for preset in presets::all() {
        let request = signed(preset);
        let delivery = verify(preset, &request)
            .unwrap_or_else(|error| panic!("{}: {error}: {request:?}", preset.name));
        assert_eq!(delivery.secret(), "key-1", "{}", preset.name);
        let scheme = &preset.scheme;
        assert_eq!(delivery.signed_at().is_some(), scheme.sent_at.is_some(), "{}", preset.name);
        if let Some(Field::Header(_)) = &scheme.id {
            assert_eq!(delivery.id(), Some("id-1"), "{}", preset.name);
        }
        if let Some(Field::Header(_)) = &scheme.event {
            assert_eq!(delivery.event(), Some("event-1"), "{}", preset.name);
        }
        // A retry, signed anew, is the same delivery.
        if scheme.identity != Identity::None {
            assert_eq!(verify(preset, &signed(preset)).unwrap().key(), delivery.key());
        }
    }
}

#[test]
fn what_was_changed_is_refused() {
    for preset in presets::all() {
        let request = signed(preset);
        let refused = |changed: Request<Bytes>, what: &str| {
            let verdict = verify(preset, &changed);
            assert!(verdict.is_err(), "{}: {what} was changed: {changed:?}", preset.name);
        };
        if signs_body(&preset.scheme) {
            let step = request.body().len() / 64 + 1;
            for at in (0..request.body().len()).step_by(step) {
                let mut body = request.body().to_vec();
                body[at] ^= 1;
                let mut changed = request.clone();
                *changed.body_mut() = body.into();
                refused(changed, "the body");
            }
            for longer in
                [[request.body(), &b" "[..]].concat(), [b"x", &request.body()[..]].concat()]
            {
                let mut changed = request.clone();
                *changed.body_mut() = longer.into();
                refused(changed, "the body");
            }
        }
        for (name, value) in request.headers() {
            let signature = Some(name.as_str()) == preset.scheme.signature.field.as_header()
                || name.as_str().contains("signature-1");
            let time = preset.scheme.sent_at.as_ref().and_then(|sent_at| sent_at.field.as_header());
            let id = preset.scheme.id.as_ref().and_then(|id| id.as_header());
            let id = id.filter(|_| preset.scheme.content.contains(&Part::Id));
            if !signature && Some(name.as_str()) != time && Some(name.as_str()) != id {
                continue;
            }
            for at in 0..value.len() {
                let mut bytes = value.as_bytes().to_vec();
                bytes[at] ^= 1;
                let mut changed = request.clone();
                let value = HeaderValue::from_bytes(&bytes).unwrap();
                changed.headers_mut().insert(name.clone(), value);
                refused(changed, name.as_str());
            }
            let mut without = request.clone();
            without.headers_mut().remove(name);
            refused(without, name.as_str());
        }
    }
}

/// Whatever is done to a captured request that leaves it accepted, it is the same delivery. Where an id
/// is a part of the identity that nobody signs, the README says that this is not so.
#[test]
fn a_captured_request_makes_no_second_delivery() {
    let mut accepted = 0;
    for preset in presets::all().filter(|preset| preset.scheme.identity != Identity::None) {
        let scheme = &preset.scheme;
        let request = signed(preset);
        let verifier = verifier(scheme, 1);
        let key = verifier.verify(request.clone()).unwrap().key();
        let mut check = |changed: Request<Bytes>, what: &str| {
            let Ok(delivery) = verifier.verify(changed.clone()) else { return };
            assert_eq!(delivery.key(), key, "{}: {what}: {changed:?}", preset.name);
            accepted += 1;
        };
        let body = &request.body()[..];
        let mut with_body = |parts: &[&[u8]], what: &str| {
            let mut changed = request.clone();
            *changed.body_mut() = parts.concat().into();
            check(changed, what);
        };
        for at in 0..=body.len() {
            let (front, rest) = body.split_at(at);
            for inserted in
                ["\n", "\r\n", "&", "&a=1", "%0A", "+", "0", "\"", "\\u0061", ",", "]", "null"]
            {
                with_body(&[front, inserted.as_bytes(), rest], "inserted into the body");
            }
            for count in (1..4).filter(|count| *count <= rest.len()) {
                let (gone, rest) = rest.split_at(count);
                with_body(&[front, rest], "left out of the body");
                let escaped: String = gone.iter().map(|byte| format!("%{byte:02X}")).collect();
                with_body(&[front, escaped.as_bytes(), rest], "escaped in the body");
            }
            with_body(&[rest, b"&", front], "turned around in the body");
        }
        let unsigned_id = match scheme.identity {
            Identity::IdAndContent | Identity::UnsignedId => {
                scheme.id.as_ref().and_then(Field::as_header)
            }
            _ => None,
        };
        for (name, value) in request.headers() {
            if Some(name.as_str()) == unsigned_id {
                continue;
            }
            let mut without = request.clone();
            without.headers_mut().remove(name);
            check(without.clone(), "a header left out");
            let value = value.to_str().unwrap();
            for other in
                [value.to_uppercase(), format!("{value},{value}"), format!("x,{value}"), "1".into()]
            {
                let mut changed = without.clone();
                changed.headers_mut().insert(name, HeaderValue::from_str(&other).unwrap());
                check(changed, "a header changed");
                let mut both = request.clone();
                both.headers_mut().append(name, HeaderValue::from_str(&other).unwrap());
                check(both, "a header added");
            }
        }
        for kind in [
            "text/plain",
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=a",
        ] {
            let mut changed = request.clone();
            changed.headers_mut().insert("content-type", HeaderValue::from_static(kind));
            check(changed, "another content type");
        }
        let query = request.uri().query().unwrap_or_default();
        for other in [
            "/".into(),
            format!("/?{query}&"),
            format!("/?{query}&a=1"),
            format!("/?a=1&{query}"),
            format!("/x?{query}&{query}"),
            format!("/?{}", query.replace('a', "%61")),
        ] {
            let mut changed = request.clone();
            *changed.uri_mut() = other.parse().unwrap();
            check(changed, "another target");
        }
    }
    assert!(accepted > 1_000, "only {accepted} of them were accepted, so little was tried");
}

#[test]
fn another_secret_is_refused() {
    for preset in presets::all() {
        let verdict = verifier(&preset.scheme, 2).verify(signed(preset));
        assert_eq!(verdict.map(drop), Err(Rejection::WrongSignature), "{}", preset.name);
    }
}

#[test]
fn each_has_a_name_of_its_own_and_the_plain_one_is_the_first() {
    let names: BTreeSet<&str> = presets::all().map(|preset| preset.name).collect();
    assert_eq!(names.len(), presets::all().count());
    for preset in presets::all() {
        assert_eq!(presets::find(preset.name).unwrap().name, preset.name);
        let plain = presets::find(preset.provider()).unwrap();
        assert_eq!(plain.provider(), preset.provider());
        assert!(preset.page.starts_with("https://"), "{}", preset.name);
        assert!(!preset.unsigned.is_empty(), "{}", preset.name);
    }
    assert!(names.len() >= 85, "{}", names.len());
    assert!(presets::all().any(|preset| preset.confirmed == Confirmed::ByThirdParty));
    assert!(presets::find("nobody").is_none());
}

/// The presets whose body is not signed as a whole are these, and all others refuse a changed one.
#[test]
fn the_dangers_are_named() {
    let with = |danger| -> Vec<&str> {
        let all = presets::all().filter(|preset| preset.scheme.dangerously_allow.contains(&danger));
        all.map(|preset| preset.name).collect()
    };
    assert_eq!(
        with(Danger::UnsignedBody),
        [
            "adyen/payments-item-hmac",
            "braintree/form-bt-signature-sha1",
            "dropbox-sign/json-field-event-hash",
            "mailgun/json-body-signature-block",
            "mailgun/form-fields",
            "mercadopago/manifest-hmac-hex",
        ]
    );
    assert_eq!(
        with(Danger::AmbiguousContent),
        [
            "adyen/payments-item-hmac",
            "braintree/form-bt-signature-sha1",
            "dropbox-sign/json-field-event-hash",
            "mandrill/url-sorted-params-sha1",
            "twilio/form-params-sha1",
        ]
    );
    assert_eq!(with(Danger::LooseItems), ["adyen/payments-item-hmac"]);
}
