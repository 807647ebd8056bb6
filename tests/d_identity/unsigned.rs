//! Ids that nobody signs, and content that is new at each attempt.

use super::*;

#[tokio::test]
async fn d2_an_id_that_is_not_signed_does_not_escape_the_content() {
    let content = Identity::Content;
    let puts = put([
        github(&content, Some("1"), BODY),
        github(&content, Some("2"), BODY),
        github(&content, None, BODY),
        github(&content, Some("1"), OTHER_BODY),
    ]);
    assert_eq!(puts.await, [Put::New, Put::Duplicate, Put::Duplicate, Put::New]);
}

#[tokio::test]
async fn d2_a_missing_unsigned_id_counts_as_empty() {
    let both = Identity::IdAndContent;
    let missing = github(&both, None, BODY);
    assert_eq!(missing.id(), None);
    let puts = put([
        github(&both, Some("1"), BODY),
        github(&both, Some("2"), BODY),
        missing,
        // Without an id it is still told from others, and still a duplicate of itself.
        github(&both, None, BODY),
        github(&both, None, OTHER_BODY),
        github(&both, Some("1"), BODY),
    ]);
    use Put::{Duplicate, New};
    assert_eq!(puts.await, [New, New, New, Duplicate, New, Duplicate]);
}

#[tokio::test]
async fn d3_a_guessed_id_does_not_swallow_the_real_delivery() {
    let (captured, real) = (BODY, OTHER_BODY);
    for (identity, second) in [
        (Identity::IdAndContent, Put::New),
        (Identity::Content, Put::New),
        // This is what its name warns of.
        (Identity::UnsignedId, Put::Duplicate),
    ] {
        let forged = github(&identity, Some("next"), captured);
        let puts = put([forged, github(&identity, Some("next"), real)]);
        assert_eq!(puts.await, [Put::New, second], "{identity:?}");
    }
}

/// Like Linear: a new time in the body at each attempt, and an id that is in no signed place.
fn restamped() -> Scheme {
    Scheme {
        signature: Signature {
            field: Field::header("x-signature"),
            prefix: Cow::Borrowed(""),
            layout: Layout::Single,
            encoding: Encoding::Hex,
            ..Signature::BASE
        },
        id: Some(Field::header("x-delivery")),
        sent_at: Some(SentAt { field: Field::pointer("/sent"), format: TimeFormat::UnixSeconds }),
        identity: Identity::UnsignedId,
        ..Scheme::BASE
    }
}

#[test]
fn d14_a_body_with_a_new_time_at_each_attempt_is_no_identity() {
    for scheme in [SHORTLINKS, restamped()] {
        for identity in [Identity::Content, Identity::IdAndContent] {
            let error = builder(scheme.clone()).identity(identity.clone()).build().unwrap_err();
            assert!(matches!(error, ConfigError::Identity { .. }), "{error}");
            // Not judging the time does not make it the same at each attempt.
            let error = builder(scheme.clone()).identity(identity).ignore_sent_at().build();
            assert!(matches!(error, Err(ConfigError::Identity { .. })));
        }
        for identity in [scheme.identity.clone(), Identity::UnsignedId, Identity::None] {
            builder(scheme.clone()).identity(identity).build().unwrap();
        }
    }
    // A time in a header is not part of the content.
    for identity in [Identity::Content, Identity::IdAndContent] {
        let verifier = builder(presets::STANDARD_WEBHOOKS).identity(identity).build().unwrap();
        let first = standard(&verifier, "msg_1", NOW, BODY).key();
        assert_eq!(standard(&verifier, "msg_1", NOW + 60, BODY).key(), first);
        assert_ne!(standard(&verifier, "msg_1", NOW, OTHER_BODY).key(), first);
        // The id is signed here, so it is part of the content.
        assert_ne!(standard(&verifier, "msg_2", NOW, BODY).key(), first);
    }
}

#[tokio::test]
async fn d14_a_restamped_retry_is_a_duplicate_by_fields_or_by_the_unsigned_id() {
    let shortlink_at = |time: &str| {
        let body = shortlink("wh_1").replace("09:30:00", time);
        verifier(SHORTLINKS).verify(signed(&SHORTLINKS, None, b"", body)).unwrap()
    };
    let attempts = [shortlink_at("09:30:00"), shortlink_at("09:30:05"), shortlink_at("09:29:59")];
    assert_eq!(put(attempts).await, [Put::New, Put::Duplicate, Put::Duplicate]);

    let verifier = verifier(restamped());
    let attempt = |id: &str, time: u64| {
        let body = format!(r#"{{"sent":{time}}}"#);
        verifier.verify(signed(&restamped(), Some(id.as_bytes()), b"", body)).unwrap()
    };
    let attempts = [attempt("1", NOW), attempt("1", NOW + 5), attempt("2", NOW)];
    assert_eq!(put(attempts).await, [Put::New, Put::Duplicate, Put::New]);
}

#[test]
fn d14_a_bare_unsigned_id_has_to_be_there() {
    let body = format!(r#"{{"sent":{NOW}}}"#);
    let missing = verifier(restamped()).verify(signed(&restamped(), None, b"", body.clone()));
    let rejection = missing.unwrap_err();
    assert_eq!(rejection, Rejection::IdentityField { field: "x-delivery".into(), max: 255 });
    assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);

    // The partner's mistake is only told to the partner: without its MAC it is a 401.
    let mut forged = signed(&restamped(), None, b"", body.clone());
    set(&mut forged, "x-signature", text(Encoding::Hex, &[0; 32]));
    assert_eq!(verifier(restamped()).verify(forged).unwrap_err(), Rejection::WrongSignature);
    for id in [&b""[..], b"a b", &[b'x'; 256]] {
        verifier(restamped())
            .verify(signed(&restamped(), Some(id), b"", body.clone()))
            .unwrap_err();
    }
}

#[tokio::test]
async fn d15_equal_bodies_under_new_ids_both_run() {
    let both = |id| github(&Identity::IdAndContent, Some(id), BODY);
    assert_eq!(put([both("1"), both("2"), both("1")]).await, [Put::New, Put::New, Put::Duplicate]);
}

#[tokio::test]
async fn d15_shopify_ids_are_bound_to_the_content() {
    let shopify = |id: &str, body: &str| {
        let request = signed(&presets::SHOPIFY, Some(id.as_bytes()), b"", body.to_owned());
        verifier(presets::SHOPIFY).verify(request).unwrap()
    };
    let puts = put([
        shopify("1", BODY),
        shopify("1", BODY),
        shopify("2", BODY),
        // A guessed id does not swallow the real delivery.
        shopify("1", OTHER_BODY),
    ]);
    assert_eq!(puts.await, [Put::New, Put::Duplicate, Put::New, Put::New]);
}
