//! The public URL, which comes from the configuration.

use super::*;

/// B17: whatever the request says of its host, the URL is the configured one.
#[test]
fn b17_the_url_comes_from_the_configuration_alone() {
    let scheme = scheme(&[Part::Url, Part::Body]);
    let tag = tag(&format!("{URL}hello"));
    let spoofed = [
        ("x-signature", &*tag),
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example;proto=http"),
    ];
    accepted(&scheme, request("/?evil=1", &spoofed, "hello"));

    let evil = self::tag("https://evil.example/webhooks/acmehello");
    let spoofed = [
        ("x-signature", &*evil),
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-original-url", "https://evil.example/webhooks/acme"),
    ];
    refused(&scheme, request("https://evil.example/webhooks/acme", &spoofed, "hello"));

    let without = builder(scheme).build().unwrap_err();
    assert_eq!(without, ConfigError::MissingUrl);
}

#[test]
fn a_url_is_absolute_and_has_no_fragment() {
    let scheme = scheme(&[Part::Url, Part::Body]);
    for url in [
        "",
        "/webhooks",
        "hooks.example.com/x",
        "ftp://example.com/",
        "https://",
        "https://a/#b",
        "https://a:/x",
        "https://a:99999/x",
        "https://[::1]:/x",
        "https://a:+443/x",
    ] {
        let built = builder(scheme.clone()).url(url).build();
        // What a fragment says is not shown.
        assert_eq!(built.unwrap_err(), ConfigError::Url { url: url.replace("#b", "#…") });
    }
    for url in ["https://a:8443/x", "https://[::1]/x", "https://[::1]:443/x", "https://me:it@a/x"] {
        builder(scheme.clone()).url(url).build().unwrap();
    }
}

/// Twilio signs the URL with its default port or without; another port is another URL.
#[test]
fn the_default_port_may_be_there_or_not() {
    let scheme = Scheme { either_port: true, ..scheme(&[Part::Url, Part::Body]) };
    let verify = |configured: &str, signed: &str| {
        let verifier = builder(scheme.clone()).url(configured).build().unwrap();
        let tag = tag(&format!("{signed}hello"));
        verifier.verify(request("/", &[("x-signature", &tag)], "hello")).is_ok()
    };
    let (without, with) = ("https://a.example/x?y=1", "https://a.example:443/x?y=1");
    assert!(verify(without, without) && verify(without, with));
    assert!(verify(with, without) && verify(with, with));
    assert!(verify("http://a.example/x", "http://a.example:80/x"));
    assert!(!verify("https://a.example:8443/x", "https://a.example/x"));
    assert!(!verify("http://a.example/x", "http://a.example:443/x"));
    // Without a path the port could be the beginning of the body.
    for (url, shown) in [
        ("https://a.example", "https://a.example"),
        // There may be a token in a query.
        ("https://a.example?x=/", "https://a.example?…"),
        ("https://me:it@a.example?x=/", "…@a.example?…"),
        ("https://me:pass?word@a.example?x=/", "…"),
        ("https://a.example?to=me@secret", "…"),
        ("https://a.example/x#token", "https://a.example/x#…"),
    ] {
        let built = builder(scheme.clone()).url(url).build().unwrap_err();
        assert_eq!(built, ConfigError::Url { url: shown.into() });
    }
}
