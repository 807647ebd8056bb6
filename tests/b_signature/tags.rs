//! B1 to B9: tags that are missing, wrong, or written in another way.

use super::*;

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
