//! What is signed: the parts, their order, and what may be absent.

use super::*;

#[test]
fn method_url_path_query_and_digest() {
    let parts = scheme(&[Part::Method, Part::Url, Part::Body]);
    assert!(signed(&parts, &format!("POST{URL}hello"), "/", "hello").is_ok());
    assert!(signed(&parts, &format!("GET{URL}hello"), "/", "hello").is_err());

    let path = scheme(&[Part::Path, Part::Literal(Borrowed("\n")), Part::Body]);
    assert!(signed(&path, "/webhooks/acme\nhello", "/elsewhere", "hello").is_ok());

    let digest = scheme(&[Part::BodySha256]);
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert!(signed(&digest, hello, "/", "hello").is_ok());
    assert!(signed(&digest, hello, "/", "hello!").is_err());

    let query = scheme(&[Part::Query, Part::Literal(Borrowed("\n")), Part::Body]);
    assert!(signed(&query, "b=1&a=%32\nhello", "/?b=1&a=%32", "hello").is_ok());
    for other in ["/?a=%32&b=1", "/?b=1&a=2", "/?b=1&a=%32&a=%32", "/?b=1&a=%32&", "/?", "/"] {
        assert!(signed(&query, "b=1&a=%32\nhello", other, "hello").is_err(), "{other}");
    }
}

#[test]
fn any_header_and_what_follows_it_can_not_be_in_it() {
    let scheme = scheme(&[
        Part::Field(Field::Header(Borrowed("x-tenant"))),
        Part::Literal(Borrowed(":")),
        Part::Body,
    ]);
    let tag = tag("acme:hello");
    let with = |tenant, body| request("/", &[("x-signature", &tag), ("x-tenant", tenant)], body);
    accepted(&scheme, with("acme", "hello"));
    refused(&scheme, with("acme2", "hello"));
    refused(&scheme, request("/", &[("x-signature", &tag)], "acme:hello"));
    // The same signed bytes, divided in another place.
    let tag = self::tag("a:b:hello");
    let divided = request("/", &[("x-signature", &tag), ("x-tenant", "a:b")], "hello");
    let malformed = Rejection::MalformedHeader { header: "x-tenant".parse().unwrap() };
    assert_eq!(refused(&scheme, divided), malformed);
    accepted(&scheme, request("/", &[("x-signature", &tag), ("x-tenant", "a")], "b:hello"));
    let twice = [("x-signature", &*tag), ("x-tenant", "a"), ("x-tenant", "a")];
    refused(&scheme, request("/", &twice, "b:hello"));
}

#[test]
fn optional_parts_drop_out_with_their_separators() {
    const PARTS: &[Part] = &[
        Part::Optional(Borrowed(&[
            Part::Literal(Borrowed("id:")),
            Part::Field(Field::Query(Borrowed("data.id"))),
            Part::Literal(Borrowed(";")),
        ])),
        Part::Optional(Borrowed(&[
            Part::Literal(Borrowed("request:")),
            Part::Field(Field::Header(Borrowed("x-request-id"))),
            Part::Literal(Borrowed(";")),
        ])),
        Part::Literal(Borrowed("\n")),
        Part::Body,
    ];
    let scheme = scheme(PARTS);
    let with = |content: &str, target: &str, id: Option<&str>| {
        let tag = tag(content);
        let mut headers = vec![("x-signature", &*tag)];
        headers.extend(id.map(|id| ("x-request-id", id)));
        verify(&scheme, request(target, &headers, "hello")).is_ok()
    };
    assert!(with("id:5;request:7;\nhello", "/?data.id=5", Some("7")));
    assert!(with("request:7;\nhello", "/", Some("7")));
    assert!(with("id:5;\nhello", "/?data.id=5", None));
    assert!(with("id:5;\nhello", "/?data.id=5", Some("")));
    assert!(with("\nhello", "/", None));
    assert!(!with("id:5;request:7;\nhello", "/", Some("7")));
    assert!(!with("\nhello", "/?data.id=5", None));
    // One value that looks like two.
    assert!(!with("id:5;request:7;\nhello", "/?data.id=5%3Brequest%3A7", None));
    assert!(!with("id:5;\nhello", "/?data.id=5&data.id=5", None));
}

