//! Signatures: what has to be refused, and the one spelling that is accepted.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use inhook::scheme::{Algorithm, Encoding, Field, Identity, Layout, Part, Scheme, Signature};
use inhook::{Intake, MemoryInbox, Rejection, Verifier, VerifyLayer, presets};
use tower::{ServiceBuilder, ServiceExt};

mod common;

use common::{
    NOW, PRESETS, SECRET, SHORTLINKS, builder, mac, set, shortlink, signed, text, verifier,
};

const BODY: &[u8] = br#"{"type":"contact.created","data":{"id":1}}"#;

const STRIPE_BODY: &str = r#"{"id":"evt_1","type":"charge.succeeded","created":946684800}"#;

/// A scheme that signs the body only.
fn scheme(algorithm: Algorithm, encoding: Encoding, layout: Layout) -> Scheme {
    Scheme {
        algorithm,
        signature: Signature {
            header: Cow::Borrowed("x-signature"),
            prefix: Cow::Borrowed("v1,"),
            layout,
            encoding,
        },
        ..Scheme::BASE
    }
}

/// Every algorithm, encoding and layout.
fn schemes() -> Vec<Scheme> {
    let mut schemes = Vec::new();
    for algorithm in [Algorithm::HmacSha1, Algorithm::HmacSha256, Algorithm::HmacSha512] {
        for encoding in [Encoding::Hex, Encoding::Base64] {
            for layout in [Layout::Single, Layout::List(' '), Layout::List(';')] {
                schemes.push(scheme(algorithm, encoding, layout));
            }
        }
    }
    schemes
}

fn with(encoding: Encoding) -> impl Iterator<Item = Scheme> {
    schemes().into_iter().filter(move |scheme| scheme.signature.encoding == encoding)
}

/// A request with this in the signature header and nothing else.
fn carrying(signature: &str, body: &[u8]) -> Request<Bytes> {
    let mut request = Request::new(Bytes::copy_from_slice(body));
    set(&mut request, "x-signature", signature);
    request
}

/// The tag of [`BODY`] as text, without a prefix.
fn right(scheme: &Scheme) -> String {
    text(scheme.signature.encoding, &mac(scheme, BODY))
}

fn wrong(scheme: &Scheme, n: u64) -> String {
    text(scheme.signature.encoding, &mac(scheme, &n.to_be_bytes()))
}

/// One request for each preset and one more, with the names of the headers that have to be there.
fn presets() -> [(Scheme, Request<Bytes>, &'static [&'static str]); 7] {
    const STANDARD: &[&str] = &["webhook-signature", "webhook-id", "webhook-timestamp"];
    const SLACK: &[&str] = &["x-slack-signature", "x-slack-request-timestamp"];
    let time = NOW.to_string();
    let make = |scheme: Scheme, body: Bytes, needed: &'static [&'static str]| {
        let request = signed(&scheme, Some(b"msg_1"), time.as_bytes(), body);
        (scheme, request, needed)
    };
    let body = Bytes::from_static(BODY);
    [
        make(presets::GITHUB, body.clone(), &["x-hub-signature-256"]),
        make(presets::STANDARD_WEBHOOKS, body.clone(), STANDARD),
        make(presets::SVIX, body.clone(), STANDARD),
        make(presets::SHOPIFY, body.clone(), &["x-shopify-hmac-sha256"]),
        make(presets::SLACK, body, SLACK),
        make(presets::STRIPE, STRIPE_BODY.into(), &["stripe-signature"]),
        make(SHORTLINKS, shortlink("wh_1").into(), &["x-webhook-signature"]),
    ]
}

fn refused(verifier: &Verifier, request: Request<Bytes>) -> Rejection {
    let rejection = verifier.verify(request).expect_err("it must not be accepted");
    assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED, "{rejection}");
    rejection
}

