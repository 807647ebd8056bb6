//! Every wrong configuration, and its error.

use super::*;

/// One configuration for each error, by the error's name.
pub(super) fn config_errors() -> Vec<(&'static str, ConfigError)> {
    let standard = presets::STANDARD_WEBHOOKS;
    let build = |scheme: Scheme| builder(scheme).build().unwrap_err();
    let named = |name: &str| Verifier::new(name, presets::GITHUB, SECRET).unwrap_err();
    let header = |name: &'static str| {
        let signature = Signature { field: Field::header(name), ..presets::GITHUB.signature };
        build(Scheme { signature, ..presets::GITHUB })
    };
    let pointers = |pointers: &[&str]| {
        let fields = pointers.iter().map(|at| Field::Pointer(Cow::Owned((*at).to_owned())));
        build(Scheme { identity: Identity::Fields(fields.collect()), ..SHORTLINKS })
    };
    let content =
        |parts: &[Part]| build(Scheme { content: parts.to_vec().into(), ..standard.clone() });
    let literal = |text: &'static str| Part::Literal(Cow::Borrowed(text));
    let dot = || literal(".");
    let laid_out = |layout, prefix: &'static str| {
        let (field, prefix) = (Field::header("x-signature"), Cow::Borrowed(prefix));
        let signature = Signature { field, prefix, layout, ..Signature::BASE };
        build(Scheme { signature, ..Scheme::BASE })
    };
    let separator = |separator, encoding, prefix: &'static str| {
        let layout = Layout::List(separator);
        let (field, prefix) = (Field::header("x-signature"), Cow::Borrowed(prefix));
        let signature = Signature { field, prefix, layout, encoding, ..Signature::BASE };
        build(Scheme { signature, ..Scheme::BASE })
    };
    let dangers =
        |scheme: Scheme, danger| build(Scheme { dangerously_allow: vec![danger].into(), ..scheme });
    let items = |parts: &[Part], dangers: &[Danger]| {
        let signature = Signature { field: Field::pointer("/s"), ..Signature::BASE };
        build(Scheme {
            items: Some("/items".into()),
            content: parts.to_vec().into(),
            dangerously_allow: dangers.to_vec().into(),
            signature,
            ..Scheme::BASE
        })
    };
    let requires = |headers: &[(&'static str, &'static str)]| {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        build(Scheme { requires: headers.collect(), ..presets::GITHUB })
    };
    let answer = |status| Answer { status, ..Answer::BASE };
    let signature = |field, layout, others: &[&'static str]| {
        let others = others.iter().map(|name| Cow::Borrowed(*name)).collect::<Vec<_>>().into();
        let signature = Signature { field, layout, others, ..Signature::BASE };
        build(Scheme { signature, ..Scheme::BASE })
    };
    let identity = |identity| builder(SHORTLINKS).identity(identity).build().unwrap_err();
    let header_time = |name| SentAt { field: Field::header(name), format: TimeFormat::UnixSeconds };
    let parameter = |name: &'static str, format, layout, prefix: &'static str| {
        build(Scheme {
            signature: Signature {
                layout,
                prefix: Cow::Borrowed(prefix),
                ..presets::STRIPE.signature
            },
            sent_at: Some(SentAt { field: Field::parameter(name), format }),
            ..presets::STRIPE
        })
    };
    let (unix, rfc, comma) = (TimeFormat::UnixSeconds, TimeFormat::Rfc3339, Layout::List(','));
    let label = |scheme: Scheme, label: &str| {
        let secret = Secret::new(SECRET).label(label);
        Verifier::new("acme", scheme, secret).unwrap_err()
    };
    let many = |count: usize| {
        let more = (1..count).map(|n| Secret::new(format!("secret number {n} of many")));
        more.fold(builder(presets::GITHUB), |builder, secret| builder.secret(secret))
    };
    many(16).build().unwrap();

    let aliases = |pairs: &[(&'static str, &'static str)]| {
        let pair = |(name, other): &(&'static str, &'static str)| {
            (Cow::Borrowed(*name), Cow::Borrowed(*other))
        };
        let aliases = Cow::Owned(pairs.iter().map(pair).collect());
        build(Scheme { aliases, ..presets::GITHUB })
    };

    let mut errors = vec![
        ("SourceName", named("")),
        ("SourceName", named(&"x".repeat(256))),
        ("SourceName", named("git\nhub")),
        ("SourceName", named("github\u{0}")),
        ("NoSecret", verifier(presets::GITHUB).rotate([]).unwrap_err()),
        ("TooManySecrets", many(17).build().unwrap_err()),
        ("EmptySecret", error(presets::GITHUB, "")),
        ("PaddedSecret", error(presets::GITHUB, format!("{SECRET}\n"))),
        ("WeakSecret", error(presets::GITHUB, "short")),
        ("UndecodableSecret", error(presets::STANDARD_WEBHOOKS, "whsec_!")),
        ("Signature", build(Scheme::BASE)),
        ("HeaderName", aliases(&[("x-unused", "x other")])),
        ("SchemeName", build(Scheme { name: "".into(), ..presets::GITHUB })),
        ("SchemeName", build(Scheme { name: "a\nb".into(), ..presets::GITHUB })),
        ("SchemeName", build(Scheme { name: "a".repeat(256).into(), ..presets::GITHUB })),
        ("HeaderName", header("x signature")),
        ("HeaderName", header("x-signature:")),
        ("HeaderName", header("x-sïgnature")),
        ("Pointer", pointers(&[""])),
        ("Pointer", pointers(&["webhook_id"])),
        ("Pointer", pointers(&["/a~2b"])),
        ("Pointer", pointers(&["/a~"])),
        // Deeper than JSON is read.
        ("Pointer", pointers(&[&"/a".repeat(61)])),
        ("Pointer", pointers(&[&"/a".repeat(30_000)])),
        ("TooManyPointers", {
            let many: Vec<String> = (0..16).map(|n| format!("/{n}")).collect();
            pointers(&many.iter().map(|pointer| &**pointer).collect::<Vec<_>>())
        }),
        ("Content", content(&[])),
        ("Content", content(&[Part::Id, dot(), Part::SentAt, dot()])),
        ("Content", content(&[Part::Body, dot(), Part::Body])),
        // The body can contain anything, so nothing that varies comes after it.
        ("Content", content(&[Part::SentAt, dot(), Part::Body, dot(), Part::Id])),
        ("Content", content(&[Part::Body, dot(), Part::Field(Field::header("x-tenant"))])),
        ("Content", content(&[Part::Field(Field::header("x-tenant")), Part::Body])),
        ("Content", content(&[Part::Query, Part::Body])),
        ("Content", content(&[Part::Field(Field::parameter("t")), dot(), Part::Body])),
        ("Content", content(&[Part::Url, Part::SortedForm])),
        // What may be absent begins and ends so that nothing else can be taken for it.
        ("Content", content(&[Part::Optional(vec![Part::Query].into()), Part::Body])),
        (
            "Content",
            content(&[Part::Id, Part::Optional(vec![Part::Query].into()), dot(), Part::Body]),
        ),
        ("Content", content(&[Part::Optional(vec![dot(), Part::Query].into()), Part::Body])),
        (
            "Content",
            content(&[Part::Optional(vec![dot(), Part::Query, dot()].into()), dot(), Part::Body]),
        ),
        ("Content", content(&[Part::Optional(vec![dot(), Part::Id].into()), Part::Body])),
        // Nothing of the body is covered.
        ("Content", content(&[Part::Url])),
        ("Content", content(&[Part::Id, dot(), Part::SentAt])),
        ("Setting", build(Scheme { digest: Some(Field::query("sha256")), ..presets::GITHUB })),
        ("Setting", build(Scheme { digest: Some(Field::pointer("/sha256")), ..presets::GITHUB })),
        // One place for two things, and a body of two kinds.
        (
            "Setting",
            build(Scheme {
                id: Some(Field::form("a")),
                sent_at: Some(SentAt { field: Field::form("a"), format: TimeFormat::UnixSeconds }),
                ..presets::GITHUB
            }),
        ),
        (
            "Setting",
            build(Scheme {
                id: Some(Field::form("a")),
                identity: Identity::Fields(vec![Field::pointer("/b")].into()),
                ..presets::GITHUB
            }),
        ),
        ("Setting", build(Scheme { either_port: true, ..presets::GITHUB })),
        // The end of the method would be the beginning of what follows.
        ("Content", content(&[Part::Method, Part::Body])),
        ("Content", content(&[Part::Method, Part::Id, dot(), Part::Body])),
        (
            "Setting",
            build(Scheme {
                id: Some(Field::FirstOf(vec![Field::query("id")].into())),
                ..presets::GITHUB
            }),
        ),
        ("Setting", {
            let content = vec![Part::Field(Field::query("")), dot(), Part::Body].into();
            build(Scheme { content, ..presets::GITHUB })
        }),
        ("Setting", build(Scheme { id: Some(Field::query("")), ..presets::GITHUB })),
        ("Setting", build(Scheme { event: Some(Field::form("")), ..presets::GITHUB })),
        ("Setting", build(Scheme { optional_end: Some("".into()), ..presets::BRAINTREE })),
        ("Setting", {
            let optional_end = Some("x".repeat(256).into());
            build(Scheme { optional_end, ..presets::BRAINTREE })
        }),
        ("Content", items(&[Part::Body], &[Danger::LooseItems])),
        ("Content", {
            let elsewhere = Part::Optional(vec![Part::Field(Field::header("x-a"))].into());
            items(
                &[Part::Field(Field::pointer("/a")), dot(), elsewhere],
                &[Danger::UnsignedBody, Danger::LooseItems],
            )
        }),
        ("Content", items(&[Part::Field(Field::pointer("/a"))], &[Danger::UnsignedBody])),
        (
            "Setting",
            build(Scheme { event: Some(Field::FirstOf(vec![].into())), ..presets::GITHUB }),
        ),
        ("NeedlessDanger", dangers(presets::GITHUB, Danger::LooseItems)),
        ("NeedlessTolerance", {
            let day = Duration::from_secs(60);
            builder(presets::GITHUB).tolerance(day, day).build().unwrap_err()
        }),
        ("NeedlessTolerance", {
            let hour = Duration::from_secs(3600);
            let tolerance = Some(Tolerance { past: hour, future: hour });
            build(Scheme { tolerance, ..presets::GITHUB })
        }),
        // A text that varies could become the digest.
        ("Content", {
            let digest = Field::header("x-digest");
            let content = [Field::header("x-a"), digest.clone(), Field::header("x-b")];
            build(Scheme {
                digest: Some(digest),
                content: content.map(Part::Field).to_vec().into(),
                dangerously_allow: vec![Danger::AmbiguousContent].into(),
                ..presets::GITHUB
            })
        }),
        ("Content", {
            let value = |name| Part::Field(Field::header(name));
            build(Scheme {
                content: vec![value("x-a"), Part::BodySha256, value("x-b")].into(),
                dangerously_allow: vec![Danger::AmbiguousContent].into(),
                ..presets::GITHUB
            })
        }),
        ("Content", {
            let value = |name| Part::Field(Field::header(name));
            build(Scheme {
                content: vec![value("x-a"), Part::BodySha256].into(),
                optional_end: Some(
                    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into(),
                ),
                dangerously_allow: vec![Danger::AmbiguousContent].into(),
                ..presets::GITHUB
            })
        }),
        // As a number it would be signed alike, and be no id.
        (
            "Identity",
            build(Scheme {
                content: vec![Part::Id].into(),
                id: Some(Field::pointer("/id")),
                dangerously_allow: vec![Danger::UnsignedBody].into(),
                ..presets::GITHUB
            }),
        ),
        // In the other encoding it would be another one.
        (
            "Identity",
            build(Scheme { id: Some(Field::form("id")), multipart: true, ..presets::GITHUB }),
        ),
        (
            "Identity",
            build(Scheme {
                id: Some(Field::pointer("/id")),
                json: Json::Form("payload".into()),
                multipart: true,
                ..presets::GITHUB
            }),
        ),
        // As the time it would not count, as a field it would.
        ("Identity", {
            let content = vec![Part::Field(Field::header("X-Time")), dot(), Part::Body].into();
            build(Scheme {
                content,
                sent_at: Some(header_time("x-time")),
                identity: Identity::Content,
                ..presets::GITHUB
            })
        }),
        ("Signature", signature(Field::pointer("/s"), Layout::Single, &[])),
        ("Signature", signature(Field::form("s"), Layout::Single, &[])),
        (
            "Signature",
            build(Scheme {
                content: vec![Part::Field(Field::header("X-Hub-Signature-256")), dot(), Part::Body]
                    .into(),
                ..presets::GITHUB
            }),
        ),
        (
            "Signature",
            build(Scheme {
                signature: Signature {
                    others: vec!["x-other".into()].into(),
                    ..presets::GITHUB.signature
                },
                content: vec![Part::Field(Field::header("X-Other")), dot(), Part::Body].into(),
                ..presets::GITHUB
            }),
        ),
        (
            "Signature",
            build(Scheme {
                signature: Signature { field: Field::pointer("/s"), ..presets::GITHUB.signature },
                items: Some("/items".into()),
                content: vec![Part::Field(Field::pointer("/s"))].into(),
                dangerously_allow: vec![Danger::UnsignedBody, Danger::LooseItems].into(),
                ..presets::GITHUB
            }),
        ),
        ("Signature", requires(&[("x-version", "1\n")])),
        ("HeaderTwice", requires(&[("x-version", "1"), ("X-Version", "2")])),
        ("HeaderTwice", requires(&[("x-hub-signature-256", "1")])),
        ("Separator", build(Scheme { key_id: Some(KeyId::Prefix(',')), ..presets::STRIPE })),
        (
            "Answer",
            build(Scheme { answer: Answer { status: 204, body: "ok".into() }, ..presets::GITHUB }),
        ),
        ("NeedlessDanger", dangers(presets::GITHUB, Danger::UnsignedBody)),
        ("NeedlessDanger", dangers(presets::GITHUB, Danger::AmbiguousContent)),
        ("MissingUrl", build(presets::SQUARE)),
        ("Url", builder(presets::SQUARE).url("/webhooks").build().unwrap_err()),
        ("Answer", build(Scheme { answer: answer(404), ..presets::GITHUB })),
        ("Signature", signature(Field::parameter("s"), Layout::List(','), &[])),
        ("Signature", signature(Field::query("s"), Layout::Repeated, &[])),
        ("Signature", signature(Field::header("s"), Layout::Numbered, &["t"])),
        (
            "Signature",
            build(Scheme {
                items: Some("/items".into()),
                content: vec![Part::Field(Field::pointer("/a"))].into(),
                dangerously_allow: vec![Danger::UnsignedBody, Danger::LooseItems].into(),
                ..presets::GITHUB
            }),
        ),
        ("MissingLabel", build(presets::PUSHER)),
        ("Label", label(presets::PUSHER, " key1")),
        ("Label", label(presets::BRAINTREE, "key|1")),
        ("Label", label(presets::BRAINTREE, "key&1")),
        ("Content", content(&[Part::Id, dot(), Part::Id, dot(), Part::Body])),
        ("Content", content(&[Part::SentAt, dot(), Part::SentAt, dot(), Part::Body])),
        ("Content", content(&[Part::Id, Part::SentAt, dot(), Part::Body])),
        ("Content", content(&[Part::SentAt, dot(), Part::Id, Part::Body])),
        ("Content", content(&[Part::Id, literal(""), Part::Body])),
        ("Content", content(&[Part::SentAt, literal("0"), Part::Body])),
        ("Content", content(&[Part::Id, literal("x"), Part::Body])),
        ("Content", build(Scheme { id: None, identity: Identity::Content, ..standard.clone() })),
        (
            "UncoveredIdentity",
            build(Scheme { id: Some(Field::pointer("/id")), ..standard.clone() }),
        ),
        ("Content", build(Scheme { sent_at: None, ..standard.clone() })),
        ("Separator", separator('a', Encoding::Hex, "")),
        ("Separator", separator('F', Encoding::Hex, "")),
        ("Separator", separator('z', Encoding::Base64, "")),
        ("Separator", separator('=', Encoding::Base64, "")),
        ("Separator", separator('+', Encoding::Base64, "")),
        ("Separator", separator(',', Encoding::Base64, "v1,")),
        ("Separator", separator('\n', Encoding::Hex, "")),
        ("Separator", separator('\u{0}', Encoding::Hex, "")),
        ("Separator", separator('é', Encoding::Hex, "")),
        ("Separator", separator('→', Encoding::Hex, "")),
        ("Separator", separator('-', Encoding::Base64Url, "")),
        ("Separator", separator('_', Encoding::Base64Url, "")),
        ("Separator", separator('z', Encoding::Base64Url, "")),
        ("Separator", laid_out(Layout::SpacedList('a'), "")),
        ("Separator", laid_out(Layout::SpacedList(' '), "")),
        ("Separator", laid_out(Layout::Lists(','), "HMAC ")),
        (
            "Content",
            build(Scheme {
                content: vec![
                    Part::BodySha256,
                    Part::Optional(vec![literal(""), Part::Field(Field::query("a"))].into()),
                ]
                .into(),
                ..presets::GITHUB
            }),
        ),
        ("Parameter", parameter("t", unix, Layout::Single, "v1=")),
        ("Parameter", parameter("", unix, comma, "v1=")),
        ("Parameter", parameter("t ", unix, comma, "v1=")),
        ("Parameter", parameter("t=", unix, comma, "v1=")),
        ("Parameter", parameter("zeit·", unix, comma, "v1=")),
        // As many signatures are compared.
        (
            "Parameter",
            build(Scheme {
                sent_at: Some(SentAt { field: Field::Entry(16), format: unix }),
                ..presets::STRIPE
            }),
        ),
        // Entries that could be the time or a signature.
        ("Parameter", parameter("v1", unix, comma, "v1=")),
        ("Parameter", parameter("v1", unix, comma, "v1")),
        ("Parameter", parameter("t", unix, comma, "t=v1:")),
        // The separator would cut the time in two.
        ("Parameter", parameter("t,s", unix, comma, "v1=")),
        ("Parameter", parameter("t", unix, Layout::List('='), "v1:")),
        ("Parameter", parameter("t", rfc, Layout::List(':'), "v1=")),
        ("Parameter", parameter("t", rfc, Layout::List('-'), "v1=")),
        ("Parameter", build(Scheme { id: Some(Field::parameter("id")), ..presets::STRIPE })),
        ("Parameter", build(Scheme { event: Some(Field::parameter("type")), ..presets::STRIPE })),
        ("UncoveredTime", build(Scheme { content: Scheme::BASE.content, ..presets::STRIPE })),
        (
            "UncoveredTime",
            build(Scheme { sent_at: Some(header_time("x-time")), ..presets::GITHUB }),
        ),
        (
            "UncoveredIdentity",
            builder(presets::STRIPE)
                .identity(Identity::Fields(Cow::Owned(vec![Field::parameter("id")])))
                .build()
                .unwrap_err(),
        ),
        (
            "Identity",
            builder(presets::STRIPE)
                .identity(Identity::Fields(Cow::Owned(vec![
                    Field::pointer("/id"),
                    Field::parameter("t"),
                ])))
                .build()
                .unwrap_err(),
        ),
        (
            "UncoveredIdentity",
            builder(presets::GITHUB)
                .identity(Identity::Fields(Cow::Owned(vec![Field::header("x-github-delivery")])))
                .build()
                .unwrap_err(),
        ),
        (
            "UncoveredIdentity",
            builder(standard.clone())
                .identity(Identity::Fields(Cow::Owned(vec![
                    Field::header("webhook-id"),
                    Field::header("x-tenant"),
                ])))
                .build()
                .unwrap_err(),
        ),
        (
            // The time is signed, but it is new at each attempt and so no identity.
            "Identity",
            builder(standard.clone())
                .identity(Identity::Fields(Cow::Owned(vec![Field::header("Webhook-Timestamp")])))
                .build()
                .unwrap_err(),
        ),
        ("Identity", identity(Identity::Fields(Cow::Owned(vec![Field::pointer("/delivered_at")])))),
        ("Deadline", build(Scheme { deadline: Duration::ZERO, ..presets::GITHUB })),
        (
            "HeaderTwice",
            build(Scheme { id: Some(Field::header("X-Hub-Signature-256")), ..presets::GITHUB }),
        ),
        (
            "HeaderTwice",
            build(Scheme {
                sent_at: Some(header_time("webhook-id")),
                aliases: Cow::Borrowed(&[]),
                ..standard.clone()
            }),
        ),
        (
            "Setting",
            build(Scheme {
                sent_at: Some(SentAt {
                    field: Field::Integer("/t".into()),
                    format: TimeFormat::Rfc3339,
                }),
                ..presets::GITHUB
            }),
        ),
        (
            "Signature",
            build(Scheme {
                signature: Signature {
                    others: vec!["x-other".into()].into(),
                    ..presets::GITHUB.signature
                },
                aliases: vec![("X-Hub-Signature-256".into(), "x-more".into())].into(),
                ..presets::GITHUB
            }),
        ),
        ("Alias", aliases(&[("x-github-delivery", "x-one"), ("X-GitHub-Delivery", "x-two")])),
        ("HeaderTwice", aliases(&[("x-github-delivery", "x-hub-signature-256")])),
        // What is signed would be read where the id is, once its own header is taken away.
        (
            "HeaderTwice",
            build(Scheme {
                content: vec![Part::Field(Field::header("x-tenant")), dot(), Part::Body].into(),
                aliases: vec![("x-tenant".into(), "x-github-delivery".into())].into(),
                ..presets::GITHUB
            }),
        ),
        ("Identity", identity(Identity::Fields(Cow::Borrowed(&[])))),
        ("Identity", identity(Identity::Content)),
        ("Identity", identity(Identity::IdAndContent)),
        (
            "Identity",
            build(Scheme { id: None, identity: Identity::IdAndContent, ..presets::GITHUB }),
        ),
        ("Identity", build(Scheme { id: None, identity: Identity::UnsignedId, ..presets::GITHUB })),
        (
            "Tolerance",
            builder(SHORTLINKS).tolerance(Duration::ZERO, Duration::ZERO).build().unwrap_err(),
        ),
        ("Ttl", builder(SHORTLINKS).ttl(Duration::ZERO).build().unwrap_err()),
    ];
    for (one, other) in [(Some("2026"), Some("2026")), (Some("1"), None), (None, Some("0"))] {
        let secret = |text: &str, label: Option<&'static str>| match label {
            Some(label) => Secret::new(text).label(label),
            None => Secret::new(text),
        };
        let builder = Verifier::builder("acme", presets::GITHUB, secret(SECRET, one));
        let duplicate = builder.secret(secret(OTHER_SECRET, other)).build().unwrap_err();
        errors.push(("DuplicateLabel", duplicate));
    }
    for (header, other) in [("x-hub-signature-256", "bad name"), ("x-github-delivery", "")] {
        let alias = (Cow::Borrowed(header), Cow::Borrowed(other));
        let scheme = Scheme { aliases: Cow::Owned(vec![alias]), ..presets::GITHUB };
        errors.push(("HeaderName", build(scheme)));
    }
    errors
}

