//! What is as long, as many or as odd as it may be, and no error.

use super::*;

#[test]
fn the_limits_themselves_are_accepted() {
    Verifier::new("x".repeat(255), presets::GITHUB, SECRET).unwrap();
    Verifier::new("größe/acme", presets::GITHUB, SECRET).unwrap();
    let pointers = (0..14).map(|n| Field::Pointer(format!("/{n}").into()));
    let sixteen = Scheme { identity: Identity::Fields(pointers.collect()), ..SHORTLINKS };
    // These 14 and the time and the id; the event is at one that is there already.
    builder(Scheme { event: Some(Field::pointer("/1")), ..sixteen.clone() }).build().unwrap();
    let error = builder(sixteen).build().unwrap_err();
    assert_eq!(error, ConfigError::TooManyPointers { count: 17, max: 16 });
    // Several signatures, and a second name of another header.
    let signature = Signature { layout: Layout::Repeated, ..presets::GITHUB.signature };
    let aliases = vec![("x-github-delivery".into(), "x-delivery".into())].into();
    builder(Scheme { signature, aliases, ..presets::GITHUB }).build().unwrap();
    // In either encoding it is the same header, or what nobody signs.
    let event = Some(Field::form("type"));
    let multipart = Scheme { multipart: true, event, ..presets::GITHUB };
    builder(multipart.clone()).build().unwrap();
    let unsigned = Scheme {
        id: Some(Field::form("id")),
        content: vec![Part::Field(Field::form("a"))].into(),
        dangerously_allow: vec![Danger::UnsignedBody].into(),
        ..multipart
    };
    builder(unsigned).build().unwrap();
    let uncovered = Scheme {
        identity: Identity::Fields(vec![Field::header("x-nobody")].into()),
        ..presets::GITHUB
    };
    let error = builder(uncovered).build().unwrap_err();
    assert_eq!(error, ConfigError::UncoveredIdentity { field: "x-nobody".into() });
    let deep = Some(Field::Pointer("/a".repeat(60).into()));
    builder(Scheme { event: deep, ..presets::GITHUB }).build().unwrap();
    let raw = Scheme { key: KeyFormat::Raw, ..presets::STANDARD_WEBHOOKS };
    builder(raw).build().unwrap();
    // A parameter whose name only begins like the prefix.
    let v1 = Signature { prefix: Cow::Borrowed("v1a="), ..presets::STRIPE.signature };
    let sent_at = Some(SentAt { field: Field::parameter("v1"), format: TimeFormat::Rfc3339 });
    builder(Scheme { signature: v1, sent_at, ..presets::STRIPE }).build().unwrap();
}

/// Whoever writes a scheme, a tenant for one, does not decide how many places of each request are looked at.
#[test]
fn no_key_names_more_places_than_are_needed() {
    type Names = fn(u32) -> Scheme;
    fn headers(count: u32) -> Vec<Cow<'static, str>> {
        (1..=count).map(|n| format!("x-{n}").into()).collect()
    }
    fn pairs(count: u32) -> Vec<(Cow<'static, str>, Cow<'static, str>)> {
        headers(count).into_iter().map(|name| (name, "another".into())).collect()
    }
    fn fields(count: u32) -> Vec<Field> {
        headers(count).into_iter().map(Field::Header).collect()
    }
    let keys: [(&str, Names); 5] = [
        ("signature", |count| {
            let signature =
                Signature { others: headers(count).into(), ..presets::GITHUB.signature };
            Scheme { signature, ..presets::GITHUB }
        }),
        ("requires", |count| Scheme { requires: pairs(count).into(), ..presets::GITHUB }),
        ("aliases", |count| Scheme { aliases: pairs(count).into(), ..presets::GITHUB }),
        ("event", |count| Scheme {
            event: Some(Field::FirstOf(fields(count).into())),
            ..presets::GITHUB
        }),
        ("identity", |count| {
            let signed = fields(count)
                .into_iter()
                .take(15)
                .flat_map(|field| [Part::Field(field), Part::Literal("|".into())]);
            let content: Vec<Part> = signed.chain([Part::Body]).collect();
            let body = (16..=count).map(|_| Field::pointer("/id"));
            let fields = fields(count).into_iter().take(15).chain(body).collect();
            Scheme {
                content: content.into(),
                identity: Identity::Fields(fields),
                ..presets::GITHUB
            }
        }),
    ];
    for (key, names) in keys {
        builder(names(16)).build().unwrap_or_else(|error| panic!("{key}: {error}"));
        let problem = "names more than 16 places";
        assert_eq!(builder(names(17)).build().unwrap_err(), ConfigError::Setting { key, problem });
    }
    for (one, other) in [
        (Field::pointer("/id"), Field::Integer("/id".into())),
        (Field::header("x-a"), Field::header("X-A")),
    ] {
        let identity = Identity::Fields(vec![one, Field::pointer("/b"), other].into());
        let problem = "has a field twice; once is enough";
        let built = builder(Scheme { identity, ..presets::GITHUB }).build();
        assert_eq!(built.unwrap_err(), ConfigError::Identity { problem });
    }
}

