//! Wrong usage, and output that nobody takes.

use super::*;

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

/// Whatever a variable is called, one that is there is meant.
#[test]
fn a_variable_that_is_set_may_have_any_name() {
    let name = "hooks.acme-production-and-everything-else";
    let args = ["verify", "--scheme", "github", "--secret-env", name, "-"];
    assert_eq!(code(&inhook_with(&[(name, SECRET)], &args, &github())), 0);
    assert_eq!(code(&inhook_with(&[], &args, &github())), 2);
}

/// What a person does who found it in a terminal: pipes, files, typing errors.
#[test]
fn what_is_not_said_and_what_ends_early() {
    // A secret in the place of its name is not repeated.
    for secret in [
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "It's a Secret",
        "8f742231b10e8888abcd99yyyzzz85a5b10e88",
        "4d6a1f0093b2c5d7e8f90a1b2c3d4e5f60718293",
        "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",
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
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
            assert_eq!(code(&output), 2);
            assert!(!text(&output.stderr).contains(secret), "{}", text(&output.stderr));
        }
    }
    // Nobody reads what it prints, as behind `head`: that changes nothing.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = Command::new(env!("CARGO_BIN_EXE_inhook"))
        .arg("presets")
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    // Nothing can be written.
    for args in [&["presets"][..], &["presets", "--json"], &["presets", "github"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_inhook"))
            .args(args)
            .stdout(std::fs::File::options().write(true).open("/dev/full").unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2), "{args:?}");
    }
    // Nor what is said beside it, which changes nothing.
    let mut child = Command::new(env!("CARGO_BIN_EXE_inhook"))
        .args(["presets", "nobody"])
        .stderr(std::fs::File::options().write(true).open("/dev/full").unwrap())
        .spawn()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    // An id is made up where a partner always sends one, and not where the body has one.
    let svix = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert!(text(&signed(svix, "svix", &[], "{}")).contains("webhook-id: "));
    let stripe = signed(svix, "stripe", &[], r#"{"id":"evt_7","type":"t"}"#);
    assert!(text(&stripe).ends_with(r#"{"id":"evt_7","type":"t"}"#), "{}", text(&stripe));
    // What becomes of what was given is said.
    let args = ["sign", "--scheme", "stripe", "--secret-env", "HOOK_SECRET", "-"];
    let output = inhook(svix, &args, br#"{"b":1,"a":2}"#);
    assert!(text(&output.stderr).contains("serialised again"), "{}", text(&output.stderr));
    let args = ["sign", "--scheme", "dropbox", "--secret-env", "HOOK_SECRET", "--id", "7", "-"];
    let output = inhook(svix, &args, b"{}");
    assert!(text(&output.stderr).contains("`--id` is not used"), "{}", text(&output.stderr));
    // Names of keys that are too many or empty.
    let pusher = ["sign", "--scheme", "pusher", "--secret-env", "HOOK_SECRET"];
    let named = [&pusher[..], &["--param", "key_id=k1", "--param", "key_id=k2", "-"]].concat();
    let output = inhook(svix, &named, b"{}");
    assert!(
        text(&output.stderr).contains("1 of `--param key_id=…` not used"),
        "{}",
        text(&output.stderr)
    );
    let empty = [&pusher[..], &["--param", "key_id=", "-"]].concat();
    assert_eq!(code(&inhook(svix, &empty, b"{}")), 2);
    assert_eq!(
        code(&inhook(
            r#"{"public_key":"","private_key":"1"}"#,
            &[&pusher[..], &["-"]].concat(),
            b"{}"
        )),
        2
    );
    // What no receiver takes is signed with a warning.
    let args = ["sign", "--scheme", "stripe", "--secret-env", "HOOK_SECRET", "--id", "", "-"];
    let output = inhook(svix, &args, b"{}");
    assert!(
        text(&output.stderr).contains("warning: a receiver refuses"),
        "{}",
        text(&output.stderr)
    );
}
