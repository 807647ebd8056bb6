//! `inhook verify`.

use super::*;

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
    assert_eq!(checked, 975);
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
