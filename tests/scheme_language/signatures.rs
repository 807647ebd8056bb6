//! Where signatures are and how they are written.

use super::*;

#[test]
fn signatures_in_every_layout() {
    let (good, bad) = (tag("hello"), tag("other"));
    let with = |layout, others: &'static [&'static str], headers: &[(&str, &str)]| {
        let signature = Signature {
            field: Field::header(if layout == Layout::Numbered { "x-sig-" } else { "x-sig" }),
            others: others.iter().map(|name| Borrowed(*name)).collect::<Vec<_>>().into(),
            layout,
            ..Signature::BASE
        };
        verify(&Scheme { signature, ..Scheme::BASE }, request("/", headers, "hello")).is_ok()
    };
    let list = format!("{bad}, {good}");
    assert!(with(Layout::SpacedList(','), &[], &[("x-sig", &list)]));
    assert!(with(Layout::SpacedList(','), &[], &[("x-sig", &list.replace(' ', ""))]));
    assert!(!with(Layout::SpacedList(','), &[], &[("x-sig", &list.replace(' ', "  "))]));
    assert!(!with(Layout::List(','), &[], &[("x-sig", &list)]));
    assert!(with(Layout::Lists(','), &[], &[("x-sig", &format!("{bad},v=1 {good}"))]));

    assert!(with(Layout::Repeated, &[], &[("x-sig", &bad), ("x-sig", &good)]));
    assert!(!with(Layout::Repeated, &[], &[("x-sig", &bad), ("x-sig", &bad)]));
    assert!(!with(Layout::Repeated, &[], &[]));
    assert!(!with(Layout::Repeated, &[], &[("x-sig", &*good); 17]));
    assert!(!with(Layout::Single, &[], &[("x-sig", &good), ("x-sig", &good)]));

    for number in [1, 2, 16] {
        assert!(with(Layout::Numbered, &[], &[(&format!("x-sig-{number}"), &good)]), "{number}");
    }
    assert!(with(Layout::Numbered, &[], &[("x-sig-1", &bad), ("x-sig-2", &good)]));
    for name in ["x-sig-", "x-sig-0", "x-sig-01", "x-sig-17", "x-sig"] {
        assert!(!with(Layout::Numbered, &[], &[(name, &good)]), "{name}");
    }
    assert!(!with(Layout::Numbered, &[], &[("x-sig-1", &good), ("x-sig-1", &good)]));

    let second = &["x-sig-b"];
    assert!(with(Layout::Single, second, &[("x-sig-b", &good)]));
    assert!(with(Layout::Single, second, &[("x-sig", &good), ("x-sig-b", &bad)]));
    assert!(!with(Layout::Single, second, &[("x-sig", &bad), ("x-sig-b", &bad)]));
    assert!(!with(Layout::Single, second, &[]));
    assert!(!with(Layout::Single, second, &[("x-sig", &good), ("x-sig-b", "")]));
}

/// `Authorization: HMAC …`, and a list in which only the length tells a signature.
#[test]
fn a_prefix_may_end_in_a_space_or_be_absent() {
    let signature = |prefix: &'static str, layout| Signature {
        field: Field::header("x-sig"),
        prefix: prefix.into(),
        layout,
        ..Signature::BASE
    };
    let with = |scheme: &Scheme, value: &str, body| {
        verify(scheme, request("/", &[("x-sig", value)], body)).is_ok()
    };
    let spaced = Scheme { signature: signature("HMAC ", Layout::Single), ..Scheme::BASE };
    let tag = tag("hello");
    assert!(with(&spaced, &format!("HMAC {tag}"), "hello"));
    for value in [format!("HMAC  {tag}"), format!("HMAC{tag}"), tag.clone(), "HMAC ".into()] {
        assert!(!with(&spaced, &value, "hello"), "{value}");
    }
    let content = vec![Part::SentAt, Part::Literal(".".into()), Part::Body].into();
    let sent_at = Some(SentAt { field: Field::parameter("t"), format: TimeFormat::UnixSeconds });
    let bare =
        Scheme { signature: signature("", Layout::List(',')), content, sent_at, ..Scheme::BASE };
    let tag = self::tag(&format!("{NOW}.hello"));
    assert!(with(&bare, &format!("t={NOW},{tag}"), "hello"));
    assert!(with(&bare, &format!("{tag},t={NOW}"), "hello"));
    for value in [format!("t={NOW},v1={tag}"), tag.clone(), format!("t={NOW},t={NOW},{tag}")] {
        assert!(!with(&bare, &value, "hello"), "{value}");
    }
}

