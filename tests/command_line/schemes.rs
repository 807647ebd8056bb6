//! `inhook presets` and `inhook check`.

use super::*;

#[test]
fn presets_are_listed_and_shown() {
    let list = inhook(SECRET, &["presets"], b"");
    assert_eq!(text(&list.stdout).lines().count(), presets::all().count());
    let json = inhook(SECRET, &["presets", "--json"], b"");
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), presets::all().count());
    assert_eq!(json[0]["name"], json!(presets::all().next().unwrap().name));

    let directory = TempDir::new().unwrap();
    for preset in presets::all() {
        // What is shown is a scheme file, and the same scheme.
        let shown = inhook(SECRET, &["presets", preset.name], b"");
        let file = directory.path().join("scheme.toml");
        std::fs::write(&file, &shown.stdout).unwrap();
        let read =
            inhook::scheme::Scheme::from_file(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read, preset.scheme, "{}", preset.name);
        let checked = inhook(SECRET, &["check", file.to_str().unwrap()], b"");
        assert_eq!(code(&checked), 0, "{}", text(&checked.stderr));
    }
    let unknown = inhook(SECRET, &["presets", "nobody"], b"");
    assert_eq!((code(&unknown), &*unknown.stdout), (1, b"".as_slice()));
}

/// Durations are written as a person would.
#[test]
fn a_preset_is_shown_with_whole_hours_or_seconds() {
    for (preset, shown) in [
        ("mailgun/form-fields", "retry_horizon = \"8h\""),
        ("slack/slack-v0", "retry_horizon = \"360s\""),
        ("github/hub-sha256", "retry_horizon = \"0s\""),
    ] {
        let output = inhook(SECRET, &["presets", preset], b"");
        assert!(text(&output.stdout).contains(shown), "{}", text(&output.stdout));
    }
}

/// Whatever is of the wrong kind is shown as it should be.
#[test]
fn each_key_has_an_example() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("acme.toml");
    for example in [
        "name = \"acme\"",
        "key = { base64 = { prefix = \"whsec_\" } }",
        "key_id = { header = \"x-key\" }",
        "signature = { ",
        "content = [\"sent_at\", { literal = \".\" }, \"body\"]",
        "items = \"/events\"",
        "digest = { query = \"sha256\" }",
        "requires = [[\"x-version\", \"1\"]]",
        "json = { form = \"payload\" }",
        "optional_end = \";\"",
        "multipart = true",
        "either_port = true",
        "id = { header = \"x-id\" }",
        "event = { pointer = \"/type\" }",
        "sent_at = { field = { header = \"x-time\" }, format = \"unix_seconds\" }",
        "identity = { fields = [{ pointer = \"/id\" }] }",
        "aliases = [[\"x-signature\", \"x-old-signature\"]]",
        "dangerously_allow = [\"unsigned_body\"]",
        "answer = { ",
        "deadline = \"10s\"",
    ] {
        let (key, _) = example.split_once(" = ").unwrap();
        std::fs::write(&file, format!("{key} = 1979-05-27\n")).unwrap();
        let output = inhook(SECRET, &["check", file.to_str().unwrap()], b"");
        let said = text(&output.stderr);
        assert!(said.contains(&format!("it is written like `{example}")), "{said}");
        // The longer ones in parts, since the order of their keys is no one's business.
        let parts: &[&str] = match key {
            "signature" => &["field = { header = \"x-signature\" }", "layout = { list = \",\" }"],
            "answer" => &["status = 200", "body = \"ok\""],
            _ => &[],
        };
        for part in parts {
            assert!(said.contains(part), "{said}");
        }
    }
}

