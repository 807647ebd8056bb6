//! B15, B16: what is signed.

use super::*;

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