#[tokio::test]
async fn b1_missing_header_is_answered_like_a_wrong_signature() {
    for (scheme, request, needed) in presets() {
        let service = ServiceBuilder::new()
            .layer(VerifyLayer::new(verifier(scheme.clone())))
            .service(Intake::new(std::sync::Arc::new(MemoryInbox::new())));
        let answer = async |mut request: Request<Bytes>| {
            *request.method_mut() = http::Method::POST;
            let answer = service.clone().oneshot(request.map(Full::new)).await.unwrap();
            let (parts, body) = answer.into_parts();
            (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
        };

        let mut bad = request.clone();
        *bad.body_mut() = Bytes::from_static(b"{}");
        let bad = answer(bad).await;
        assert_eq!(bad.0, StatusCode::UNAUTHORIZED);
        for header in needed {
            let mut request = request.clone();
            request.headers_mut().remove(*header);
            let rejection = refused(&verifier(scheme.clone()), request.clone());
            assert_eq!(rejection, Rejection::MissingHeader { header: header.parse().unwrap() });
            assert_eq!(answer(request).await, bad, "{header}");
        }
        // The control: the service is not one that refuses everything.
        assert_eq!(answer(request).await.0, StatusCode::OK, "{}", scheme.name);
    }
}

#[test]
fn b2_a_request_without_any_headers_is_refused_and_does_no_harm() {
    for (scheme, request, _) in presets() {
        let verifier = verifier(scheme);
        for body in [Bytes::new(), request.body().clone()] {
            let bare = Request::new(body);
            let early = verifier.check_headers(bare.headers()).unwrap_err();
            assert_eq!(refused(&verifier, bare), early);
            assert!(matches!(early, Rejection::MissingHeader { .. }));
        }
        verifier.verify(request).unwrap();
    }
}

#[test]
fn b3_empty_tag_is_rejected() {
    for scheme in schemes() {
        let verifier = verifier(scheme.clone());
        for signature in ["v1,", "v1", "v1,=", "v1,====", "v1,v1,", "", ","] {
            refused(&verifier, carrying(signature, BODY));
        }
        if let Layout::List(separator) = scheme.signature.layout {
            refused(&verifier, carrying(&format!("v1,{separator}v1,"), BODY));
            // An empty tag beside the right one takes nothing away from it.
            let right = right(&scheme);
            verifier.verify(carrying(&format!("v1,{separator}v1,{right}"), BODY)).unwrap();
        }
    }
}

#[test]
fn b4_only_the_whole_tag_is_accepted() {
    for scheme in schemes() {
        let verifier = verifier(scheme.clone());
        let encoding = scheme.signature.encoding;
        let (tag, whole) = (mac(&scheme, BODY), right(&scheme));
        verifier.verify(carrying(&format!("v1,{whole}"), BODY)).unwrap();

        let bytes = (0..tag.len()).map(|len| text(encoding, &tag[..len]));
        let chars = (0..whole.len()).map(|len| whole[..len].to_owned());
        let one_more =
            [0, b'\n', b'=', 0xff].map(|byte| text(encoding, &[&*tag, &[byte]].concat()));
        let longer = ["0", "00", "A", "=", "==", "AAAA"].map(|more| format!("{whole}{more}"));
        let earlier = ["0", "00", "AAAA"].map(|more| format!("{more}{whole}"));
        for tag in bytes.chain(chars).chain(one_more).chain(longer).chain(earlier) {
            refused(&verifier, carrying(&format!("v1,{tag}"), BODY));
        }
    }
}

#[test]
fn b4_a_tag_with_one_wrong_byte_is_rejected() {
    for scheme in schemes() {
        let verifier = verifier(scheme.clone());
        let tag = mac(&scheme, BODY);
        for at in 0..tag.len() {
            for flip in [0x01, 0x80] {
                let mut tag = tag.clone();
                tag[at] ^= flip;
                let signature = format!("v1,{}", text(scheme.signature.encoding, &tag));
                assert_eq!(
                    refused(&verifier, carrying(&signature, BODY)),
                    Rejection::WrongSignature
                );
            }
        }
    }
}

#[test]
fn b5_the_right_tag_counts_wherever_it_stands_in_the_list() {
    for scheme in schemes() {
        let Layout::List(separator) = scheme.signature.layout else { continue };
        let verifier = verifier(scheme.clone());
        let list = |tags: &[String]| {
            let entries: Vec<String> = tags.iter().map(|tag| format!("v1,{tag}")).collect();
            carrying(&entries.join(&separator.to_string()), BODY)
        };
        for count in [1u64, 3, 16] {
            let tags: Vec<String> = (0..count).map(|n| wrong(&scheme, n)).collect();
            refused(&verifier, list(&tags));
            for at in 0..tags.len() {
                let mut tags = tags.clone();
                tags[at] = right(&scheme);
                verifier.verify(list(&tags)).unwrap();
            }
        }
    }
}

#[test]
fn b5_other_versions_are_ignored_and_never_match() {
    for scheme in schemes() {
        let Layout::List(separator) = scheme.signature.layout else { continue };
        let verifier = verifier(scheme.clone());
        let (right, wrong) = (right(&scheme), wrong(&scheme, 1));
        for version in ["v1a,", "v2,", "V1,", "v1=", "v11,", "v1.", "v", "xv1,", ""] {
            refused(&verifier, carrying(&format!("{version}{right}"), BODY));
            let beside = |tag: &str| format!("v1,{tag}{separator}{version}{right}");
            refused(&verifier, carrying(&beside(&wrong), BODY));
            verifier.verify(carrying(&beside(&right), BODY)).unwrap();
        }
    }
}

#[test]
fn b5_a_tag_of_another_length_is_ignored_beside_the_right_one() {
    for scheme in schemes() {
        let Layout::List(separator) = scheme.signature.layout else { continue };
        let verifier = verifier(scheme.clone());
        let right = right(&scheme);
        for other in ["", "AAAA", &right[1..], &format!("{right}AAAA"), &right.repeat(20)] {
            refused(&verifier, carrying(&format!("v1,{other}{separator}v1,{other}"), BODY));
            for list in [
                format!("v1,{other}{separator}v1,{right}"),
                format!("v1,{right}{separator}v1,{other}"),
            ] {
                verifier.verify(carrying(&list, BODY)).unwrap();
            }
        }
    }
}

#[test]
fn b6_base64_has_one_spelling() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for scheme in with(Encoding::Base64) {
        let verifier = verifier(scheme.clone());
        // One whose tag has characters that differ in the URL-safe alphabet.
        let body = (0u32..)
            .map(|n| n.to_string().into_bytes())
            .find(|body| {
                let tag = text(Encoding::Base64, &mac(&scheme, body));
                tag.contains('+') && tag.contains('/')
            })
            .unwrap();
        let right = text(Encoding::Base64, &mac(&scheme, &body));
        verifier.verify(carrying(&format!("v1,{right}"), &body)).unwrap();

        let bare = right.trim_end_matches('=');
        let padding = &right[bare.len()..];
        assert!(!padding.is_empty(), "no MAC is a multiple of three bytes long");
        // The last character has bits that no byte takes: all its values with the same upper bits.
        let unused = if padding.len() == 1 { 4 } else { 16 };
        let (start, last) = bare.split_at(bare.len() - 1);
        let value = ALPHABET.iter().position(|byte| *byte == last.as_bytes()[0]).unwrap();
        assert_eq!(value % unused, 0, "the encoder leaves them zero");
        let mut spellings: Vec<String> = (1..unused)
            .map(|bits| format!("{start}{}{padding}", char::from(ALPHABET[value + bits])))
            .collect();
        spellings.extend([
            bare.to_owned(),
            format!("{right}="),
            format!("={right}"),
            format!("{bare} {padding}"),
            format!("{} {}", &right[..4], &right[4..]),
            format!("{}\t{}", &right[..4], &right[4..]),
            right.replace('+', "-"),
            right.replace('/', "_"),
            right.replace('+', "-").replace('/', "_"),
            right.replace('=', "%3D"),
            right.replace('=', "."),
        ]);
        for spelling in spellings {
            refused(&verifier, carrying(&format!("v1,{spelling}"), &body));
        }
    }
}