/// What is wrong with a file is said with its name, the line, and what to do.
#[test]
fn scheme_files_that_can_not_be_used() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("acme.toml");
    let good = "name = \"acme\"\nsignature = { field = { header = \"x-signature\" } }\n";
    let timed = "content = [\"sent_at\", { literal = \".\" }, \"body\"]\n\
                 sent_at = { field = { header = \"x-time\" }, format = \"unix_seconds\" }\n";
    let deep = format!("{good}content = {}", "[".repeat(10_000));
    let huge = format!("{good}# {}", "x".repeat(10 * 1024 * 1024));
    let cases = [
        (3, "unknown field `contents`", format!("{good}contents = []")),
        (3, "unknown variant, expected one of `body`", format!("{good}content = [\"bodi\"]")),
        (3, "invalid type", format!("{good}content = 7")),
        (3, "duration such as", format!("{good}deadline = \"soon\"")),
        (3, "invalid type", format!("{good}deadline = 10")),
        (3, "duration such as", format!("{good}deadline = \"-10s\"")),
        (3, "a tolerance is", format!("{good}tolerance = \"some\"")),
        (
            5,
            "a tolerance must be",
            format!("{good}{timed}tolerance = {{ past = \"48h\", future = \"1s\" }}"),
        ),
        (3, "no time is judged", format!("{good}tolerance = {{ past = \"1h\", future = \"1s\" }}")),
        (3, "add `\"body\"`", format!("{good}content = [\"id\"]\nid = {{ header = \"x-id\" }}")),
        (3, "is not covered", format!("{good}identity = {{ fields = [{{ header = \"x-id\" }}] }}")),
        (3, "safe without", format!("{good}dangerously_allow = [\"unsigned_body\"]")),
        (2, "not a header name", good.replace("x-signature", "x signature")),
        (3, "JSON pointer", format!("{good}id = {{ pointer = \"id\" }}")),
        // What is of the wrong kind is shown as it should be.
        (3, "key = { base64 = { prefix", format!("{good}key = \"base64\"")),
        (2, "signature = {", good.replace("{ field", "\"x-signature\" # { field")),
        (3, "{ literal = \".\" }", format!("{good}content = [\"sent_at\", \".\", \"body\"]")),
        (3, "[{ pointer", format!("{good}identity = \"fields\"")),
        (3, "deadline = \"10s\"", format!("{good}deadline = 10")),
        (3, "id = { header", format!("{good}id = {{ header = \"x-id\", pointer = \"/id\" }}")),
        (1, "without control", good.replace("acme", "")),
        // A comment is no value.
        (3, "not a header name", format!("# \"x y\"\n{}", good.replace("x-signature", "x y"))),
        (
            2,
            "not a header name",
            format!("# \"x y\" {}\n{}", "\u{130}".repeat(200), &good[14..])
                .replace("x-signature", "x y"),
        ),
        (3, "can only be `sent_at`", format!("{good}id = {{ entry = 0 }}")),
        // Each is said of its own key.
        (4, "`optional_end` is empty", format!("{good}content = [\"body\"]\noptional_end = \"\"")),
        (
            4,
            "first of no fields",
            format!("{good}content = [\"body\"]\nevent = {{ first_of = [] }}"),
        ),
        (
            4,
            "`id` is in a parameter that has no name",
            format!("{good}event = {{ query = \"type\" }}\nid = {{ query = \"\" }}"),
        ),
        (
            4,
            "`id` can't be the first of several",
            format!("{good}event = {{ first_of = [{{ query = \"a\" }}] }}\nid = {{ first_of = [{{ query = \"a\" }}] }}"),
        ),
        (
            4,
            "it is written like `signature",
            "name = \"acme\"\nsignature.field = { header = \"x-s\" }\ncontent = [\"body\"]\nsignature.layout = 7\n".into(),
        ),
        (3, "`either_port` is set", format!("{good}either_port = true")),
        (
            5,
            "it is written like `signature",
            "name = \"acme\"\n\n[signature]\nprefix = \"v1=\"\nfield = \"x-signature\"\n".into(),
        ),
        // What it contradicts is not written.
        (
            3,
            "the content, but that has the time",
            format!("{good}sent_at = {{ field = {{ pointer = \"/t\" }}, format = \"unix_seconds\" }}"),
        ),
        (
            3,
            "`json` is the body",
            format!("{good}id = {{ pointer = \"/id\" }}\ncontent = [{{ field = {{ form = \"a\" }} }}, {{ literal = \".\" }}, \"body\"]"),
        ),
        (
            3,
            "`event` names more than 16 places",
            format!(
                "{good}event = {{ first_of = [{}] }}",
                (0..20).map(|n| format!("{{ pointer = \"/{n}\" }}, ")).collect::<String>()
            ),
        ),
        (
            3,
            "60 levels",
            format!("{good}id = {{ pointer = \"{}\" }}", "/a".repeat(30_000)),
        ),
        (
            5,
            "17 JSON pointers",
            format!(
                "{good}id = {{ header = \"x-id\" }}\nevent = {{ pointer = \"/e\" }}\nidentity = {{ fields = [{}] }}",
                (0..16).map(|n| format!("{{ pointer = \"/{n}\" }},")).collect::<String>()
            ),
        ),
        (2, "without control", format!("{}\nname = \"\"", &good[14..].trim_end())),
        (2, "named for two things", format!("{good}id = {{ header = \"x-signature\" }}")),
        (
            3,
            "two other names",
            format!("{good}aliases = [[\"x-a\", \"x-b\"], [\"x-a\", \"x-c\"]]"),
        ),
        (2, "no header can hold", good.replace("} }", "}, prefix = \"\\n\" }")),
        (2, "list separator", good.replace("} }", "}, layout = { list = \"a\" } }")),
        (
            3,
            "does not cover it",
            format!("{good}sent_at = {{ field = {{ header = \"x-t\" }}, format = \"unix_seconds\" }}"),
        ),
        (3, "deadline is zero", format!("{good}deadline = \"0s\"")),
        (3, "answered 500", format!("{good}answer = {{ status = 500 }}")),
        // Within an array over several lines, in that of the value.
        (
            5,
            "not a header name",
            format!("{good}aliases = [\n  [\"x-a\", \"x-b\"],\n  [\"x y\", \"x-c\"],\n]"),
        ),
        (1, "the signature is nowhere", "# Nothing yet.\nname = \"acme\"\n".into()),
        (1, "the signature is nowhere", "name = \"acme\"\n\n\nid = { header = \"x-id\" }\n".into()),
        (
            6,
            "it is written like `tolerance",
            format!("{good}{timed}\n[tolerance]\npast = \"1h\"\n"),
        ),
        // A table of an array, with another key between it and the array's first.
        (
            9,
            "it is written like `content",
            format!(
                "{good}[[content]]\nliteral = \".\"\n[sent_at]\nfield = {{ header = \"x-t\" }}\nformat = \"unix_seconds\"\n[[content]]\nliteral = 1\n"
            ),
        ),
        (3, "", format!("{good}= 1")),
        (0, "longer than", huge),
        (3, "", deep),
    ];
    for (line, message, text) in cases {
        std::fs::write(&file, text).unwrap();
        let output = inhook(SECRET, &["check", file.to_str().unwrap()], b"");
        let error = self::text(&output.stderr).to_owned();
        let line = if line == 0 { String::new() } else { format!(":{line}") };
        let at = format!("{}{line}: ", file.display());
        assert!(error.contains(&at) && error.contains(message), "{line} {message}: {error:.300}");
        assert!(!error.contains("::"), "a name that no file has: {error:.300}");
        assert_eq!((code(&output), &*output.stdout), (2, b"".as_slice()), "{error:.300}");
    }
    // As long as one may be.
    let longest = format!("{good}# {}", "x".repeat(64 * 1024 - good.len() - 2));
    std::fs::write(&file, longest).unwrap();
    let output = inhook(SECRET, &["check", file.to_str().unwrap()], b"");
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    // It has no end, and is not read to it.
    let output = inhook(SECRET, &["check", "/dev/zero"], b"");
    assert!(text(&output.stderr).contains("longer than"), "{}", text(&output.stderr));
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    assert_eq!(code(&inhook(SECRET, &["check", file.to_str().unwrap()], b"")), 2);
    std::fs::write(&file, format!("{good}tolerance = \"any\"")).unwrap();
    assert_eq!(code(&inhook(SECRET, &["check", file.to_str().unwrap()], b"")), 0);
    std::fs::write(&file, good).unwrap();
    assert_eq!(code(&inhook(SECRET, &["check", file.to_str().unwrap()], b"")), 0);
}
