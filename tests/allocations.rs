//! How often verification allocates: never for a request that anybody could send, and a few times
//! for one that a partner signed.

use std::borrow::Cow::Borrowed;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use inhook::inbox::Inbox;
use inhook::scheme::{Danger, Field, Json, Part, Scheme, Signature};
use inhook::sign::{Message, Signer};
use inhook::{MemoryInbox, Rejection, Verifier, presets};

mod common;

use common::{NOW, SHORTLINKS, set, shortlink, signed, verifier};

/// What Stripe sends, in short.
const STRIPE: &str = r#"{"id":"evt_1","created":1768469390,"type":"charge.succeeded"}"#;

/// The request as an HTTP server has it: the values of its headers are slices of one buffer.
fn as_received(request: &Request<Bytes>) -> Request<Bytes> {
    let values: Vec<u8> =
        request.headers().values().flat_map(|value| value.as_bytes().to_vec()).collect();
    let mut buffer = BytesMut::from(&*values).freeze();
    // What an HTTP server has sliced from is shared already.
    let shared = buffer.clone();
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).unwrap();
        let value = HeaderValue::from_maybe_shared(buffer.split_to(value.len())).unwrap();
        headers.append(name, value);
    }
    drop(shared);
    let mut received = Request::new(request.body().clone());
    *received.headers_mut() = headers;
    received
}

/// A request with the headers that come with each.
fn request(scheme: &Scheme, body: String) -> Request<Bytes> {
    let mut request = signed(scheme, Some(b"msg_1"), NOW.to_string().as_bytes(), body);
    for (name, value) in [
        ("host", "hooks.example.com"),
        ("user-agent", "Partner-Webhooks/1.0"),
        ("content-type", "application/json"),
        ("content-length", "1024"),
    ] {
        set(&mut request, name, value);
    }
    request
}

