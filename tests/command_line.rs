//! `inhook`, the program, as it is run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use axum::Router;
use inhook::inbox::Ledger;
use inhook::scheme::Identity;
use inhook::{Intake, MemoryInbox, Secret, Verifier, VerifyLayer, presets};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::Layer;

#[path = "common/vector.rs"]
mod vector;

use vector::{Vector, Verdict};

const SECRET: &str = "It's a Secret to Everybody";

/// Runs `inhook` with the secret in the environment.
fn inhook(secret: &str, args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_inhook"))
        .args(args)
        .env_clear()
        .env("HOOK_SECRET", secret)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that ends before it has read everything is none the worse for it.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn verify(request: &[u8], more: &[&str]) -> Output {
    let args = ["verify", "--scheme", "github", "--secret-env", "HOOK_SECRET"];
    inhook(SECRET, &[&args, more, &["-"]].concat(), request)
}

/// The example in GitHub's documentation.
fn github() -> Vec<u8> {
    b"POST /webhooks/github HTTP/1.1\r\nHost: example.com\r\nX-GitHub-Event: ping\r\n\
      X-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958\r\nX-Hub-Signature-256: \
      sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17\r\n\
      Content-Length: 13\r\n\r\nHello, World!"
        .to_vec()
}

impl Vector {
    /// The request as it went over the wire.
    fn raw(&self) -> Vec<u8> {
        let target = self.url.split_once("://").unwrap().1;
        let target = target.find('/').map_or("/", |at| &target[at..]);
        let mut raw = format!("POST {target} HTTP/1.1\r\nHost: proxy.internal\r\n").into_bytes();
        for (name, value) in &self.headers {
            raw.extend(format!("{name}: {value}\r\n").bytes());
        }
        raw.extend(b"\r\n");
        raw.extend(self.body());
        raw
    }
}

#[test]
fn every_normative_vector_gets_its_verdict() {
    let mut checked = 0;
    for vector in Vector::all().into_iter().filter(|vector| vector.normative) {
        let at = vector.now_unix.to_string();
        let mut args = vec!["verify", "--scheme", &vector.scheme, "--secret-env", "HOOK_SECRET"];
        args.extend(["--at", &at, "--url", &vector.url]);
        let params: Vec<String> =
            vector.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        args.extend(params.iter().flat_map(|param| ["--param", param]));
        args.push("-");
        let output = inhook(&vector.secret, &args, &vector.raw());
        let name = vector.name();
        let verdict: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{name}: {error}: {}", text(&output.stderr)));
        let valid = vector.expect == Verdict::Valid;
        assert_eq!(verdict["valid"], json!(valid), "{name}: {verdict}");
        assert_eq!(code(&output), i32::from(!valid), "{name}");
        if let Some(id) = vector.id.as_ref().filter(|_| valid) {
            assert_eq!(verdict["id"], json!(id), "{name}");
        }
        if let Some(event) = vector.event_type.as_ref().filter(|_| valid) {
            assert_eq!(verdict["event"], json!(event), "{name}");
        }
        checked += 1;
    }
    assert_eq!(checked, 968);
}

#[test]
fn a_verdict_is_one_json_object() {
    let output = verify(&github(), &[]);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!({
        "valid": true, "id": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "event": "ping",
        "signed_at": null, "secret": "HOOK_SECRET",
    });
    assert_eq!((verdict, code(&output)), (expected, 0));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));

    let tampered = [&github(), b"!".as_slice()].concat();
    let tampered = text(&tampered).replace("Length: 13", "Length: 14");
    let output = verify(tampered.as_bytes(), &[]);
    assert_eq!(text(&output.stdout).trim(), r#"{"valid":false,"reason":"wrong_signature"}"#);
    assert_eq!(code(&output), 1);
    assert!(!text(&output.stderr).contains(SECRET));
}

