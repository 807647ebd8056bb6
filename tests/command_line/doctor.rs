//! `inhook doctor`.

use super::*;

#[test]
fn the_doctor_knows_the_usual_mistakes() {
    let secret = "It's a Secret to Everybody";
    let json = r#"{"name":"Zoë","list":[1,2.50,{"a/b":null}]}"#;
    let request = signed(secret, "github", &["--id", "1"], json);
    let github = ["--scheme", "github"];
    assert_eq!(doctor(secret, &github, &request).1, 0);
    let bodies: [(&str, Vec<u8>); 9] = [
        ("line break", format!("{json}\n").into()),
        ("line break", format!("{json}\r\n").into()),
        ("byte order mark", format!("\u{feff}{json}").into()),
        ("serialised again", br#"{"name": "Zo\u00eb", "list": [1, 2.50, {"a/b": null}]}"#.to_vec()),
        ("serialised again", br#"{"name":"Zo\u00eb","list":[1,2.50,{"a\/b":null}]}"#.to_vec()),
        ("serialised again", "{\n  \"name\": \"Zoë\",\n  \"list\": [\n    1,\n    2.50,\n    {\n      \"a/b\": null\n    }\n  ]\n}".into()),
        ("character set", json.bytes().flat_map(|byte| char::from(byte).to_string().into_bytes()).collect()),
        ("UTF-8", json.chars().map(|char| u8::try_from(char).unwrap()).collect()),
        ("None of the usual mistakes", json.replace("2.50", "2.5").into()),
    ];
    for (advice, body) in bodies {
        let (said, code) = doctor(secret, &github, &with_body(&request, &body));
        assert!(said.contains(advice) && code == 1, "{advice}: {said}");
    }

    // The partner's secret in another notation, and by another scheme.
    let svix = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let request = signed(svix, "svix", &["--id", "1"], json);
    let (said, _) = doctor(svix, &["--scheme", "polar"], &request);
    assert!(said.contains("decoded from base64"), "{said}");
    assert!(said.contains("inhook presets polar > my-scheme.toml"), "{said}");
    let (said, _) = doctor(&svix[6..], &["--scheme", "svix"], &request);
    assert!(said.contains("valid as it is"), "{said}");
    let request = signed(&svix[6..], "polar", &["--id", "1"], json);
    let (said, _) = doctor(svix, &["--scheme", "polar"], &request);
    assert!(said.contains("without `whsec_`"), "{said}");
    let request = signed(secret, "github", &["--id", "1"], json);
    let (said, _) = doctor(&format!("{secret}\n"), &github, &request);
    assert!(said.contains("white space around the secret"), "{said}");
    let upper = text(&request).to_owned();
    let tag = upper.split("sha256=").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    let (said, _) = doctor(secret, &github, upper.replace(&tag, &tag.to_uppercase()).as_bytes());
    assert!(said.contains("in any case"), "{said}");
    let (said, _) = doctor(secret, &github, upper.replace("sha256=", "").as_bytes());
    assert!(said.contains("without a prefix"), "{said}");

    // The URL behind a proxy.
    let public = "https://hooks.example.com/square";
    let request = signed(secret, "square", &["--url", public], json);
    for seen in [
        "http://hooks.example.com/square",
        "https://hooks.example.com:8443/square",
        "https://hooks.example.com/square/",
        "https://hooks.example.com/square?x=1",
    ] {
        let (said, _) = doctor(secret, &["--scheme", "square", "--url", seen], &request);
        assert!(said.contains(public), "{seen}: {said}");
    }
    let (said, _) =
        doctor(secret, &["--scheme", "square", "--url", "http://10.0.0.7:3000/in"], &request);
    assert!(said.contains(public), "{said}");

    // Clocks, and milliseconds.
    let request = signed(secret, "slack", &["--at", "1768469400"], json);
    let at = |at| ["--scheme", "slack", "--at", at];
    assert!(doctor(secret, &at("1768470000"), &request).0.contains("600 s ago"));
    assert!(doctor(secret, &at("1768468800"), &request).0.contains("600 s ahead"));
    let request = signed(secret, "workos", &["--at", "1768469400"], json);
    let seconds = directory_with("workos", "unix_millis", "unix_seconds");
    let args = ["--scheme", seconds.1.to_str().unwrap(), "--at", "1768469400"];
    let (said, _) = doctor(secret, &args, &request);
    assert!(said.contains("milliseconds"), "{said}");

    // Two mistakes at once.
    let request = signed(secret, "github", &["--id", "1"], json);
    let both = with_body(&request, format!("{json}\n").as_bytes());
    let (said, _) = doctor(&format!("{secret} "), &github, &both);
    assert!(said.contains("line break") && said.contains("white space"), "{said}");
}

/// One line for one mistake, and nothing that is not so.
#[test]
fn the_doctor_says_the_likeliest_and_no_more() {
    let json = r#"{"id":"evt_1","note":"<b>Zoë & Co's</b> a/b \u007f"}"#;
    let lines = |said: &str| said.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let request = signed(SECRET, "stripe", &["--at", "1768469400", "--id", "evt_1"], json);
    let at = |at| ["--scheme", "stripe", "--at", at];
    let end = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let body = request[end..].to_vec();

    // As it is captured: the line break is there, and content-length does not know of it.
    let longer = [&request[..], b"\n"].concat();
    let (said, _) = doctor(SECRET, &at("1768469400"), &longer);
    assert!(lines(&said)[0].contains("by its content-length"), "{said}");
    // Two things are wrong, and both are said.
    let (said, _) =
        doctor(SECRET, &at("1768473400"), &with_body(&request, &[&body[..], b"\n"].concat()));
    assert_eq!(lines(&said).len(), 1, "{said}");
    assert!(said.contains("line break") && said.contains("4000 s ago"), "{said}");

    let value: Value = serde_json::from_slice(&body).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    let compact = text(&body).to_owned();
    for (style, other) in [
        ("JSON.stringify(…, 2)", pretty.clone()),
        ("four spaces", pretty.replace("  ", "    ")),
        ("tabs", pretty.replace("  ", "\t")),
        ("escaped slashes", compact.replace('/', "\\/")),
        ("PHP's escapes", compact.replace('/', "\\/").replace('ë', "\\u00eb")),
        (
            "Go's or Rails'",
            compact.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
        ),
    ] {
        // The partner wrote it so, and somebody has written it compactly since.
        let request = signed_raw(SECRET, "github", &other);
        let (said, _) =
            doctor(SECRET, &["--scheme", "github"], &with_body(&request, compact.as_bytes()));
        assert!(said.contains(style) && lines(&said).len() == 1, "{style}: {said}");
    }
    let request = signed(SECRET, "github", &["--id", "1"], json);
    let missing = text(&request).replace("x-hub-signature-256", "x-other");
    let (said, _) = doctor(SECRET, &["--scheme", "github"], missing.as_bytes());
    assert!(said.contains("the request has no `x-hub-signature-256`"), "{said}");
    let (said, _) = doctor(&format!("\"{SECRET}\""), &["--scheme", "github"], &request);
    assert!(said.contains("quotes around the secret"), "{said}");
}

/// What is in the request, or was given, is looked at.
#[test]
fn the_doctor_reads_what_is_there() {
    let json = r#"{"id":"evt_1","list":[1,2]}"#;
    let github = ["--scheme", "github"];
    // The partner's content-length, and the body as something has written it again.
    let pretty = "{\n  \"id\": \"evt_1\",\n  \"list\": [\n    1,\n    2\n  ]\n}";
    let request = text(&signed_raw(SECRET, "github", pretty)).replace(pretty, json);
    let (said, _) = doctor(SECRET, &github, request.as_bytes());
    assert!(said.contains("JSON.stringify(…, 2)"), "{said}");
    let (said, _) = doctor(SECRET, &github, request.replace("evt_1", "e").as_bytes());
    assert!(said.contains("bytes of the body are missing"), "{said}");
    // .NET's quotes, also where a backslash is before one.
    let request = signed_raw(SECRET, "github", r#"{"path":"C:\\","said":"\u0022"}"#);
    let compact = br#"{"path":"C:\\","said":"\""}"#;
    let (said, _) = doctor(SECRET, &github, &with_body(&request, compact));
    assert!(said.contains(".NET's escapes"), "{said}");
    // With the line break that Go ends it with.
    let request = signed_raw(SECRET, "github", "{\"id\":\"evt_1\"}\n");
    let (said, _) = doctor(SECRET, &github, &with_body(&request, b"{ \"id\": \"evt_1\" }"));
    assert!(said.contains("with a line break at its end"), "{said}");
    // As a gateway passes it on.
    let request = signed_raw(SECRET, "github", json);
    let wrapped = with_body(&request, b"eyJpZCI6ImV2dF8xIiwibGlzdCI6WzEsMl19");
    let (said, _) = doctor(SECRET, &github, &wrapped);
    assert!(said.contains("isBase64Encoded"), "{said}");
    // Deep nesting takes no longer.
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let request = signed_raw(SECRET, "github", &deep);
    let (said, _) = doctor("another secret of good length", &github, &request);
    assert!(said.contains("None of the usual mistakes"), "{said}");

    // It is the id that is wrong, and not the clock.
    for body in [r#"{"id":5}"#, "[]"] {
        let request = signed(SECRET, "stripe", &[], body);
        let (said, _) = doctor(SECRET, &["--scheme", "stripe"], &request);
        assert!(said.contains("The signature is right, but `/id`"), "{said}");
        assert!(!said.contains("clock"), "{said}");
    }

    // Nor is it the signature where the time in the body is missing.
    let request = text(&signed_raw(SECRET, "github", r#"{"type":"Issue"}"#))
        .replace("x-hub-signature-256: sha256=", "linear-signature: ");
    let (said, _) = doctor(SECRET, &["--scheme", "linear"], request.as_bytes());
    let right = "The signature is right, but the signed time at `/webhookTimestamp`";
    assert!(said.contains(right), "{said}");

    // What changed a body of which the digest is signed is found as well.
    let wide = "{\n    \"id\": 1\n}";
    let public = ["--url", "https://hooks.example.com/sms"];
    let twilio = [&["--scheme", "twilio/json-body-sha256"][..], &public].concat();
    let request = signed(SECRET, "twilio/json-body-sha256", &public, wide);
    assert!(doctor(SECRET, &twilio, &request).0.contains("valid as it is"));
    let (said, _) = doctor(SECRET, &twilio, &with_body(&request, b"{\"id\":1}"));
    assert!(said.contains("four spaces"), "{said}");
    let (said, _) = doctor(SECRET, &twilio, &with_body(&request, b""));
    assert!(said.contains("is right, but the body does not have the SHA-256"), "{said}");
    // Short JSON may become much longer.
    let nested = (0..14).fold("1".to_owned(), |json, _| format!("{{\"a\":{json}}}"));
    let value: Value = serde_json::from_str(&nested).unwrap();
    let wide = serde_json::to_string_pretty(&value).unwrap().replace("  ", "    ");
    let request = signed_raw(SECRET, "github", &wide);
    let (said, _) = doctor(SECRET, &github, &with_body(&request, nested.as_bytes()));
    assert!(said.contains("four spaces"), "{said}");

    // Secrets: one of two in the wrong notation, one that is encoded twice, one of another name.
    let svix = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let request = signed(svix, "svix", &["--id", "1"], json);
    let args = ["doctor", "--scheme", "svix", "--secret-env", "OLD", "--secret-env", "NEW", "-"];
    let secrets = [("OLD", "not base64, but long enough"), ("NEW", svix)];
    let output = inhook_with(&secrets, &args, &request);
    assert!(text(&output.stdout).contains("the secret in `NEW` alone"), "{}", text(&output.stdout));
    let twice = "d2hzZWNfTWZLUTlyOEdLWXFyVHdqVVBEOElMUFpJbzJMYUxhU3c=";
    let (said, _) = doctor(twice, &["--scheme", "svix"], &request);
    assert!(said.contains("base64 once more"), "{said}");
    let request = signed(SECRET, "pusher", &["--param", "key_id=k1"], json);
    let (said, _) = doctor(SECRET, &["--scheme", "pusher", "--param", "key_id=k2"], &request);
    assert!(said.contains("the key `k1`, which the request names"), "{said}");

    // Signatures that are cut, and what they should have been.
    let request =
        text(&signed(SECRET, "square", &["--url", "https://a.example/b"], json)).to_owned();
    let line = request.lines().find(|line| line.starts_with("x-square")).unwrap();
    let square = ["--scheme", "square", "--url", "https://a.example/b"];
    let (said, _) =
        doctor(SECRET, &square, request.replace(line, &line[..line.len() - 1]).as_bytes());
    assert!(said.contains("with the `=` at the end"), "{said}");
    let (said, _) =
        doctor(SECRET, &square, request.replace(line, &line[..line.len() - 9]).as_bytes());
    assert!(said.contains("should be like `<44 characters of base64>`"), "{said}");
    let request = text(&signed(SECRET, "stripe", &[], json)).to_owned();
    let (said, _) =
        doctor(SECRET, &["--scheme", "stripe"], request.replace(",v1=", ", v1=").as_bytes());
    assert!(said.contains("spaced_list"), "{said}");
    let (said, _) =
        doctor(SECRET, &["--scheme", "stripe"], request.replace(",v1=", ",v1=0").as_bytes());
    assert!(said.contains("`t=<time>,v1=<64 lower-case hexadecimal digits>`"), "{said}");

    // URLs, of which the request has what is missing.
    let public = "https://hooks.example.com/in/square?tenant=7";
    let request = text(&signed(SECRET, "square", &["--url", public], json)).to_owned();
    for (seen, url) in [
        ("/in/square?tenant=7", "https://hooks.example.com/in/square"),
        ("/in/square?tenant=7", "https://Hooks.example.com/in/square?tenant=7"),
    ] {
        let request = request.replace("host: hooks.example.com", "host: 10.0.0.5:8080");
        let target = format!("POST {seen} HTTP");
        let request = request.replace("POST /in/square?tenant=7 HTTP", &target);
        let (said, _) = doctor(SECRET, &["--scheme", "square", "--url", url], request.as_bytes());
        assert!(said.contains(public), "{url}: {said}");
    }
    let proxied = request
        .replace("POST /in/", "POST /")
        .replace("host: hooks.example.com", "host: 10.0.0.5\r\nx-forwarded-prefix: /in\r\nforwarded: for=1.1.1.1;proto=https;host=hooks.example.com");
    let internal = ["--scheme", "square", "--url", "http://10.0.0.5/square"];
    let (said, _) = doctor(SECRET, &internal, proxied.as_bytes());
    assert!(said.contains(public), "{said}");
}

/// What the doctor says about a request.
fn doctor(secret: &str, args: &[&str], request: &[u8]) -> (String, i32) {
    let args = [&["doctor"], args, &["--secret-env", "HOOK_SECRET", "-"]].concat();
    let output = inhook(secret, &args, request);
    assert!(output.stderr.is_empty() || code(&output) == 2, "{}", text(&output.stderr));
    (text(&output.stdout).to_owned(), code(&output))
}

/// Replaces the body, and says how long it is.
fn with_body(request: &[u8], body: &[u8]) -> Vec<u8> {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = text(&request[..end]);
    let head: Vec<&str> =
        head.split("\r\n").filter(|line| !line.starts_with("content-length")).collect();
    [head.join("\r\n").as_bytes(), b"\r\n\r\n", body].concat()
}

/// A preset as a scheme file in which something is replaced.
fn directory_with(preset: &str, from: &str, to: &str) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let shown = inhook(SECRET, &["presets", preset], b"").stdout;
    let file = directory.path().join("scheme.toml");
    std::fs::write(&file, text(&shown).replace(from, to)).unwrap();
    (directory, Path::new(&file).to_owned())
}

/// A body that is signed as it is, whatever it is.
fn signed_raw(secret: &str, scheme: &str, body: &str) -> Vec<u8> {
    let request = signed(secret, scheme, &["--id", "1"], body);
    assert!(text(&request).ends_with(body), "it was written again");
    request
}

/// What a server does not take, whoever signed it, and whenever.
#[test]
fn the_doctor_says_that_the_method_or_the_encoding_is_not_taken() {
    let request = signed(SECRET, "stripe", &["--id", "evt_1"], r#"{"id":"evt_1"}"#);
    let request = text(&request);
    for sent in [
        request.replacen("POST ", "GET ", 1),
        request.replacen("\r\n", "\r\ncontent-encoding: gzip\r\n", 1),
    ] {
        let (said, code) = doctor(SECRET, &["--scheme", "stripe"], sent.as_bytes());
        assert!(said.contains("does not take the method or the content encoding"), "{said}");
        assert!(!said.contains("clock") && code == 1, "{said}");
    }
}

#[test]
fn the_doctor_ends_with_2_where_the_configuration_is_wrong() {
    let request = signed(SECRET, "github", &["--id", "1"], "{}");
    let (said, code) = doctor("", &["--scheme", "github"], &request);
    assert!(said.contains("It is refused: ") && !said.contains("usual mistakes"), "{said}");
    assert_eq!(code, 2);
}
