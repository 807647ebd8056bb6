//! A1 to A8: secrets that must not build, or not verify.

use super::*;

#[test]
fn a1_empty_secret_is_refused() {
    let empty = ConfigError::EmptySecret { label: "0".into() };
    for scheme in PRESETS.into_iter().chain([SHORTLINKS]) {
        assert_eq!(error(scheme.clone(), ""), empty);
        assert_eq!(error(scheme.clone(), Secret::new(Vec::new())), empty);
        let weak = Verifier::builder("acme", scheme.clone(), "").allow_weak_secret().build();
        assert_eq!(weak.unwrap_err(), empty);
        assert_eq!(Signer::new(scheme.clone(), "").unwrap_err(), empty);
        assert_eq!(verifier(scheme).rotate([Secret::new("")]), Err(empty.clone()));
    }
}

#[test]
fn a2_one_empty_secret_among_several_refuses_them_all() {
    let second = ConfigError::EmptySecret { label: "1".into() };
    let built = Verifier::builder("acme", presets::GITHUB, SECRET).secret("").build();
    assert_eq!(built.unwrap_err(), second);
    let built = Verifier::builder("acme", presets::GITHUB, SECRET)
        .secret(Secret::new("").label("2026-01"))
        .secret(OTHER_SECRET)
        .build();
    assert_eq!(built.unwrap_err(), ConfigError::EmptySecret { label: "2026-01".into() });

    // A rotation that fails leaves the old secrets as they were, and takes none of the new ones.
    let verifier = verifier(presets::GITHUB);
    let rotated = verifier.rotate([Secret::new(OTHER_SECRET), Secret::new("")]);
    assert_eq!(rotated, Err(second));
    verifier.verify(github(SECRET)).unwrap();
    assert_eq!(verifier.verify(github(OTHER_SECRET)).unwrap_err(), Rejection::WrongSignature);
}

#[test]
fn a3_a_secret_of_white_space_is_refused() {
    for secret in [" ", "\n", "\t \r\n", &" ".repeat(32)] {
        for scheme in [presets::GITHUB, presets::STANDARD_WEBHOOKS] {
            let empty = ConfigError::EmptySecret { label: "0".into() };
            assert_eq!(error(scheme.clone(), secret), empty, "{secret:?}");
            let weak = Verifier::builder("acme", scheme, secret).allow_weak_secret().build();
            assert_eq!(weak.unwrap_err(), empty, "{secret:?}");
        }
    }
}

/// HMAC fills each key up with zeros, so that these are the empty one.
#[test]
fn a1_a_key_of_zeros_is_an_empty_one() {
    let hex = Scheme { key: KeyFormat::Hex, ..presets::GITHUB };
    let zeros = |bytes| format!("whsec_{}", Base64::encode_string(&vec![0; bytes]));
    for (scheme, secret) in [
        (presets::STANDARD_WEBHOOKS, zeros(1)),
        (presets::STANDARD_WEBHOOKS, zeros(24)),
        (presets::STANDARD_WEBHOOKS, zeros(64)),
        (hex, "00".repeat(32)),
    ] {
        let empty = ConfigError::EmptySecret { label: "0".into() };
        let weak = Verifier::builder("acme", scheme, &*secret).allow_weak_secret();
        assert_eq!(weak.build().unwrap_err(), empty, "{secret}");
    }
}