#[test]
fn a_time_is_given_and_read_in_seconds() {
    let secret = "8f742231b10e8888abcd99yyyzzz85a5";
    let body = TempDir::new().unwrap();
    let file = body.path().join("body.json");
    std::fs::write(&file, r#"{"event":{"type":"message"}}"#).unwrap();
    let args = ["sign", "--scheme", "slack", "--secret-env", "HOOK_SECRET", "--at", "1768469400"];
    let signed = inhook(secret, &[&args[..], &[file.to_str().unwrap()]].concat(), b"").stdout;
    let verify = |at: &str| {
        let args = ["verify", "--scheme", "slack", "--secret-env", "HOOK_SECRET", "--at", at, "-"];
        let output = inhook(secret, &args, &signed);
        (serde_json::from_slice::<Value>(&output.stdout).unwrap(), code(&output))
    };
    let (verdict, status) = verify("1768469400");
    assert_eq!((&verdict["signed_at"], status), (&json!(1_768_469_400u64), 0), "{verdict}");
    assert_eq!(verdict["event"], json!("message"));
    assert_eq!(verify("1768469700").1, 0);
    assert_eq!(verify("1768469701"), (json!({ "valid": false, "reason": "stale" }), 1));
    assert_eq!(verify("1768469099"), (json!({ "valid": false, "reason": "future" }), 1));
    for too_far in ["253402300800", "18446744073709551615", "18446744073709551616", "-1", "now"] {
        let args = ["verify", "--scheme", "slack", "--secret-env", "HOOK_SECRET", "--at", too_far];
        assert_eq!(code(&inhook(secret, &[&args[..], &["-"]].concat(), &signed)), 2, "{too_far}");
    }
}

#[test]
fn requests_that_are_none_are_said_to_be_so() {
    let good = text(&github()).to_owned();
    let head = good.split_once("\r\n\r\n").unwrap().0.to_owned();
    let cases: [(&str, String); 12] = [
        ("no empty line", head.clone()),
        ("line feed alone", good.replace("\r\n", "\n")),
        (
            "line 2 ends with a line feed alone",
            good.replacen("example.com\r\n", "example.com\n", 1),
        ),
        (
            "content-length is 12, but the body has 13 bytes: something was added",
            good.replace(": 13", ": 12"),
        ),
        ("content-length", good.replace(": 13", ": +13")),
        ("content-length", good.replace(": 13", ": 99999999999999999999999")),
        (
            "content-length is 13, but the body has 0 bytes: it was cut off",
            format!("{head}\r\n\r\n"),
        ),
        ("transfer encoding", good.replace("Content-Length: 13", "Transfer-Encoding: chunked")),
        ("not an HTTP/1.1 request", good.replace("HTTP/1.1", "HTTP/7")),
        ("not an HTTP/1.1 request", good.replacen("Host:", "Ho st:", 1)),
        ("no empty line", String::new()),
        ("request target", good.replacen("/webhooks/github", "http://[", 1)),
    ];
    for (message, request) in cases {
        let output = verify(request.as_bytes(), &[]);
        let error = text(&output.stderr);
        assert!(error.contains(message), "{message}: {error}: {request}");
        assert_eq!((code(&output), &*output.stdout), (2, b"".as_slice()), "{message}: {error}");
    }
    // Whatever the bytes are, there is no panic.
    for at in 0..github().len() {
        for byte in [0, b'\n', 0x80, 0xff] {
            let mut request = github();
            request[at] = byte;
            assert!(code(&verify(&request, &[])) < 3, "{at} {byte}");
        }
    }
}

#[test]
fn a_request_may_be_huge_and_still_gets_an_answer() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let tags = format!("v1,{}=", "A".repeat(43)).repeat(1) + " ";
    let request = format!(
        "POST / HTTP/1.1\r\nwebhook-id: 1\r\nwebhook-timestamp: 1768469400\r\nwebhook-signature: {}\r\n\r\n{{}}",
        tags.repeat(8_000).trim_end()
    );
    let args =
        ["verify", "--scheme", "svix", "--secret-env", "HOOK_SECRET", "--at", "1768469400", "-"];
    let output = inhook(secret, &args, request.as_bytes());
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict, json!({ "valid": false, "reason": "too_many_signatures" }));

    let headers = "x-many: 1\r\n".repeat(9_000);
    let many = text(&github()).replacen("Host:", &format!("{headers}Host:"), 1);
    assert_eq!(code(&verify(many.as_bytes(), &[])), 0);
}