/// The two schemes that the promise is made for, and a request of each.
fn schemes() -> [(Scheme, Request<Bytes>); 2] {
    let filler = "x".repeat(900);
    let standard = format!(r#"{{"type":"user.created","data":"{filler}"}}"#);
    let short = shortlink("wh_abc123").replacen('{', &format!(r#"{{"data":"{filler}","#), 1);
    [
        (presets::STANDARD_WEBHOOKS, request(&presets::STANDARD_WEBHOOKS, standard)),
        (SHORTLINKS, request(&SHORTLINKS, short)),
    ]
}

/// How many allocations `verify` makes, and what it returns. The request is made before and the
/// result is dropped after.
///
/// It is not the thread's first call: what a thread needs to read the keys, while another one may
/// replace them, is made once per thread.
fn count(
    verifier: &Verifier,
    request: &Request<Bytes>,
) -> (u64, Result<inhook::Delivery, Rejection>) {
    drop(verifier.verify(as_received(request)));
    let request = as_received(request);
    let mut result = None;
    let info = allocation_counter::measure(|| result = Some(verifier.verify(request)));
    (info.count_total, result.unwrap())
}

#[test]
fn a_wrong_signature_is_refused_without_allocating() {
    for (scheme, good) in schemes() {
        let verifier = verifier(scheme.clone());
        let mut body = good.clone();
        *body.body_mut() = Bytes::from(vec![b'x'; good.body().len()]);
        let mut tag = good.clone();
        let value = good.headers()[scheme.signature.field.as_header().unwrap()].to_str().unwrap();
        // Another tag of the same length.
        let (prefix, wrong) = value.split_at(scheme.signature.prefix.len());
        let wrong: String = wrong
            .chars()
            .map(|c| match c {
                '1' => '0',
                '0' => '1',
                c => c,
            })
            .collect();
        assert!(!value.ends_with(&wrong), "it has to have a 0 or a 1");
        set(&mut tag, scheme.signature.field.as_header().unwrap(), format!("{prefix}{wrong}"));
        let mut short = good.clone();
        set(&mut short, scheme.signature.field.as_header().unwrap(), format!("{prefix}AAAA"));

        // What is too short to be a tag is refused before the body is looked at.
        let header =
            HeaderName::from_bytes(scheme.signature.field.as_header().unwrap().as_bytes()).unwrap();
        let malformed = Rejection::MalformedHeader { header };
        let wrong = Rejection::WrongSignature;
        for (request, reason) in [(body, &wrong), (tag, &wrong), (short, &malformed)] {
            let (allocations, result) = count(&verifier, &request);
            assert_eq!(result.unwrap_err(), *reason);
            assert_eq!(allocations, 0, "{}", scheme.name);
        }
    }
}

#[test]
fn a_full_list_of_wrong_signatures_is_refused_without_allocating() {
    let scheme = presets::STANDARD_WEBHOOKS;
    let (_, mut request) = schemes().into_iter().next().unwrap();
    let wrong = format!("v1,{}=", "A".repeat(43));
    set(&mut request, "webhook-signature", vec![&*wrong; 16].join(" "));
    let (allocations, result) = count(&verifier(scheme), &request);
    assert_eq!((allocations, result.unwrap_err()), (0, Rejection::WrongSignature));
}

#[test]
fn a_time_in_the_signature_header_is_read_without_allocating() {
    let scheme = presets::STRIPE;
    let verifier = verifier(scheme.clone());
    let good = request(&scheme, STRIPE.into());
    let with = |signature: String| {
        let mut request = good.clone();
        set(&mut request, "stripe-signature", signature);
        count(&verifier, &request)
    };
    let tag = "0".repeat(64);
    let stale = Rejection::Stale { age: std::time::Duration::from_secs(301) };
    let malformed = Rejection::MalformedHeader { header: "stripe-signature".parse().unwrap() };
    for (signature, reason) in [
        (format!("t={NOW},v1={tag},v0={tag}"), &Rejection::WrongSignature),
        (format!("v1={tag},t={NOW}"), &Rejection::WrongSignature),
        (format!("t={},v1={tag}", NOW - 301), &stale),
        (format!("v1={tag}"), &malformed),
        (format!("t={NOW},t={NOW},v1={tag}"), &malformed),
        (format!("t=0{NOW},v1={tag}"), &malformed),
    ] {
        let (allocations, result) = with(signature);
        assert_eq!((allocations, &result.unwrap_err()), (0, reason));
    }
}

#[test]
fn an_accepted_request_costs_at_most_four_allocations() {
    let stripe = (presets::STRIPE, request(&presets::STRIPE, STRIPE.into()));
    for (scheme, request) in schemes().into_iter().chain([stripe]) {
        let verifier = verifier(scheme.clone());
        let (allocations, result) = count(&verifier, &request);
        assert_eq!(result.unwrap().body(), request.body());
        assert!(allocations <= 4, "{}: {allocations}", scheme.name);
    }
}

/// Whoever has one genuine request of GitHub can send it again with many short headers, under other ids.
#[test]
fn a_memory_inbox_takes_no_more_than_it_counts() {
    const BOUND: usize = 4 << 20;
    let secret = "a secret of at least sixteen bytes";
    let signer = Signer::new(presets::GITHUB, secret).unwrap();
    let verifier = Verifier::new("acme", presets::GITHUB, secret).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Around where the map of headers grows; with other names, and with one.
    let counts = [0, 8, 20, 44, 64, 90, 96].into_iter();
    for (headers, is_named) in counts.flat_map(|count| [(count, true), (count, false)]) {
        let inbox = MemoryInbox::new().max_bytes(BOUND).max_deliveries(usize::MAX);
        let mut count = 0;
        let memory = allocation_counter::measure(|| {
            let full = (0..).find(|n: &u32| {
                let mut request = signer.request(&Message::new("{}").id(n.to_string())).unwrap();
                for n in 0..headers {
                    let name = if is_named { format!("x{n}") } else { "x".into() };
                    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                    request.headers_mut().append(name, HeaderValue::from_static("1"));
                }
                let delivery = verifier.verify(as_received(&request)).unwrap();
                runtime.block_on(inbox.put(delivery)).is_err()
            });
            count = full.unwrap();
        });
        let taken = usize::try_from(memory.bytes_current).unwrap();
        println!("{headers}: {count} in {taken}");
        // An allocator takes more than it is asked for, which is counted as well: most where values have one name.
        let least = if is_named { BOUND / 2 } else { BOUND * 2 / 5 };
        assert!((least..BOUND * 11 / 10).contains(&taken), "{headers}, {is_named}");
    }
}

#[test]
fn the_counter_counts() {
    let info = allocation_counter::measure(|| drop(Box::new([0u8; 64])));
    assert_eq!(info.count_total, 1);
}

/// What all items have in common is there once.
#[test]
fn items_do_not_multiply_what_is_sent_once() {
    let scheme = Scheme {
        signature: Signature { field: Field::pointer("/s"), ..Signature::BASE },
        content: Borrowed(&[
            Part::Field(Field::Pointer(Borrowed("/a"))),
            Part::Literal(Borrowed("|")),
            Part::Field(Field::Form(Borrowed("x"))),
        ]),
        json: Json::Form(Borrowed("p")),
        items: Some(Borrowed("/i")),
        dangerously_allow: Borrowed(&[Danger::UnsignedBody, Danger::LooseItems]),
        ..Scheme::BASE
    };
    let item = format!(r#"{{"a":"1","s":"{}"}}"#, "0".repeat(64));
    let body = format!(r#"p={{"i":[{}]}}&x=+{}"#, vec![item; 100].join(","), "a".repeat(1 << 20));
    let length = body.len() as u64;
    let mut forged = Request::new(Bytes::from(body));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    forged.headers_mut().insert("content-type", form);
    let (verifier, mut result) = (verifier(scheme), None);
    let info = allocation_counter::measure(|| result = Some(verifier.verify(forged)));
    assert_eq!(result.unwrap().unwrap_err(), Rejection::WrongSignature);
    assert!(info.bytes_max < 4 * length, "{} of {length}", info.bytes_max);
}