#[test]
fn b7_hex_is_lower_case_and_exactly_as_long_as_the_tag() {
    for scheme in with(Encoding::Hex) {
        let verifier = verifier(scheme.clone());
        let right = right(&scheme);
        verifier.verify(carrying(&format!("v1,{right}"), BODY)).unwrap();
        let letter = right.find(|c: char| c.is_ascii_lowercase()).unwrap();
        let mixed = {
            let mut mixed = right.clone();
            mixed[letter..=letter].make_ascii_uppercase();
            mixed
        };
        for spelling in [
            right.to_uppercase(),
            mixed,
            right[1..].to_owned(),
            right[..right.len() - 1].to_owned(),
            format!("{right}0"),
            format!("0x{right}"),
            format!("0x{}", &right[2..]),
            format!("g{}", &right[1..]),
            format!("{}:", &right[1..]),
            format!("{}{right}", right),
        ] {
            refused(&verifier, carrying(&format!("v1,{spelling}"), BODY));
        }
    }
}

#[test]
fn b8_the_header_does_not_choose_the_algorithm() {
    let verifier = verifier(presets::GITHUB);
    let tag = |algorithm| {
        let scheme = Scheme { algorithm, ..presets::GITHUB };
        text(Encoding::Hex, &mac(&scheme, BODY))
    };
    let (sha1, sha256, sha512) =
        (tag(Algorithm::HmacSha1), tag(Algorithm::HmacSha256), tag(Algorithm::HmacSha512));
    let answer = |signature: String| {
        let mut request = Request::new(Bytes::from_static(BODY));
        set(&mut request, "x-hub-signature-256", signature);
        verifier.verify(request)
    };
    answer(format!("sha256={sha256}")).unwrap();
    for signature in [
        format!("sha1={sha1}"),
        format!("sha256={sha1}"),
        format!("sha1={sha256}"),
        format!("sha512={sha512}"),
        format!("sha256={sha512}"),
        format!("SHA256={sha256}"),
        format!("none={sha256}"),
        format!("v0={sha256}"),
        "none=".into(),
        sha256,
    ] {
        assert!(answer(signature.clone()).is_err(), "{signature}");
    }
}