#[test]
fn wrong_usage_ends_with_2_and_a_message() {
    let base = ["verify", "--scheme"];
    let secret = ["--secret-env", "HOOK_SECRET", "-"];
    let cases: [(&str, Vec<&str>); 9] = [
        ("no preset `nobody`", [&base[..], &["nobody"], &secret].concat()),
        ("`NOT_SET` is not set", [&base[..], &["github", "--secret-env", "NOT_SET", "-"]].concat()),
        ("--url", [&base[..], &["square"], &secret].concat()),
        ("is not a URL", [&base[..], &["square", "--url", "/x"], &secret].concat()),
        ("key_id", [&base[..], &["pusher"], &secret].concat()),
        ("no parameter `keyid`", [&base[..], &["github", "--param", "keyid=1"], &secret].concat()),
        ("not NAME=VALUE", [&base[..], &["github", "--param", "key_id"], &secret].concat()),
        (
            "No such file",
            [&base[..], &["github", "--secret-env", "HOOK_SECRET", "/nowhere"]].concat(),
        ),
        ("No such file", [&base[..], &["/nowhere.toml"], &secret].concat()),
    ];
    for (message, args) in cases {
        let output = inhook(SECRET, &args, &github());
        let error = text(&output.stderr);
        assert!(error.contains(message), "{message}: {error}");
        assert_eq!((code(&output), &*output.stdout), (2, b"".as_slice()), "{error}");
    }
    for args in [&["verify"][..], &["nothing"], &[]] {
        assert_eq!(code(&inhook(SECRET, args, b"")), 2);
    }
    for help in [&["--help"][..], &["verify", "--help"]] {
        assert_eq!(code(&inhook(SECRET, help, b"")), 0);
    }
    let help = inhook(SECRET, &["verify", "--help"], b"");
    for reason in ["stale", "wrong_signature", "missing_header", "method", "identity_field"] {
        assert!(inhook::Rejection::REASONS.contains(&reason));
        assert!(text(&help.stdout).contains(reason), "{reason}");
    }
}

/// A weak secret is good enough to explain a request with; an empty one is not.
#[test]
fn a_weak_secret_is_a_warning() {
    let args = ["sign", "--scheme", "github", "--secret-env", "HOOK_SECRET", "--id", "1", "-"];
    let signed = inhook("weak", &args, b"hello").stdout;
    let args = ["verify", "--scheme", "github", "--secret-env", "HOOK_SECRET", "-"];
    let output = inhook("weak", &args, &signed);
    assert_eq!(code(&output), 0);
    assert!(text(&output.stderr).contains("warning"), "{}", text(&output.stderr));
    for empty in ["", " "] {
        let output = inhook(empty, &args, &signed);
        assert_eq!(code(&output), 2, "{}", text(&output.stdout));
        assert!(text(&output.stderr).contains("empty"), "{}", text(&output.stderr));
    }
}

/// The arguments that name a preset, with what its requests need.
fn receiver(name: &str) -> Vec<&str> {
    let mut args = vec!["--scheme", name, "--secret-env", "HOOK_SECRET"];
    args.extend(["--url", "https://hooks.example.com/webhooks/acme?tenant=7"]);
    if presets::find(name).is_some_and(|preset| preset.scheme.key_id.is_some()) {
        args.extend(["--param", "key_id=key-1"]);
    }
    args
}

/// A body that has what any preset reads from JSON and the command line does not write there.
fn body_for_all() -> String {
    let body = json!({
        "id": "1", "type": "t", "data": { "id": "1" },
        "event": { "id": "1", "type": "t", "event_time": "1768469400", "event_type": "t" },
        "action": { "id": "1" }, "event_id": "1", "webhook_id": "1",
        "webhookTimestamp": 1_768_469_400_000u64, "message_token": 4_912_661_846_655_238_145u64,
        "notificationItems": [{ "NotificationRequestItem": { "pspReference": "1" } }],
    });
    body.to_string()
}