/// What may be absent follows a value with its separator, or is a value that may be empty.
#[test]
fn values_may_be_absent_at_the_end_or_empty() {
    const END: &[Part] = &[
        Part::Field(Field::Header(Borrowed("x-a"))),
        Part::Optional(Borrowed(&[
            Part::Literal(Borrowed("|")),
            Part::Field(Field::Header(Borrowed("x-b"))),
        ])),
    ];
    let end = Scheme { dangerously_allow: Borrowed(&[Danger::UnsignedBody]), ..scheme(END) };
    let with = |content: &str, values: &[(&str, &str)]| {
        let tag = tag(content);
        let headers = [&[("x-signature", &*tag)], values].concat();
        verify(&end, request("/", &headers, "")).is_ok()
    };
    assert!(with("1|2", &[("x-a", "1"), ("x-b", "2")]));
    assert!(with("1", &[("x-a", "1")]));
    assert!(!with("1|2", &[("x-a", "1|2")]));

    const EMPTY: &[Part] = &[
        Part::Method,
        Part::Literal(Borrowed("\n")),
        Part::Optional(Borrowed(&[Part::Query])),
        Part::Literal(Borrowed("\n")),
        Part::Body,
    ];
    let empty = scheme(EMPTY);
    assert!(signed(&empty, "POST\na=1\nhello", "/?a=1", "hello").is_ok());
    for target in ["/", "/?"] {
        assert!(signed(&empty, "POST\n\nhello", target, "hello").is_ok());
        assert!(signed(&empty, "POST\na=1\nhello", target, "hello").is_err());
    }
}

/// Whatever could be read in two ways is refused: in the scheme, or in the request.
#[test]
fn optional_parts_are_read_in_one_way() {
    let header = |name: &'static str| Part::Field(Field::header(name));
    let literal = |text: &'static str| Part::Literal(text.into());
    let optional = |parts: Vec<Part>| Part::Optional(parts.into());
    let built =
        |content: Vec<Part>| builder(Scheme { content: content.into(), ..presets::GITHUB }).build();
    let end = || literal("\n");
    for content in [
        // Of two values one could be left out, and the other one is not signed then.
        vec![
            optional(vec![
                literal("a:"),
                header("x-a"),
                literal(";b:"),
                header("x-b"),
                literal(";"),
            ]),
            end(),
            Part::Body,
        ],
        vec![optional(vec![literal("v1|")]), end(), Part::Body],
        // The value that follows may begin as the optional part does.
        vec![
            optional(vec![literal("v:"), header("x-v"), literal(";")]),
            optional(vec![header("x-id")]),
            end(),
            Part::Body,
        ],
    ] {
        let error = built(content.clone()).unwrap_err();
        assert!(matches!(error, ConfigError::Content { .. }), "{content:?}: {error}");
    }
    // Each is told from what follows it, and from nothing else.
    let group = |name: &'static str| optional(vec![literal(name), header("x-a"), literal(";")]);
    let other = |name: &'static str| optional(vec![literal(name), header("x-b"), literal(";")]);
    for content in [
        vec![group("a:"), end(), other("b:"), end(), Part::Body],
        vec![group("a:"), other("b:"), Part::Path, Part::Body],
        vec![group("a:"), Part::Url, Part::Body],
    ] {
        let scheme = Scheme { content: content.clone().into(), ..presets::GITHUB };
        let built = builder(scheme).url(URL).build();
        assert!(built.is_ok(), "{content:?}: {built:?}");
    }
    for content in [
        vec![group("a:"), other("a:b"), end(), Part::Body],
        vec![group("https://"), Part::Url, Part::Body],
        vec![group("a:"), Part::Body],
    ] {
        let scheme = Scheme { content: content.clone().into(), ..presets::GITHUB };
        builder(scheme).url(URL).build().unwrap_err();
    }
    // What begins in the value may end in either of what follows it.
    let scheme = Scheme {
        content: vec![
            header("x-a"),
            optional(vec![literal("|x"), header("x-b"), literal("|")]),
            literal("x;"),
            Part::Body,
        ]
        .into(),
        identity: Identity::Fields(vec![Field::header("x-a")].into()),
        ..scheme(&[])
    };
    let tag = tag("foo|x;hello|x;rest");
    let with = |headers: &[(&str, &str)], body: &str| {
        verify(&scheme, request("/", &[&[("x-signature", &*tag)], headers].concat(), body))
    };
    with(&[("x-a", "foo"), ("x-b", ";hello")], "rest").unwrap();
    with(&[("x-a", "foo|")], "hello|x;rest").unwrap_err();
}

/// What a method may contain does not separate it from what follows.
#[test]
fn a_method_ends_with_what_no_method_has() {
    for (separator, separates) in
        [(".", false), ("-", false), ("", false), ("\n", true), (".:", true)]
    {
        let content = vec![Part::Method, Part::Literal(separator.into()), Part::Body];
        let built = builder(Scheme { content: content.into(), ..presets::GITHUB }).build();
        assert_eq!(built.is_ok(), separates, "{separator:?}");
    }
}