#[test]
fn b9_a_good_old_signature_does_not_make_up_for_a_bad_new_one() {
    let sha1 = Scheme { algorithm: Algorithm::HmacSha1, ..presets::GITHUB };
    let legacy = format!("sha1={}", text(Encoding::Hex, &mac(&sha1, BODY)));
    let verifier = verifier(presets::GITHUB);
    let good = signed(&presets::GITHUB, Some(b"1"), b"", BODY);
    let wrong = format!("sha256={}", "0".repeat(64));
    for new in [Some(&*wrong), Some("sha256="), Some("nonsense"), Some(""), Some(&*legacy), None] {
        let mut request = good.clone();
        set(&mut request, "x-hub-signature", &legacy);
        match new {
            Some(new) => set(&mut request, "x-hub-signature-256", new),
            None => drop(request.headers_mut().remove("x-hub-signature-256")),
        }
        refused(&verifier, request);
    }
    // The other way round the legacy header is not looked at.
    let mut request = good;
    set(&mut request, "x-hub-signature", "sha1=wrong");
    verifier.verify(request).unwrap();
}

#[test]
fn b9_a_good_signature_under_the_other_name_does_not_make_up_for_a_bad_one() {
    let verifier = verifier(presets::STANDARD_WEBHOOKS);
    let time = NOW.to_string();
    let good = signed(&presets::STANDARD_WEBHOOKS, Some(b"1"), time.as_bytes(), BODY);
    let signature = good.headers()["webhook-signature"].clone();
    for bad in ["v1,", "v1,AAAA", "nonsense", ""] {
        for (own, other) in
            [("webhook-signature", "svix-signature"), ("svix-signature", "webhook-signature")]
        {
            let mut request = good.clone();
            set(&mut request, own, bad);
            set(&mut request, other, &signature);
            refused(&verifier, request);
        }
    }
}