/// A secret in the notation of the preset.
fn secret_of(name: &str) -> &'static str {
    match name.split('/').next() {
        Some("adyen") => "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
        Some("airtable") => "TWZLUTlyOEdLWXFyVHdqVVBEOElMUFpJbzJMYUxhU3c=",
        _ => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }
}

fn wrong_secret_of(name: &str) -> &'static str {
    match name.split('/').next() {
        Some("adyen") => "00782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
        Some("airtable") => "AAZLUTlyOEdLWXFyVHdqVVBEOElMUFpJbzJMYUxhU3c=",
        _ => "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    }
}

#[test]
fn what_sign_prints_verify_accepts_for_every_preset() {
    let body = body_for_all();
    for preset in presets::all() {
        let secret = secret_of(preset.name);
        let receiver = receiver(preset.name);
        let form = matches!(preset.name, "braintree/form-bt-signature-sha1");
        let body = if form { "bt_payload=aGVsbG8%3D" } else { &body };
        let sign = ["--id", "7001", "--event", "event-1", "--at", "1768469400"];
        let args = [&["sign"], &receiver[..], &sign, &["-"]].concat();
        let signed = inhook(secret, &args, body.as_bytes());
        assert_eq!(code(&signed), 0, "{}: {}", preset.name, text(&signed.stderr));
        let args = [&["verify"], &receiver[..], &["--at", "1768469400", "-"]].concat();
        let verified = inhook(secret, &args, &signed.stdout);
        let shown = (text(&verified.stdout), text(&verified.stderr), text(&signed.stdout));
        assert_eq!(code(&verified), 0, "{}: {shown:?}", preset.name);

        if !preset.scheme.dangerously_allow.contains(&inhook::scheme::Danger::UnsignedBody) {
            let args = [&["sign"], &receiver[..], &sign, &["--tamper", "-"]].concat();
            let signed = inhook(secret, &args, body.as_bytes());
            let args = [&["verify"], &receiver[..], &["--at", "1768469400", "-"]].concat();
            assert_eq!(code(&inhook(secret, &args, &signed.stdout)), 1, "{}", preset.name);
        }
    }
}

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
    let cases: [(usize, &str, String); 17] = [
        (3, "unknown field `contents`", format!("{good}contents = []")),
        (3, "unknown variant `bodi`", format!("{good}content = [\"bodi\"]")),
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
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    assert_eq!(code(&inhook(SECRET, &["check", file.to_str().unwrap()], b"")), 2);
    std::fs::write(&file, good).unwrap();
    assert_eq!(code(&inhook(SECRET, &["check", file.to_str().unwrap()], b"")), 0);
}

/// What the doctor says about a request.
fn doctor(secret: &str, args: &[&str], request: &[u8]) -> (String, i32) {
    let args = [&["doctor"], args, &["--secret-env", "HOOK_SECRET", "-"]].concat();
    let output = inhook(secret, &args, request);
    assert!(output.stderr.is_empty() || code(&output) == 2, "{}", text(&output.stderr));
    (text(&output.stdout).to_owned(), code(&output))
}

fn signed(secret: &str, scheme: &str, more: &[&str], body: &str) -> Vec<u8> {
    let args =
        [&["sign", "--scheme", scheme, "--secret-env", "HOOK_SECRET"], more, &["-"]].concat();
    let output = inhook(secret, &args, body.as_bytes());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    output.stdout
}

/// Replaces the body, and says how long it is.
fn with_body(request: &[u8], body: &[u8]) -> Vec<u8> {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = text(&request[..end]);
    let head: Vec<&str> =
        head.split("\r\n").filter(|line| !line.starts_with("content-length")).collect();
    [head.join("\r\n").as_bytes(), b"\r\n\r\n", body].concat()
}

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