#[test]
fn a3_a_short_secret_is_refused_unless_it_is_allowed_by_name() {
    let empty = ConfigError::EmptySecret { label: "0".into() };
    assert_eq!(error(presets::STANDARD_WEBHOOKS, "whsec_"), empty);
    let allowed = Verifier::builder("acme", presets::STANDARD_WEBHOOKS, "whsec_");
    assert_eq!(allowed.allow_weak_secret().build().unwrap_err(), empty);

    let base64 = |bytes: usize| format!("whsec_{}", Base64::encode_string(&vec![7; bytes]));
    assert_eq!(base64(1), "whsec_Bw==");
    for bytes in 1..16 {
        let weak = ConfigError::WeakSecret { label: "0".into(), bytes, min: 16 };
        // The decoded key counts, not the text, which has 16 characters much sooner.
        for (scheme, secret) in
            [(presets::STANDARD_WEBHOOKS, base64(bytes)), (presets::GITHUB, "x".repeat(bytes))]
        {
            assert_eq!(error(scheme.clone(), secret.clone()), weak);
            let old = verifier(scheme.clone());
            assert_eq!(old.rotate([Secret::new(secret.clone())]), Err(weak.clone()));

            let allowed = Verifier::builder("acme", scheme, secret.clone()).allow_weak_secret();
            let allowed = allowed.build().unwrap();
            allowed.rotate([Secret::new(secret)]).unwrap();
        }
    }
    // What is made of a secret is longer than it, and no harder to guess.
    let weak = |bytes| ConfigError::WeakSecret { label: "0".into(), bytes, min: 16 };
    for (key, secret, bytes) in
        [(KeyFormat::Sha1, "a", 1), (KeyFormat::Nfkd, "\u{fdfa}\u{fdfa}\u{fdfa}", 9)]
    {
        assert_eq!(error(Scheme { key, ..presets::GITHUB }, secret), weak(bytes));
    }
    Verifier::new("acme", presets::STANDARD_WEBHOOKS, base64(16)).unwrap();
    Verifier::new("acme", presets::GITHUB, "x".repeat(16)).unwrap();
}

#[test]
fn a4_white_space_around_a_secret_is_refused_and_never_trimmed() {
    for around in ["\n", "\r\n", " ", "\t", "\n\n"] {
        for secret in [format!("{SECRET}{around}"), format!("{around}{SECRET}")] {
            for scheme in [presets::GITHUB, presets::STANDARD_WEBHOOKS] {
                let padded = ConfigError::PaddedSecret { label: "0".into() };
                assert_eq!(error(scheme.clone(), secret.clone()), padded, "{around:?}");
                assert!(padded.to_string().contains("white space"));
                let rotated = verifier(scheme).rotate([Secret::new(secret.clone())]);
                assert_eq!(rotated, Err(padded));
            }
        }
    }
    // White space inside is part of the secret, and random bytes may end in a line break.
    for secret in [&b"correct horse battery staple"[..], b"\xff\xfe 16 random bytes\n"] {
        let verifier = Verifier::new("acme", presets::GITHUB, Secret::new(secret)).unwrap();
        verifier.verify(github(Secret::new(secret))).unwrap();
        let trimmed = github(Secret::new(secret.trim_ascii()));
        assert_eq!(verifier.verify(trimmed).is_ok(), secret == secret.trim_ascii());
    }
}

#[test]
fn a4_white_space_outside_ascii_is_white_space_too() {
    // What a web page or a word processor puts around a secret that is copied from it.
    for space in ["\u{a0}", "\u{3000}", "\u{2028}", "\u{85}", "\u{b}", "\u{1}", "\u{feff}"] {
        let padded = ConfigError::PaddedSecret { label: "0".into() };
        assert_eq!(error(presets::GITHUB, format!("{SECRET}{space}")), padded, "{space:?}");
        assert_eq!(error(presets::GITHUB, format!("{space}{SECRET}")), padded, "{space:?}");
        let empty = ConfigError::EmptySecret { label: "0".into() };
        assert_eq!(error(presets::GITHUB, space.repeat(16)), empty, "{space:?}");
    }
}

#[test]
fn a5_a_secret_in_another_notation_is_refused_with_a_hint() {
    // Two `=` at the end, and both characters that the URL-safe alphabet writes otherwise.
    let key = [&[0xfb; 12][..], &[0xff; 13]].concat();
    let right = Base64::encode_string(&key);
    assert!(right.contains('+') && right.contains('/') && right.ends_with("=="));
    Verifier::new("acme", presets::STANDARD_WEBHOOKS, right.as_str()).unwrap();

    for (secret, hint) in [
        (format!("v1,whsec_{right}"), "comma"),
        (format!("v1,{right}"), "comma"),
        (Base64Url::encode_string(&key), "URL-safe"),
        (right.replace('+', "-"), "URL-safe"),
        (format!("WHSEC_{right}"), "URL-safe"),
        (right.trim_end_matches('=').to_owned(), "multiple of four"),
        (right[..right.len() - 1].to_owned(), "multiple of four"),
        (format!("{}X==", &right[..right.len() - 3]), ""),
        (right.replacen("==", "AA", 1) + "====", ""),
        (right.replace('+', "\u{e9}"), ""),
        (format!("{} {}", &right[..4], &right[4..]), ""),
    ] {
        for secret in [format!("whsec_{secret}"), secret] {
            let error = error(presets::STANDARD_WEBHOOKS, secret.clone());
            assert!(matches!(error, ConfigError::UndecodableSecret { .. }), "{secret}: {error}");
            assert!(error.to_string().contains(hint), "{secret}: {error}");
            let rotated = verifier(presets::STANDARD_WEBHOOKS).rotate([Secret::new(secret)]);
            assert_eq!(rotated, Err(error));
        }
    }
}