#[test]
fn b10_repeated_headers_are_refused_even_with_equal_values() {
    for (scheme, request, needed) in presets() {
        let verifier = verifier(scheme.clone());
        let id = match &*scheme.name {
            "github" => Some("x-github-delivery"),
            "shopify" => Some("x-shopify-webhook-id"),
            _ => None,
        };
        for name in needed.iter().copied().chain(id) {
            let value = request.headers()[name].clone();
            for second in [value, HeaderValue::from_static("other")] {
                let mut request = request.clone();
                request.headers_mut().append(name, second);
                let rejection = refused(&verifier, request);
                assert_eq!(rejection, Rejection::RepeatedHeader { header: name.parse().unwrap() });
            }
        }
    }
}

#[test]
fn b10_both_names_of_a_header_must_be_equal() {
    for scheme in [presets::STANDARD_WEBHOOKS, presets::SVIX] {
        let verifier = verifier(scheme.clone());
        let time = NOW.to_string();
        let good = signed(&scheme, Some(b"msg_1"), time.as_bytes(), BODY);
        for (own, other) in [
            ("webhook-id", "svix-id"),
            ("webhook-timestamp", "svix-timestamp"),
            ("webhook-signature", "svix-signature"),
        ] {
            let value = good.headers()[own].clone();
            let mut equal = good.clone();
            set(&mut equal, other, &value);
            verifier.verify(equal.clone()).unwrap();

            equal.headers_mut().append(other, value.clone());
            refused(&verifier, equal);

            for different in ["", "msg_2", "1768469401", "v1,AAAA"] {
                // Whichever of the two carries what was signed.
                for (right, forged) in [(own, other), (other, own)] {
                    let mut request = good.clone();
                    set(&mut request, right, &value);
                    set(&mut request, forged, different);
                    let header = own.parse().unwrap();
                    assert_eq!(refused(&verifier, request), Rejection::RepeatedHeader { header });
                }
            }

            let mut renamed = good.clone();
            renamed.headers_mut().remove(own);
            set(&mut renamed, other, &value);
            verifier.verify(renamed).unwrap();
        }
    }
}

/// What no header of a partner contains, but an HTTP parser lets through.
const NOT_VISIBLE_ASCII: [&str; 10] =
    [" ", "\t", "\u{a0}", "é", "\u{200f}", "\u{202e}", "\u{feff}", "１", "٣", "\u{2028}"];

#[test]
fn b11_a_signature_is_visible_ascii() {
    for scheme in schemes() {
        let verifier = verifier(scheme.clone());
        let right = right(&scheme);
        for odd in NOT_VISIBLE_ASCII {
            for signature in [
                format!("{odd}v1,{right}"),
                format!("v1,{right}{odd}"),
                format!("v1,{odd}{right}"),
                format!("v1{odd},{right}"),
                format!("v1,{}{odd}{}", &right[..8], &right[8..]),
            ] {
                refused(&verifier, carrying(&signature, BODY));
            }
        }
        let mut broken = carrying("v1,", BODY);
        set(&mut broken, "x-signature", [b"v1,".as_slice(), &[0xff; 32]].concat());
        refused(&verifier, broken);
    }
}

