//! `inhook sign`.

use super::*;

#[test]
fn what_sign_prints_verify_accepts_for_every_preset() {
    for preset in presets::all() {
        let body = body_of(preset.name);
        let secret = secret_of(preset.name);
        let receiver = receiver(preset.name);
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

/// What such a partner signs instead of the body is in the request, once for each id.
#[test]
fn sign_puts_what_is_signed_where_it_belongs() {
    let args = ["sign", "--scheme", "mercadopago", "--secret-env", "HOOK_SECRET", "--id", "7", "-"];
    let output = inhook(SECRET, &args, b"{}");
    assert!(
        text(&output.stdout).starts_with("POST /?data%2Eid=7 HTTP/1.1"),
        "{}",
        text(&output.stdout)
    );
    let given = ["--url", "https://hooks.example.com/in?data.id=5&a=1"];
    let output = inhook(SECRET, &[&args[..7], &given, &["-"]].concat(), b"{}");
    assert!(
        text(&output.stdout).starts_with("POST /in?data.id=5&a=1 HTTP/1.1"),
        "{}",
        text(&output.stdout)
    );
    // What the signer writes itself, or what is part of a URL, is not written twice.
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("acme.toml");
    let head = "name = \"acme\"\nsignature = { field = { header = \"x-signature\" } }\n\
                dangerously_allow = [\"unsigned_body\"]\n";
    for (scheme, target) in [
        ("content = [{ field = { query = \"id\" } }]\nid = { query = \"id\" }", "/?id=7 "),
        ("content = [{ field = { form = \"id\" } }]\nid = { form = \"id\" }", "/ "),
        (
            "content = [{ field = { query = \"t\" } }, { literal = \".\" }, { field = { query = \"id\" } }]\n\
             id = { query = \"id\" }\nevent = { query = \"t\" }",
            "/?id=7&t=e ",
        ),
        ("content = [{ field = { query = \"n\" } }]", "/?n=7 "),
    ] {
        std::fs::write(&file, format!("{head}{scheme}")).unwrap();
        let args = ["--scheme", file.to_str().unwrap(), "--secret-env", "HOOK_SECRET"];
        let sign = [&["sign"], &args[..], &["--id", "7", "--event", "e", "-"]].concat();
        let output = inhook(SECRET, &sign, b"");
        let request = text(&output.stdout);
        assert!(
            request.starts_with(&format!("POST {target}")),
            "{request} {}",
            text(&output.stderr)
        );
        let verified = inhook(SECRET, &[&["verify"], &args[..], &["-"]].concat(), &output.stdout);
        assert_eq!(code(&verified), 0, "{}", text(&verified.stderr));
    }
    let braintree = [
        "sign",
        "--scheme",
        "braintree",
        "--secret-env",
        "HOOK_SECRET",
        "--param",
        "key_id=k",
        "-",
    ];
    for (body, payload) in
        [("aGk=", "bt%5Fpayload=aGk%3D&bt"), ("x=1&bt_payload=aGk%3D", "x=1&bt_payload=aGk%3D&bt")]
    {
        let output = inhook(SECRET, &braintree, body.as_bytes());
        assert!(text(&output.stdout).contains(payload), "{}", text(&output.stdout));
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

/// What is asked for and can't be had is said.
#[test]
fn sign_says_what_it_does_not_sign() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("acme.toml");
    let sign = |scheme: &str, more: &[&str], body: &str| {
        let head = "name = \"acme\"\nsignature = { field = { header = \"x-signature\" } }\n";
        std::fs::write(&file, format!("{head}{scheme}")).unwrap();
        let args = ["sign", "--scheme", file.to_str().unwrap(), "--secret-env", "HOOK_SECRET"];
        let output = inhook(SECRET, &[&args[..], more, &["-"]].concat(), body.as_bytes());
        (code(&output), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    let id = "id = { pointer = \"/id\" }";
    for (scheme, more, body, warning) in [
        (id, ["--id", "7"], "plain text", "`--id`: what a receiver finds is none"),
        (id, ["--id", "7"], "[{\"id\":1}]", "`--id`: what a receiver finds is none"),
        ("", ["--id", "7"], "{}", "`--id` is not used: this partner sends no such thing"),
        (
            "id = { query = \"id\" }\nidentity = \"unsigned_id\"",
            ["--id", ""],
            "{}",
            "a receiver refuses this request",
        ),
        (
            "event = { pointer = \"/a\" }",
            ["--event", "e"],
            "[]",
            "`--event`: what a receiver finds",
        ),
        ("event = { header = \"x-e\" }", ["--event", ""], "{}", "`--event`: what a receiver finds"),
    ] {
        let (code, _, said) = sign(scheme, &more, body);
        assert!(said.contains(warning) && code == 0, "{scheme} {more:?} {body}: {code} {said}");
    }
    let (code, _, said) = sign("id = { header = \"x-id\" }", &["--id", ""], "{}");
    assert!(code == 2 && said.contains("x-id"), "{said}");
    let items = "id = { pointer = \"/0/id\" }";
    let (code, request, said) = sign(items, &["--id", "7"], "[{\"id\":1}]");
    assert!(code == 0 && request.ends_with("[{\"id\":\"7\"}]"), "{request} {said}");
    let fields =
        "content = [{ field = { pointer = \"/a\" } }]\ndangerously_allow = [\"unsigned_body\"]";
    let (code, _, said) = sign(fields, &["--tamper"], "{\"a\":\"1\"}");
    assert!(code == 0 && said.contains("although it was tampered with"), "{said}");
    let (code, _, said) = sign(id, &["--id", "7"], "{\"id\":1}");
    assert!(code == 0 && !said.contains("warning"), "{said}");
    let (code, _, said) = sign("event = { form = \"type\" }", &["--event", "push"], "{}");
    assert!(code == 2 && said.contains("`type` into a form, and the body is JSON"), "{said}");
    // Who asks is not in the host.
    let url = ["--url", "https://user:s3cret@hooks.example.com:8443/in"];
    let (code, request, said) = sign("", &url, "{}");
    assert!(request.contains("host: hooks.example.com:8443\r\n"), "{request}");
    assert!(code == 0 && !request.contains("s3cret") && !said.contains("s3cret"), "{said}");
}

#[test]
fn a_password_in_a_url_is_not_shown() {
    let args = ["sign", "--scheme", "square", "--secret-env", "HOOK_SECRET"];
    for (url, shown) in [
        ("https://user:s3cret@hooks.example.com/in#fragment", "`…@hooks.example.com/in#…`"),
        ("user:s3cret@hooks.example.com/in", "`…@hooks.example.com/in`"),
        ("https:/user:s3cret@hooks.example.com/in", "`…@hooks.example.com/in`"),
        // Nobody knows where it ends.
        ("https://user:s3#s3cret@hooks.example.com/in", "`…`"),
    ] {
        let output = inhook(SECRET, &[&args[..], &["--url", url, "-"]].concat(), b"{}");
        let said = text(&output.stderr);
        assert!(said.contains(shown) && !said.contains("s3cret"), "{said}");
    }
    let to = "http://user:s3cret@127.0.0.1:99999/x";
    let output = inhook(SECRET, &[&["send", to], &args[1..], &["-"]].concat(), b"{}");
    let said = text(&output.stderr);
    assert!(said.contains("99999") && !said.contains("s3cret"), "{said}");
}