#[test]
fn a_name_of_255_bytes_is_no_error() {
    let scheme = Scheme { name: "a".repeat(255).into(), ..presets::GITHUB };
    assert_eq!(builder(scheme).build().unwrap().source(), "acme");
}

/// What is ambiguous has the time and a digest at an end, where they can be found.
#[test]
fn ambiguous_content_may_have_the_time_or_a_digest_at_an_end() {
    let digest = || Part::Field(Field::header("x-digest"));
    let build = |content: &[Part], optional_end: Option<&'static str>| {
        let sent_at = content
            .contains(&Part::SentAt)
            .then(|| SentAt { field: Field::header("x-time"), format: TimeFormat::UnixSeconds });
        let scheme = Scheme {
            content: content.to_vec().into(),
            optional_end: optional_end.map(Cow::Borrowed),
            sent_at,
            identity: Identity::Content,
            id: None,
            event: None,
            dangerously_allow: vec![Danger::AmbiguousContent].into(),
            digest: content.contains(&digest()).then(|| Field::header("x-digest")),
            ..presets::GITHUB
        };
        builder(scheme).build().map(drop)
    };
    let tenant = Part::Field(Field::header("x-tenant"));
    build(&[tenant.clone(), digest()], None).unwrap();
    build(&[tenant.clone(), Part::Body, Part::SentAt], Some(";")).unwrap();
    build(&[Part::SentAt, tenant.clone(), Part::Body], Some("1")).unwrap();
    build(&[tenant.clone(), Part::BodySha256], None).unwrap();
    for (content, end) in [
        // The end could be a digit of the time, or of the digest.
        (&[tenant.clone(), Part::Body, Part::SentAt][..], Some("1")),
        (&[tenant.clone(), Part::BodySha256], Some(";")),
        (&[tenant.clone(), Part::SentAt, Part::Body], None),
        (&[tenant.clone(), Part::BodySha256, tenant.clone()], None),
    ] {
        build(content, end).unwrap_err();
    }
}

#[test]
fn what_ends_with_a_value_is_not_ambiguous() {
    let tenant = Part::Field(Field::header("x-tenant"));
    let content = vec![Part::BodySha256, Part::Literal(".".into()), tenant];
    builder(Scheme { content: content.into(), ..presets::GITHUB }).build().unwrap();
    let content = vec![Part::BodySha256, Part::Literal(".".into()), Part::Method];
    builder(Scheme { content: content.into(), ..presets::GITHUB }).build().unwrap();
}

#[test]
fn an_optional_value_ends_with_what_separates_it() {
    for (end, separates) in [(";", true), ("x", false)] {
        let value = Part::Field(Field::header("x-tenant"));
        let literal = |text: &'static str| Part::Literal(text.into());
        let optional = Part::Optional(vec![literal(";"), value, literal(end)].into());
        let content = vec![optional, literal("\n"), Part::Body];
        let built = builder(Scheme { content: content.into(), ..presets::GITHUB }).build();
        assert_eq!(built.is_ok(), separates, "{end}");
    }
}

/// Levels are read within each other, on the stack of whoever reads them: here that of a thread of a runtime.
#[test]
fn a_scheme_file_of_many_levels_is_refused() {
    fn read(text: String) -> String {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let read = thread.spawn(move || Scheme::from_toml("acme.toml", &text).unwrap_err());
        read.unwrap().join().unwrap().to_string()
    }
    let nested = |key: &str, parts: usize, open: usize| {
        let parts = vec!["a"; parts].join(" . ");
        format!("{key} = {}1{}", format!("{{{parts}=").repeat(open), "}".repeat(open))
    };
    let is_too_deep = |error: &str| error.contains("it is too deep: a key has at most 8 parts");
    for key in ["tolerance", "unknown", "signature.field"] {
        for (parts, open) in [(80, 79), (9, 1), (1, 17), (1, 79)] {
            let error = read(format!("name = \"acme\"\n{}", nested(key, parts, open)));
            assert!(error.starts_with("acme.toml:2: ") && is_too_deep(&error), "{key}: {error}");
        }
        let error = read(nested(key, 8, 16));
        assert!(!is_too_deep(&error), "{key}: {error}");
    }
    assert!(is_too_deep(&read(format!("content = {}", "[".repeat(20_000)))));
    assert!(is_too_deep(&read(format!("[{}]", ["'a.b'"; 9].join(".")))));
    for fits in [
        format!("{} = 1", ["a"; 8].join(".")),
        "content = [\"1.2.3.4.5.6.7.8.9.10\"] # 1.2.3.4.5.6.7.8.9.10".into(),
        format!("content = [{}", "[], ".repeat(20)),
        "a.b.c = 1\n".repeat(9),
        "a.b\n".repeat(9),
        format!("a = {}", ["1.5"; 9].join(" = ")),
        format!("a = [{}", ["1.5"; 9].join(", ")),
    ] {
        let error = read(fits);
        assert!(!is_too_deep(&error), "{error}");
    }
}