#[test]
fn b11_a_signed_id_and_time_are_visible_ascii() {
    let scheme = presets::STANDARD_WEBHOOKS;
    let verifier = verifier(scheme.clone());
    let now = NOW.to_string();
    verifier.verify(signed(&scheme, Some(b"msg_1"), now.as_bytes(), BODY)).unwrap();
    // The MAC is right for all of these: it is the text itself that is refused.
    for odd in NOT_VISIBLE_ASCII {
        for id in [format!("{odd}msg_1"), format!("msg_1{odd}"), format!("msg{odd}1"), odd.into()] {
            let request = signed(&scheme, Some(id.as_bytes()), now.as_bytes(), BODY);
            let header = "webhook-id".parse().unwrap();
            assert_eq!(refused(&verifier, request), Rejection::MalformedHeader { header });
        }
        for time in [format!("{odd}{now}"), format!("{now}{odd}"), odd.into()] {
            let request = signed(&scheme, Some(b"msg_1"), time.as_bytes(), BODY);
            let header = "webhook-timestamp".parse().unwrap();
            assert_eq!(refused(&verifier, request), Rejection::MalformedHeader { header });
        }
    }
    let latin1 = signed(&scheme, Some(b"msg_\xe9"), now.as_bytes(), BODY);
    refused(&verifier, latin1);
}

#[test]
fn b11_an_unsigned_id_is_visible_ascii() {
    let verifier = verifier(presets::GITHUB);
    for odd in NOT_VISIBLE_ASCII {
        for id in [format!("{odd}1"), format!("1{odd}"), odd.into()] {
            refused(&verifier, signed(&presets::GITHUB, Some(id.as_bytes()), b"", BODY));
        }
    }
}

#[test]
fn b12_a_long_list_is_refused_before_anything_is_computed() {
    for scheme in schemes() {
        let Layout::List(separator) = scheme.signature.layout else { continue };
        let verifier = verifier(scheme.clone());
        let too_many =
            Rejection::TooManySignatures { header: "x-signature".parse().unwrap(), max: 16 };
        let entry = format!("v1,{}", right(&scheme));
        for count in [17, 8_800] {
            let request = carrying(&vec![&*entry; count].join(&separator.to_string()), BODY);
            // `check_headers` has no body, so no MAC can have been computed.
            assert_eq!(verifier.check_headers(request.headers()), Err(too_many.clone()));
            assert_eq!(refused(&verifier, request), too_many);
        }
        let list = vec![&*entry; 16].join(&separator.to_string());
        verifier.verify(carrying(&list, BODY)).unwrap();
    }
}

#[test]
fn b12_with_sixteen_secrets_sixteen_tags_are_compared_with_each() {
    let scheme = scheme(Algorithm::HmacSha256, Encoding::Base64, Layout::List(' '));
    let mut builder = Verifier::builder("acme", scheme.clone(), "the first of sixteen secrets");
    for n in 2..16 {
        builder = builder.secret(format!("secret number {n} of sixteen"));
    }
    let verifier = builder.secret(SECRET).build().unwrap();
    let mut tags: Vec<String> = (0..15).map(|n| format!("v1,{}", wrong(&scheme, n))).collect();
    tags.push(format!("v1,{}", right(&scheme)));
    let delivery = verifier.verify(carrying(&tags.join(" "), BODY)).unwrap();
    assert_eq!(delivery.secret(), "15");
    tags.pop();
    refused(&verifier, carrying(&tags.join(" "), BODY));
}

#[test]
fn b15_only_the_raw_bytes_are_signed() {
    for (scheme, request, _) in presets() {
        let verifier = verifier(scheme);
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        for other in [
            serde_json::to_string_pretty(&value).unwrap(),
            body.replace(':', ": "),
            body.replacen('"', "\\u0022", 1),
            format!("{body}\n"),
            format!(" {body}"),
            format!("\u{feff}{body}"),
            body[..body.len() - 1].to_owned(),
        ] {
            assert_ne!(other, body);
            let mut request = request.clone();
            *request.body_mut() = other.into();
            assert_eq!(refused(&verifier, request), Rejection::WrongSignature);
        }
        assert_eq!(verifier.verify(request).unwrap().body(), &body);
    }
}