/// A preset as a scheme file in which something is replaced.
fn directory_with(preset: &str, from: &str, to: &str) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let shown = inhook(SECRET, &["presets", preset], b"").stdout;
    let file = directory.path().join("scheme.toml");
    std::fs::write(&file, text(&shown).replace(from, to)).unwrap();
    (directory, Path::new(&file).to_owned())
}

#[test]
fn a_curl_command_can_be_run_by_a_shell() {
    let args = ["sign", "--scheme", "github", "--secret-env", "HOOK_SECRET", "--id", "1"];
    let url = ["--url", "http://127.0.0.1:3000/hooks?a=1", "--curl", "-"];
    let output = inhook(SECRET, &[&args[..], &url].concat(), b"it's {\"a\":1}");
    let curl = text(&output.stdout);
    // A shell that prints its arguments, instead of curl.
    let script = format!("curl() {{ printf '%s\\n' \"$@\"; }}\n{curl}");
    let printed = Command::new("sh").args(["-c", &script]).output().unwrap();
    let lines: Vec<&str> = text(&printed.stdout).lines().collect();
    assert_eq!(lines[..2], ["--globoff", "http://127.0.0.1:3000/hooks?a=1"]);
    assert!(lines.contains(&"x-github-delivery: 1"), "{lines:?}");
    assert_eq!(lines.last(), Some(&"it's {\"a\":1}"));
}

/// A server of a user's: each preset at a path of its own, all of them into one inbox.
async fn receiver_for_all(inbox: Arc<MemoryInbox>) -> (String, impl Future<Output = ()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut app = Router::new();
    for preset in presets::all() {
        let path = format!("/{}", preset.name);
        let secret = Secret::new(secret_of(preset.name)).label("key-1");
        let verifier = Verifier::builder(preset.name, preset.scheme.clone(), secret)
            .url(format!("{base}{path}"))
            .build()
            .unwrap();
        let verify = VerifyLayer::new(verifier).layer(Intake::new(inbox.clone()));
        app = app.route_service(&path, verify);
    }
    let server = inhook::serve(listener, app).run(std::future::pending());
    (base, async move { server.await.unwrap() })
}

/// Over real HTTP, for every preset: accepted once, and the copy answered like it.
#[tokio::test(flavor = "multi_thread")]
async fn send_sends_for_every_preset() {
    let inbox = Arc::new(MemoryInbox::new());
    let (base, server) = receiver_for_all(inbox.clone()).await;
    let server = tokio::spawn(server);
    let sent = tokio::task::spawn_blocking(move || {
        for preset in presets::all() {
            let to = format!("{base}/{}", preset.name);
            let form = preset.name.starts_with("braintree");
            let body = if form { "bt_payload=aGVsbG8%3D".into() } else { body_for_all() };
            let mut args =
                vec!["send", &to, "--scheme", preset.name, "--secret-env", "HOOK_SECRET"];
            if preset.scheme.key_id.is_some() {
                args.extend(["--param", "key_id=key-1"]);
            }
            let more = ["--duplicates", "1", "--event", "event-1", "-"];
            let output =
                inhook(secret_of(preset.name), &[&args[..], &more].concat(), body.as_bytes());
            let said = text(&output.stdout);
            assert!(
                said.contains("2 x 200 OK"),
                "{}: {said} {}",
                preset.name,
                text(&output.stderr)
            );
            assert!(said.contains("latency: p50"), "{said}");
            assert!(said.contains(&*preset.scheme.answer.body), "{}: {said}", preset.name);
            assert_eq!(code(&output), 0, "{}: {said}", preset.name);
            // With another secret none is accepted.
            let output =
                inhook(wrong_secret_of(preset.name), &[&args[..], &more].concat(), body.as_bytes());
            let said = text(&output.stdout);
            assert!(said.contains("2 x 401 Unauthorized"), "{}: {said}", preset.name);
            assert_eq!(code(&output), 1, "{}: {said}", preset.name);
        }
    });
    sent.await.unwrap();
    server.abort();
    let pending = inbox.stats().await.unwrap().pending;
    let unknown = |preset: &&presets::Preset| preset.scheme.identity == Identity::None;
    let twice = presets::all().filter(unknown).count();
    assert_eq!(usize::try_from(pending).unwrap(), presets::all().count() + twice);
}

