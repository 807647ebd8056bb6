//! B10 to B12: headers that are repeated, unreadable or long.

use super::*;

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
fn b10_so_must_those_of_a_header_that_is_signed_beside_the_id() {
    let content = [Part::Field(Field::header("x-a")), Part::Literal(".".into()), Part::Body];
    let scheme = Scheme {
        content: content.to_vec().into(),
        aliases: vec![("x-a".into(), "x-b".into())].into(),
        ..scheme(Algorithm::HmacSha256, Encoding::Hex, Layout::Single)
    };
    let verifier = verifier(scheme.clone());
    let tag = text(Encoding::Hex, &mac(&scheme, &[b"7.", BODY].concat()));
    let sent = |values: &[(&'static str, &str)]| {
        let mut request = carrying(&format!("v1,{tag}"), BODY);
        values.iter().for_each(|(name, value)| set(&mut request, name, value));
        verifier.verify(request)
    };
    for right in [&[("x-a", "7")][..], &[("x-b", "7")], &[("x-a", "7"), ("x-b", "7")]] {
        sent(right).unwrap();
    }
    for wrong in [&[("x-a", "7"), ("x-b", "8")][..], &[("x-a", "8"), ("x-b", "7")]] {
        let header = "x-a".parse().unwrap();
        assert_eq!(sent(wrong).unwrap_err(), Rejection::RepeatedHeader { header });
    }
    let header = "x-a".parse().unwrap();
    assert_eq!(sent(&[]).unwrap_err(), Rejection::MissingHeader { header });
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
    // Wherever it is in a long one.
    for length in 1..=50 {
        for at in 0..length {
            let id = format!("{} {}", "m".repeat(at), "m".repeat(length - at));
            let dotted = id.replace(' ', ".");
            for id in [id, dotted] {
                let request = signed(&scheme, Some(id.as_bytes()), now.as_bytes(), BODY);
                let header = "webhook-id".parse().unwrap();
                assert_eq!(
                    refused(&verifier, request),
                    Rejection::MalformedHeader { header },
                    "{id}"
                );
            }
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
        // What is as long as no signature of the scheme is none.
        let short = vec!["v1,00"; 20].join(&separator.to_string());
        let header = "x-signature".parse().unwrap();
        let malformed = Rejection::MalformedHeader { header };
        assert_eq!(refused(&verifier, carrying(&short, BODY)), malformed);
        verifier.verify(carrying(&format!("{short}{separator}{entry}"), BODY)).unwrap();
        // Each secret goes through what is none as well, so there are 4 KiB of all that.
        for (length, is_right) in [(4_096, true), (4_097, false)] {
            let others = format!("x{separator}").repeat(4_096);
            let list = format!("{}{entry}", &others[..(length - entry.len()) / 2 * 2]);
            let list = format!("{}{list}", "x".repeat(length - list.len()));
            assert_eq!(list.len(), length);
            let verdict = verifier.verify(carrying(&list, BODY));
            assert_eq!(verdict.err(), (!is_right).then(|| too_many.clone()), "{length}");
        }
    }
}

#[test]
fn b12_sixteen_headers_are_compared_and_no_more() {
    let scheme = scheme(Algorithm::HmacSha256, Encoding::Hex, Layout::Repeated);
    let verifier = verifier(scheme.clone());
    for (count, is_right) in [(1, true), (16, true), (17, false)] {
        let mut request = carrying(&format!("v1,{}", right(&scheme)), BODY);
        for n in 1..count {
            let wrong = format!("v1,{}", wrong(&scheme, n)).parse().unwrap();
            request.headers_mut().append("x-signature", wrong);
        }
        assert_eq!(verifier.verify(request).is_ok(), is_right, "{count}");
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