#[test]
fn a_time_among_the_signatures() {
    let with = |field, layout, value: &str| {
        let signature = Signature {
            field: Field::header("x-sig"),
            prefix: if field == Field::Entry(0) { "".into() } else { "v1=".into() },
            layout,
            ..Signature::BASE
        };
        let content = vec![Part::SentAt, Part::Literal(".".into()), Part::Body].into();
        let sent_at = Some(SentAt { field, format: TimeFormat::UnixSeconds });
        let scheme = Scheme { signature, content, sent_at, ..Scheme::BASE };
        verify(&scheme, request("/", &[("x-sig", value)], "hello")).map(|it| it.signed_at())
    };
    let signed_at = Ok(Some(common::at(NOW)));
    let tag = tag(&format!("{NOW}.hello"));
    let entry = |value: &str| with(Field::Entry(0), Layout::List(','), value);
    assert_eq!(entry(&format!("{NOW},{tag}")), signed_at);
    assert_eq!(entry(&format!("{NOW},{},{tag}", "0".repeat(64))), signed_at);
    for wrong in
        [format!("{tag},{NOW}"), format!("{},{tag}", NOW + 1), tag.clone(), format!(",{tag}")]
    {
        entry(&wrong).unwrap_err();
    }

    let lists = |value: &str| with(Field::parameter("t"), Layout::Lists(','), value);
    let old = format!("t={NOW},v1={}", "0".repeat(64));
    assert_eq!(lists(&format!("t={NOW},v1={tag}")), signed_at);
    assert_eq!(lists(&format!("{old} t={NOW},v1={tag}")), signed_at);
    lists(&format!("{old} t={},v1={tag}", NOW + 1)).unwrap_err();
    let list = |value: &str| with(Field::parameter("t"), Layout::List(','), value);
    list(&format!("t={NOW},t={NOW},v1={tag}")).unwrap_err();
    // A space follows separators, and nothing else.
    let spaced = |value: &str| with(Field::parameter("t"), Layout::SpacedList(','), value);
    assert_eq!(spaced(&format!("t={NOW}, v1={tag}")), signed_at);
    spaced(&format!(" t={NOW}, v1={tag}")).unwrap_err();
}

#[test]
fn encodings_have_one_spelling_each() {
    let mac = hmac(SECRET.as_bytes(), "hello");
    let with = |encoding, value: &str| {
        let signature = Signature { field: Field::header("x-sig"), encoding, ..Signature::BASE };
        verify(&Scheme { signature, ..Scheme::BASE }, request("/", &[("x-sig", value)], "hello"))
            .is_ok()
    };
    let (hex, url) = (const_hex::encode(&mac), Base64UrlUnpadded::encode_string(&mac));
    assert!(with(Encoding::AnyCaseHex, &hex) && with(Encoding::AnyCaseHex, &hex.to_uppercase()));
    assert!(with(Encoding::Hex, &hex) && !with(Encoding::Hex, &hex.to_uppercase()));
    assert!(with(Encoding::Base64Url, &url));
    assert!(!with(Encoding::Base64Url, &format!("{url}=")));
    assert!(!with(Encoding::Base64Url, &Base64::encode_string(&mac)));
    assert!(!with(Encoding::Base64, &url));
    assert!(!with(Encoding::AnyCaseHex, &format!("0x{}", &hex[2..])));
}