#[test]
fn b15_a_body_need_not_be_text() {
    let body = Bytes::from_static(b"\xff\xfe\x00\x80{\r\n\xc3");
    let time = NOW.to_string();
    let own = schemes().into_iter();
    // Stripe's is JSON, or it has no id.
    for scheme in own.chain(PRESETS.into_iter().filter(|scheme| scheme.name != "stripe")) {
        let request = signed(&scheme, Some(b"msg_1"), time.as_bytes(), body.clone());
        let delivery = verifier(scheme).verify(request).unwrap();
        assert_eq!(delivery.body(), &body);
        assert_eq!(delivery.event(), None);
    }
}

#[test]
fn b16_an_empty_body_is_accepted() {
    let time = NOW.to_string();
    let own = schemes().into_iter();
    for scheme in own.chain(PRESETS.into_iter().filter(|scheme| scheme.name != "stripe")) {
        let request = signed(&scheme, Some(b"msg_1"), time.as_bytes(), Bytes::new());
        let verifier = verifier(scheme);
        assert_eq!(verifier.verify(request.clone()).unwrap().body(), "");
        // It is signed like any other: bytes that are added to it are noticed.
        let mut longer = request;
        *longer.body_mut() = Bytes::from_static(b"\n");
        refused(&verifier, longer);
    }
}

#[test]
fn b16_an_empty_body_lacks_what_the_scheme_needs_of_it() {
    // Nobody but the partner can sign an empty body, so it is its mistake, not an attack.
    let time = NOW.to_string();
    for scheme in [SHORTLINKS, presets::STRIPE] {
        let request = signed(&scheme, None, time.as_bytes(), "");
        let rejection = verifier(scheme).verify(request).unwrap_err();
        assert!(matches!(rejection, Rejection::NotJson { .. }), "{rejection}");
        assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn b16_an_empty_id_is_rejected() {
    let time = NOW.to_string();
    for scheme in [presets::STANDARD_WEBHOOKS, presets::SVIX, presets::GITHUB, presets::SHOPIFY] {
        let request = signed(&scheme, Some(b""), time.as_bytes(), BODY);
        assert!(matches!(refused(&verifier(scheme), request), Rejection::MalformedHeader { .. }));
    }
    for (scheme, body) in
        [(SHORTLINKS, shortlink("")), (presets::STRIPE, STRIPE_BODY.replace("evt_1", ""))]
    {
        let request = signed(&scheme, None, time.as_bytes(), body);
        let rejection = verifier(scheme).verify(request).unwrap_err();
        assert!(matches!(rejection, Rejection::IdentityField { .. }), "{rejection}");
        assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn an_id_can_not_take_bytes_from_the_part_that_follows_it() {
    // Whatever stands between the two, one MAC must not vouch for two pairs of id and body.
    for separator in [".", "..", "::", "||", "-.-"] {
        let scheme = Scheme {
            content: Cow::Owned(vec![
                Part::Id,
                Part::Literal(Cow::Borrowed(separator)),
                Part::Body,
            ]),
            id: Some(Field::header("x-id")),
            identity: Identity::Fields(Cow::Owned(vec![Field::header("x-id")])),
            ..scheme(Algorithm::HmacSha256, Encoding::Hex, Layout::Single)
        };
        // A separator that can't be told apart from its neighbours may be refused at once.
        let Ok(verifier) = builder(scheme.clone()).build() else { continue };
        let content = format!("a{separator}{separator}{separator}b");
        let signature = format!("v1,{}", text(Encoding::Hex, &mac(&scheme, content.as_bytes())));
        let accepted = (0..=content.len() - separator.len())
            .filter(|at| content[*at..].starts_with(separator))
            .map(|at| (&content[..at], &content[at + separator.len()..]))
            .filter(|(id, body)| {
                let mut request = carrying(&signature, body.as_bytes());
                set(&mut request, "x-id", id);
                verifier.verify(request).is_ok()
            })
            .collect::<Vec<_>>();
        assert_eq!(accepted.len(), 1, "{separator:?}: {accepted:?}");
    }
}