#[tokio::test(flavor = "multi_thread")]
async fn send_repeats_and_sums_up() {
    let inbox = Arc::new(MemoryInbox::new());
    let (base, server) = receiver_for_all(inbox.clone()).await;
    let server = tokio::spawn(server);
    let sent = tokio::task::spawn_blocking(move || {
        let to = format!("{base}/github/hub-sha256");
        let args = ["send", &to, "--scheme", "github", "--secret-env", "HOOK_SECRET"];
        let many = ["--repeat", "50", "--concurrency", "8", "--duplicates", "2", "-"];
        inhook(secret_of("github"), &[&args[..], &many].concat(), b"{}")
    });
    let output = sent.await.unwrap();
    let said = text(&output.stdout);
    assert!(said.contains("150 x 200 OK"), "{said} {}", text(&output.stderr));
    assert_eq!(inbox.stats().await.unwrap().pending, 50);
    server.abort();
    let _ = server.await;

    let nobody =
        ["send", "http://127.0.0.1:1/", "--scheme", "github", "--secret-env", "HOOK_SECRET"];
    let output = inhook(SECRET, &[&nobody[..], &["-"]].concat(), b"{}");
    assert!(text(&output.stdout).contains("1 x no answer"), "{}", text(&output.stdout));
    assert_eq!(code(&output), 1);
}

