//! Keys: their notations, and requests that name them.

use super::*;

#[test]
fn keys_in_every_notation() {
    let with = |key: KeyFormat, secret: &str, bytes: &[u8]| {
        let tag = const_hex::encode(hmac(bytes, "hello"));
        let scheme = Scheme { key, ..scheme(&[Part::Body]) };
        let verifier = Verifier::new("acme", scheme, secret)?;
        Ok::<_, ConfigError>(
            verifier.verify(request("/", &[("x-signature", &tag)], "hello")).is_ok(),
        )
    };
    let bytes = b"a key of at least sixteen bytes";
    let (hex, base64) = (const_hex::encode(bytes), Base64::encode_string(bytes));
    let text = "a key of at least sixteen bytes";
    let whsec = || Borrowed("whsec_");
    assert_eq!(with(KeyFormat::Hex, &hex, bytes), Ok(true));
    assert_eq!(with(KeyFormat::Hex, &hex.to_uppercase(), bytes), Ok(true));
    for wrong in [&hex[1..], &format!("0x{}", &hex[2..]), text] {
        let error = with(KeyFormat::Hex, wrong, bytes).unwrap_err();
        assert!(matches!(error, ConfigError::UndecodableSecret { .. }), "{error}");
        assert!(!error.to_string().contains(wrong), "{error}");
    }
    let base64_if = || KeyFormat::Base64If { prefix: whsec() };
    assert_eq!(with(base64_if(), &format!("whsec_{base64}"), bytes), Ok(true));
    assert_eq!(with(base64_if(), &base64, base64.as_bytes()), Ok(true));
    with(base64_if(), "whsec_not base64", bytes).unwrap_err();
    with(base64_if(), "whsec_", bytes).unwrap_err();

    let tail = || KeyFormat::Tail { prefix: Borrowed("signkey-"), separator: '-' };
    assert_eq!(with(tail(), &format!("signkey-prod-{hex}"), hex.as_bytes()), Ok(true));
    assert_eq!(with(tail(), &hex, hex.as_bytes()), Ok(true));
    assert_eq!(
        with(tail(), "signkey-prod-", b""),
        Err(ConfigError::EmptySecret { label: "0".into() })
    );

    use sha1::Digest;
    assert_eq!(with(KeyFormat::Sha1, text, &sha1::Sha1::digest(text)), Ok(true));
    // ﬁ, a ligature, is decomposed; so is é.
    assert_eq!(
        with(KeyFormat::Nfkd, "ﬁfteen or more é", "fifteen or more e\u{301}".as_bytes()),
        Ok(true)
    );
}

/// A8: a header may choose among the source's own labelled keys.
#[test]
fn a8_a_header_names_the_key() {
    let scheme = Scheme { key_id: Some(KeyId::Header(Borrowed("x-key"))), ..scheme(&[Part::Body]) };
    let key = |label: &str| Secret::new(format!("a secret of sixteen bytes, {label}")).label(label);
    let verifier =
        Verifier::builder("acme", scheme.clone(), key("new")).secret(key("old")).build().unwrap();
    let with = |signed: &str, named: &[&str]| {
        let tag = hmac(format!("a secret of sixteen bytes, {signed}").as_bytes(), "hello");
        let tag = const_hex::encode(tag);
        let mut headers = vec![("x-signature", &*tag)];
        headers.extend(named.iter().map(|named| ("x-key", *named)));
        verifier.verify(request("/", &headers, "hello")).map(|it| it.secret().to_owned())
    };
    assert_eq!(with("old", &["old"]).unwrap(), "old");
    assert_eq!(with("new", &["new"]).unwrap(), "new");
    for named in [&["new"][..], &["other"], &[], &["old", "old"], &[""]] {
        with("old", named).unwrap_err();
    }
    let unlabelled = Verifier::new("acme", scheme, "a secret of sixteen bytes");
    assert_eq!(unlabelled.unwrap_err(), ConfigError::MissingLabel { position: 0 });
}

/// Braintree: each signature begins with the key that made it.
#[test]
fn a_signature_names_its_key() {
    let private = "a private key of theirs";
    let secret = Secret::new(private).label("public");
    let verifier = Verifier::new("acme", presets::BRAINTREE, secret).unwrap();
    use sha1::Digest;
    let payload = "aGVsbG8=\n";
    let tag = const_hex::encode(hmac_sha1(&sha1::Sha1::digest(private), payload));
    let with = |signature: &str| {
        let form = format!("bt_signature={signature}&bt_payload=aGVsbG8%3D%0A");
        verifier.verify(request("/", &[], &form)).is_ok()
    };
    assert!(with(&format!("public%7C{tag}")));
    assert!(with(&format!("other%7C{}%26public%7C{tag}", "0".repeat(40))));
    assert!(!with(&format!("other%7C{tag}")));
    assert!(!with(&tag));
    assert!(!with(&format!("publi%7C{tag}")));
}

fn hmac_sha1(key: &[u8], content: &str) -> Vec<u8> {
    let mut mac = <Hmac<sha1::Sha1> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(content.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn a_single_signature_may_begin_with_the_label_of_its_key() {
    let scheme = Scheme { key_id: Some(KeyId::Prefix(':')), ..scheme(&[Part::Body]) };
    let [one, two] = ["the first secret of two", "the second secret of two"];
    let secrets = [Secret::new(one).label("one"), Secret::new(two).label("two")];
    let [first, second] = secrets;
    let verifier = Verifier::builder("acme", scheme, first).secret(second).build().unwrap();
    let tag = const_hex::encode(hmac(two.as_bytes(), "hello"));
    let sent =
        |signature: &str| verifier.verify(request("/", &[("x-signature", signature)], "hello"));
    assert_eq!(sent(&format!("two:{tag}")).unwrap().secret(), "two");
    for wrong in [format!("one:{tag}"), tag.clone(), format!(":{tag}"), format!("two:two:{tag}")] {
        sent(&wrong).unwrap_err();
    }
}