#[test]
fn the_digest_of_the_body_may_be_signed_instead() {
    let scheme = Scheme {
        digest: Some(Field::query("bodySHA256")),
        ..scheme(&[
            Part::Url,
            Part::Optional(Borrowed(&[Part::Literal(Borrowed("?")), Part::Query])),
        ])
    };
    let hello = "bodySHA256=2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let content = format!("{URL}?{hello}");
    signed(&scheme, &content, &format!("/?{hello}"), "hello").unwrap();
    let upper = hello.to_uppercase().replace("BODYSHA256", "bodySHA256");
    for (content, target, body) in [
        (&*content, format!("/?{hello}"), "hello!"),
        (&*content, "/".into(), "hello"),
        (URL, "/".into(), "hello"),
        (&*format!("{URL}?{upper}"), format!("/?{upper}"), "hello"),
        (&*format!("{URL}?{hello}&{hello}"), format!("/?{hello}&{hello}"), "hello"),
    ] {
        assert!(signed(&scheme, content, &target, body).is_err(), "{target} {body}");
    }
}

#[test]
fn required_headers_have_their_value() {
    let scheme = Scheme {
        requires: Borrowed(&[(Borrowed("x-version"), Borrowed("1"))]),
        ..scheme(&[Part::Body])
    };
    let tag = tag("hello");
    let with = |versions: &[&str]| {
        let mut headers = vec![("x-signature", &*tag)];
        headers.extend(versions.iter().map(|version| ("x-version", *version)));
        verify(&scheme, request("/", &headers, "hello")).is_ok()
    };
    assert!(with(&["1"]));
    assert!(!with(&["2"]) && !with(&[]) && !with(&["1", "1"]) && !with(&["11"]));
}

#[test]
fn sha512_and_sha1() {
    for algorithm in [Algorithm::HmacSha1, Algorithm::HmacSha512] {
        let scheme = Scheme { algorithm, ..scheme(&[Part::Url, Part::Body]) };
        let tag = const_hex::encode(common::mac(&scheme, format!("{URL}hello").as_bytes()));
        accepted(&scheme, request("/", &[("x-signature", &tag)], "hello"));
        refused(&scheme, request("/", &[("x-signature", &self::tag("hello"))], "hello"));
    }
}

#[test]
fn what_is_signed_and_not_there_is_named() {
    const PARTS: &[Part] =
        &[Part::Field(Field::Query(Borrowed("event"))), Part::Literal(Borrowed("\n")), Part::Body];
    let scheme = scheme(PARTS);
    signed(&scheme, "5\nhello", "/?event=5", "hello").unwrap();
    let rejection = signed(&scheme, "\nhello", "/", "hello").unwrap_err();
    assert!(matches!(rejection, Rejection::SignedField { .. }), "{rejection:?}");
}

/// Whoever writes a scheme, a tenant for one, does not decide how much memory and time a request takes.
#[test]
fn content_has_no_more_parts_than_are_needed() {
    let built =
        |content: Vec<Part>| builder(Scheme { content: content.into(), ..presets::GITHUB }).build();
    let header = |n: usize| Part::Field(Field::Header(format!("x-{n}").into()));
    let colon = || Part::Literal(":".into());
    let many = |count: usize| {
        let headers = (0..count).flat_map(|n| [header(n), colon()]);
        headers.chain([Part::Body]).collect::<Vec<_>>()
    };
    built(many(15)).unwrap();
    let problem = "has more than 32 parts, the literals and those of optional parts included";
    assert_eq!(built(many(16)).unwrap_err(), ConfigError::Content { problem });
    let optional = |n| Part::Optional(vec![header(n), colon()].into());
    let content = (0..16).map(optional).chain([Part::Body]);
    assert_eq!(built(content.collect()).unwrap_err(), ConfigError::Content { problem });

    let literal =
        |length: usize| vec![header(1), Part::Literal("-".repeat(length).into()), Part::Body];
    built(literal(255)).unwrap();
    for length in [0, 256] {
        let problem = "has a literal that is empty or longer than 255 bytes";
        assert_eq!(
            built(literal(length)).unwrap_err(),
            ConfigError::Content { problem },
            "{length}"
        );
    }
    let same =
        |one: Field, other: Field| vec![Part::Field(one), colon(), Part::Field(other), colon()];
    for mut content in [
        same(Field::header("x-a"), Field::header("X-A")),
        same(Field::pointer("/a"), Field::Integer("/a".into())),
        vec![Part::Id, colon(), Part::Field(Field::header("x-github-delivery")), colon()],
    ] {
        content.push(Part::Body);
        let problem = "has a value twice; once is enough";
        assert_eq!(
            built(content.clone()).unwrap_err(),
            ConfigError::Content { problem },
            "{content:?}"
        );
    }
    for twice in [header(1), Part::Body, Part::BodySha256, Part::Method, Part::SortedForm] {
        let content = vec![twice.clone(), Part::Literal("\n".into()), twice, Part::Body];
        let problem = "has a value twice; once is enough";
        assert_eq!(
            built(content.clone()).unwrap_err(),
            ConfigError::Content { problem },
            "{content:?}"
        );
    }
}