/// What a person does who found it in a terminal: pipes, files, typing errors.
#[test]
fn what_is_not_said_and_what_ends_early() {
    // A secret in the place of its name is not repeated.
    for secret in [
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "It's a Secret",
        "8f742231b10e8888abcd99yyyzzz85a5b10e88",
    ] {
        for args in [
            vec!["verify", "--scheme", "github", "--secret-env", secret, "-"],
            vec![
                "verify",
                "--scheme",
                "github",
                "--secret-env",
                "HOOK_SECRET",
                "--param",
                secret,
                "-",
            ],
        ] {
            let output = inhook(SECRET, &args, b"");
            let named =
                secret.len() < 40 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
            assert_eq!(code(&output), 2);
            assert!(named || !text(&output.stderr).contains(secret), "{}", text(&output.stderr));
        }
    }
    // Nobody reads what it prints.
    for args in [&["presets"][..], &["presets", "--json"], &["presets", "github"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_inhook"))
            .args(args)
            .stdout(std::fs::File::options().write(true).open("/dev/full").unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2), "{args:?}");
    }
    // An id is made up where a partner always sends one, and not where the body has one.
    let svix = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert!(text(&signed(svix, "svix", &[], "{}")).contains("webhook-id: "));
    let stripe = signed(svix, "stripe", &[], r#"{"id":"evt_7","type":"t"}"#);
    assert!(text(&stripe).ends_with(r#"{"id":"evt_7","type":"t"}"#), "{}", text(&stripe));
    // What no receiver takes is signed with a warning.
    let args = ["sign", "--scheme", "stripe", "--secret-env", "HOOK_SECRET", "--id", "", "-"];
    let output = inhook(svix, &args, b"{}");
    assert!(
        text(&output.stderr).contains("warning: a receiver refuses"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn verify_refuses_what_a_server_refuses() {
    let good = text(&github()).to_owned();
    for (reason, request) in [
        ("method", good.replacen("POST", "GET", 1)),
        ("method", good.replacen("POST", "PUT", 1)),
        ("content_encoding", good.replacen("Host:", "Content-Encoding: gzip\r\nHost:", 1)),
    ] {
        let output = verify(request.as_bytes(), &[]);
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(verdict, json!({ "valid": false, "reason": reason }));
        assert_eq!(code(&output), 1);
    }
}

#[test]
fn a_curl_command_sends_no_file_and_nothing_else_by_accident() {
    let args = ["sign", "--scheme", "github", "--secret-env", "HOOK_SECRET", "--id", "1", "--curl"];
    let output = inhook(SECRET, &args, b"@/etc/hostname");
    let curl = text(&output.stdout);
    assert!(
        curl.contains("--data-raw '@/etc/hostname'") && !curl.contains("--data-binary"),
        "{curl}"
    );
    for body in [b"a\0b".to_vec(), b"\xff".to_vec(), vec![b'x'; 200 * 1024]] {
        let output = inhook(SECRET, &args, &body);
        assert_eq!((code(&output), &*output.stdout), (2, b"".as_slice()));
        assert!(text(&output.stderr).contains("leave `--curl` out"), "{}", text(&output.stderr));
    }
}

/// Receivers that misbehave: one that never answers, and one whose answer never ends.
#[test]
fn send_waits_and_reads_no_longer_than_it_should() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for (n, connection) in listener.incoming().enumerate() {
            let mut connection = connection.unwrap();
            if n == 0 {
                // It is kept open, and silent.
                held.push(connection);
                continue;
            }
            std::thread::spawn(move || {
                let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let endless =
                    std::iter::repeat(b"400\r\n".iter().chain(&[b'x'; 1024]).chain(b"\r\n"));
                let endless: Vec<u8> = endless.take(64).flatten().copied().collect();
                let mut sent = connection.write_all(head);
                while sent.is_ok() {
                    sent = connection.write_all(&endless);
                }
            });
        }
    });
    let args =
        ["send", &to, "--scheme", "github", "--secret-env", "HOOK_SECRET", "--timeout", "1", "-"];
    let silent = inhook(SECRET, &args, b"{}");
    assert!(text(&silent.stdout).contains("1 x no answer"), "{}", text(&silent.stdout));
    assert!(text(&silent.stdout).contains("no latency"), "{}", text(&silent.stdout));
    let endless = inhook(SECRET, &args, b"{}");
    assert!(text(&endless.stdout).contains("1 x 200 OK"), "{}", text(&endless.stdout));
    assert!(endless.stdout.len() < 1024, "{}", endless.stdout.len());

    let nowhere =
        ["send", "http://127.0.0.1:99999/x", "--scheme", "github", "--secret-env", "HOOK_SECRET"];
    let output = inhook(SECRET, &[&nowhere[..], &["-"]].concat(), b"{}");
    assert_eq!(code(&output), 2);
    assert!(text(&output.stderr).contains("99999"), "{}", text(&output.stderr));
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

/// A body that is signed as it is, whatever it is.
fn signed_raw(secret: &str, scheme: &str, body: &str) -> Vec<u8> {
    let request = signed(secret, scheme, &["--id", "1"], body);
    assert!(text(&request).ends_with(body), "it was written again");
    request
}

/// A pair of keys, as one secret: the public one is the name.
#[test]
fn a_pair_of_keys_is_one_secret() {
    let pair = r#"{"public_key":"key-1","private_key":"a private key of theirs"}"#;
    let body = "bt_payload=aGVsbG8%3D";
    let args = ["--scheme", "braintree", "--secret-env", "HOOK_SECRET"];
    let request = inhook(pair, &[&["sign"], &args[..], &["-"]].concat(), body.as_bytes()).stdout;
    let verify = [&["verify"], &args[..], &["-"]].concat();
    assert_eq!(code(&inhook(pair, &verify, &request)), 0);
    assert_eq!(code(&inhook(&pair.replace("key-1", "key-2"), &verify, &request)), 1);
    assert_eq!(code(&inhook(&pair.replace("theirs", "ours"), &verify, &request)), 1);
    assert_eq!(code(&inhook("a private key of theirs", &verify, &request)), 2);
    let named = [&["verify"], &args[..], &["--param", "key_id=key-1", "-"]].concat();
    assert_eq!(code(&inhook("a private key of theirs", &named, &request)), 0);
}