#[test]
fn every_wrong_configuration_has_its_own_error() {
    let errors = config_errors();
    for (name, error) in &errors {
        let debug = format!("{error:?}");
        let variant = debug.split([' ', '{', '(']).next().unwrap();
        assert_eq!(variant, *name, "{error}");
        assert!(!error.to_string().is_empty());
    }
    for name in [
        "SourceName",
        "NoSecret",
        "TooManySecrets",
        "EmptySecret",
        "PaddedSecret",
        "WeakSecret",
        "UndecodableSecret",
        "Label",
        "DuplicateLabel",
        "HeaderName",
        "Pointer",
        "TooManyPointers",
        "Content",
        "Separator",
        "Parameter",
        "UncoveredTime",
        "Deadline",
        "HeaderTwice",
        "Alias",
        "UncoveredIdentity",
        "Identity",
        "Tolerance",
        "Ttl",
    ] {
        assert!(errors.iter().any(|(reached, _)| *reached == name), "{name}");
    }
}

#[test]
fn the_clock_of_a_builder_is_the_one_that_is_asked() {
    let clock = Arc::new(FakeClock::new());
    let verifier =
        Verifier::builder("acme", SHORTLINKS, SECRET).clock(clock.clone()).build().unwrap();
    let request = signed(&SHORTLINKS, None, b"", shortlink("wh_1"));
    assert_eq!(verifier.verify(request.clone()).unwrap().received_at(), at(NOW));
    clock.advance(Duration::from_secs(301));
    assert!(matches!(verifier.verify(request), Err(Rejection::Stale { .. })));
}