#[test]
fn a6_nothing_is_verified_without_a_secret() {
    // `Verifier::new` takes a secret by its type and `VerifyLayer::new` a verifier, so the only way
    // to none would be a rotation.
    let verifier = verifier(presets::GITHUB);
    assert_eq!(verifier.rotate([]), Err(ConfigError::NoSecret));
    verifier.verify(github(SECRET)).unwrap();
    assert_eq!(verifier.verify(github(OTHER_SECRET)).unwrap_err(), Rejection::WrongSignature);
    let unsigned = Request::new(Bytes::from_static(BODY.as_bytes()));
    assert!(matches!(verifier.verify(unsigned), Err(Rejection::MissingHeader { .. })));
}

#[tokio::test]
async fn a7_a_secret_that_is_rotated_out_is_refused_at_once() {
    LazyLock::force(&LOG);
    let verifier = verifier(presets::GITHUB);
    let service = ServiceBuilder::new()
        .layer(VerifyLayer::new(verifier.clone()))
        .service(Intake::new(Arc::new(MemoryInbox::new())));
    let clone = verifier.clone();
    let status = async |secret: Secret| {
        let status = service.clone().oneshot(github(secret.clone()).map(Full::new));
        let status = status.await.unwrap().status();
        // All who share the keys agree.
        for verifier in [&verifier, &clone] {
            assert_eq!(verifier.verify(github(secret.clone())).is_ok(), status.is_success());
        }
        status
    };
    let (old, new) = (Secret::new(SECRET), Secret::new(OTHER_SECRET));
    assert_eq!(status(old.clone()).await, StatusCode::OK);
    assert_eq!(status(new.clone()).await, StatusCode::UNAUTHORIZED);

    let both = [new.clone().label("2026-02"), old.clone().label("2026-01")];
    clone.rotate(both).unwrap();
    assert_eq!(status(old.clone()).await, StatusCode::OK);
    assert_eq!(status(new.clone()).await, StatusCode::OK);
    assert_eq!(verifier.verify(github(old.clone())).unwrap().secret(), "2026-01");
    assert_eq!(verifier.verify(github(new.clone())).unwrap().secret(), "2026-02");

    clone.rotate([new.clone()]).unwrap();
    assert_eq!(status(old).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(new).await, StatusCode::OK);
}

#[test]
fn a8_one_sources_secret_does_not_open_another_source() {
    let a = Verifier::new("github-a", presets::GITHUB, SECRET).unwrap();
    let b = Verifier::new("github-b", presets::GITHUB, OTHER_SECRET).unwrap();
    let request = github(SECRET);
    assert_eq!(a.verify(request.clone()).unwrap().source(), "github-a");
    assert_eq!(b.verify(request.clone()).unwrap_err(), Rejection::WrongSignature);

    // Nothing in a request chooses its source.
    for name in ["source", "x-source", "x-inhook-source", "host", "x-github-hook-id"] {
        let mut request = request.clone();
        set(&mut request, name, "github-a");
        assert_eq!(b.verify(request.clone()).unwrap_err(), Rejection::WrongSignature);
        set(&mut request, name, "github-b");
        assert_eq!(a.verify(request).unwrap().source(), "github-a");
    }
    let mut request = request;
    *request.uri_mut() = "https://hooks.example.com/github-a?source=github-a".parse().unwrap();
    assert_eq!(b.verify(request).unwrap_err(), Rejection::WrongSignature);
}
