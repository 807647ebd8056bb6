//! What a finding says: of a receiver that changes its mind, of a scheme that no attack is made on, and as commands.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

#[cfg(feature = "cli")]
use inhook::Rejection;
use inhook::scheme::Danger;

use super::*;
use crate::homemade::{Bug, Homemade};

/// Every other request is refused, whatever it is.
struct Moody(Homemade, Cell<bool>);

impl Receiver for Moody {
    fn receive(&self, request: &Request<Bytes>) -> Verdict {
        self.1.set(!self.1.get());
        if self.1.get() { self.0.receive(request) } else { Verdict::Refused }
    }

    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

#[test]
fn s5_a_receiver_that_changes_its_mind_is_found() {
    let right = Homemade { scheme: presets::STANDARD_WEBHOOKS, bug: Bug::None };
    let attack = Attack::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let finding = attack.run(&Moody(right, Cell::new(false)), 100, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::Stable, "{finding}");
}

#[test]
fn s5_an_attack_that_has_nothing_to_try_says_why() {
    // What two parameters of the query say, a signer does not know.
    let fields = vec![Part::Field(Field::query("tenant"))];
    let scheme = Scheme {
        content: fields.into(),
        dangerously_allow: vec![Danger::UnsignedBody].into(),
        ..GITHUB
    };
    let attack = Attack::new(scheme.clone(), SECRET).unwrap();
    let finding = attack.run(&builder(scheme).build().unwrap(), 100, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::Tried, "{finding}");
    assert!(finding.what.contains("tenant"), "{finding}");
}

/// The command does what was done, and says no more of the shell's language.
#[test]
fn s5_a_finding_is_a_command_of_its_method_and_target() {
    let url = "https://hooks.example.com/it's?x='";
    let attack = Attack::for_url(with_target(), SECRET, url).unwrap();
    let verifier = builder(with_target()).build().unwrap();
    let finding = attack
        .run(
            &Wrapped(verifier, |verifier, request| {
                changed(verifier, request, |request| *request.method_mut() = Method::POST)
            }),
            20_000,
            1,
        )
        .unwrap_err();
    assert_ne!(finding.request.method(), Method::POST, "{finding}");
    let curl = finding.to_curl();
    assert!(curl.contains(&format!(" --request {} ", finding.request.method())), "{curl}");
    assert!(curl.contains(r"'http://127.0.0.1:3000/it'\''s?x='\'''"), "{curl}");
}

/// What the printed command writes is the request, whatever is in it.
#[test]
fn s5_a_finding_is_a_file_of_its_request() {
    let attack = Attack::new(GITHUB, SECRET).unwrap();
    let verifier = builder(GITHUB).build().unwrap();
    for wrong in [b"\xff".as_slice(), b"'", b"\\", b"%"] {
        // A receiver that cannot read bodies with this in them.
        let receiver = Picky(&verifier, wrong);
        let finding = attack.run(&receiver, 20_000, 1).unwrap_err();
        assert_eq!(finding.oracle, Oracle::AcceptsGenuine, "{finding}");
        let directory = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &finding.to_printf()]).current_dir(&directory);
        assert!(shell.status().unwrap().success());
        let file = std::fs::read(directory.path().join("request.http")).unwrap();
        assert_eq!(file, finding.to_http(), "{finding}");
        assert!(finding.to_string().contains(&finding.to_printf()), "{finding}");
    }
}

/// What Rust makes of the byte string in the printed call.
pub(crate) fn printed_data(finding: &str) -> Vec<u8> {
    let (_, call) = finding.split_once("attack.check(&receiver, b\"").unwrap();
    let (mut text, _) = call.split_once("\").unwrap();\n").unwrap();
    let mut data = Vec::new();
    while let Some(byte) = text.bytes().next() {
        let escape = text.get(1..2).filter(|_| byte == b'\\');
        let (byte, length) = match escape {
            Some("x") => (u8::from_str_radix(&text[2..4], 16).unwrap(), 4),
            Some("t") => (b'\t', 2),
            Some("r") => (b'\r', 2),
            Some("n") => (b'\n', 2),
            Some(same @ ("\\" | "'" | "\"")) => (same.as_bytes()[0], 2),
            Some(other) => panic!("\\{other} is none of Rust's"),
            None => (byte, 1),
        };
        data.push(byte);
        text = &text[length..];
    }
    data
}

/// What is printed for the doctor is a command that it takes, and it judges as the verifier does.
#[cfg(feature = "cli")]
#[test]
fn s5_a_finding_is_a_command_of_the_doctor() {
    let of_nobody = Scheme { name: "nobody".into(), ..presets::GITHUB };
    for (scheme, word) in [
        (presets::GITHUB, "--scheme github --secret-env SECRET --secret-env SECRET_2 --at"),
        (presets::TWILIO_JSON, "--scheme twilio/json-body-sha256"),
        (presets::SQUARE, "--url 'https://hooks.example.com/in?data.id=5' --at"),
        (presets::PUSHER, "--param 'key_id=key1' --secret-env SECRET_2 --param 'key_id=key2'"),
        (of_nobody, "--scheme scheme.toml"),
    ] {
        let [new, old] = secrets_of(&scheme);
        let attack = Attack::for_url(scheme.clone(), new.clone(), URL).unwrap();
        let attack = attack.secret(old.clone()).unwrap();
        let verifier = Verifier::builder("acme", scheme.clone(), new).secret(old).url(URL);
        let verifier = verifier.clock(Arc::new(FakeClock::new())).build().unwrap();
        let refuses: Wrong = |_, _| None;
        let accepts: Wrong = |verifier, request| match verifier.verify(request.clone()) {
            Err(Rejection::WrongSignature) => Some(Vec::new()),
            verdict => verdict.ok().as_ref().map(key_of),
        };
        let mut receiver = Wrapped(verifier, refuses);
        // What the doctor calls valid, and what it does not.
        for (wrong, code) in [(refuses, 0), (accepts, 1)] {
            receiver.1 = wrong;
            let finding = attack.run(&receiver, 20_000, 1).unwrap_err();
            let text = finding.to_string();
            assert!(text.contains(word), "{word}: {finding}");
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("scheme.toml");
            std::fs::write(file, scheme.to_toml()).unwrap();
            let (_, command) = text.split_once("in the environment:\n\n").unwrap();
            let output = Command::new("sh")
                .args(["-c", command])
                .current_dir(&directory)
                .env("PATH", path_with_inhook())
                .env("SECRET", notation::secret(&scheme, 1))
                .env("SECRET_2", notation::secret(&scheme, 2))
                .output()
                .unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert_eq!(output.status.code(), Some(code), "{said}{finding}");
        }
    }
}

/// The programs that there are, and this crate's.
#[cfg(feature = "cli")]
fn path_with_inhook() -> std::ffi::OsString {
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_inhook")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    std::env::join_paths([directory.into()].into_iter().chain(std::env::split_paths(&path)))
        .unwrap()
}

/// What the printed command sends is the request, however long it is.
#[test]
fn s5_a_finding_is_a_command_that_sends_it() {
    let curl = Command::new("curl").arg("--version").output();
    curl.expect("curl is needed: apt-get install curl");
    let attack = Attack::new(GITHUB, SECRET).unwrap();
    let verifier = || builder(GITHUB).build().unwrap();
    let long: Wrong = |verifier, request| {
        key(verifier, request).or((request.body().len() > 100_000).then(Vec::new))
    };
    let short: Wrong =
        |verifier, request| key(verifier, request).or((request.body().len() > 9).then(Vec::new));
    for (wrong, is_long) in [(long, true), (short, false)] {
        let finding = attack.run(&Wrapped(verifier(), wrong), 20_000, 1).unwrap_err();
        assert_eq!(finding.request.body().len() > 100_000, is_long, "{}", finding.what);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let command = finding.to_curl().replace("127.0.0.1:3000", &address);
        let mut shell = Command::new("sh");
        let mut shell = shell.env("no_proxy", "*").stdin(Stdio::piped()).spawn().unwrap();
        shell.stdin.take().unwrap().write_all(command.as_bytes()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}"),
            }
            assert!(shell.try_wait().unwrap().is_none(), "curl ended before it was answered");
            std::thread::sleep(Duration::from_millis(10));
        };
        stream.set_nonblocking(false).unwrap();
        let (head, body) = received(stream);
        assert!(shell.wait().unwrap().success());
        assert!(body == *finding.request.body(), "{} bytes arrived", body.len());
        let head = head.to_lowercase();
        for (name, value) in finding.request.headers() {
            let value = value.to_str().unwrap().to_lowercase();
            assert!(
                head.contains(&format!("\r\n{name}: {value}\r\n")),
                "{name}: {value} in {head}"
            );
        }
    }
}

/// A request as it arrives, which is answered with 200.
fn received(stream: std::net::TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).unwrap();
    }
    let length = head.to_lowercase();
    let length = length.split("\r\ncontent-length: ").nth(1).unwrap();
    let mut body = vec![0; length.split("\r\n").next().unwrap().parse().unwrap()];
    if head.to_lowercase().contains("100-continue") {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
    }
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    (head, body)
}

/// What is wrong with two keys shows in two requests.
#[test]
fn s5_a_finding_about_keys_has_both_requests_and_their_keys() {
    let attack = Attack::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let verifier = builder(presets::STANDARD_WEBHOOKS).build().unwrap();
    let wrong: Wrong = |verifier, request| key(verifier, request).map(|_| b"webhook".to_vec());
    let finding = attack.run(&Wrapped(verifier, wrong), 20_000, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::TwoKeys, "{finding}");
    let text = finding.to_string();
    assert!(text.contains("the key is `webhook`"), "{finding}");
    assert!(text.contains("> request.http") && text.contains("> genuine.http"), "{finding}");
    assert!(
        text.contains(&format!(
            "inhook doctor --scheme standard-webhooks --secret-env SECRET --at {NOW} request.http"
        )),
        "{finding}"
    );
    assert!(text.contains("If you tell deliveries apart by something else"), "{finding}");
    let genuine = finding.genuine.as_ref().unwrap();
    let is_same = |name: &str| genuine.headers().get(name) == finding.request.headers().get(name);
    assert!(!is_same("webhook-id") && !is_same("webhook-signature"), "{finding}");
}

struct Picky<'v>(&'v Verifier, &'static [u8]);

impl Receiver for Picky<'_> {
    fn receive(&self, request: &Request<Bytes>) -> Verdict {
        match request.body().windows(self.1.len()).any(|it| it == self.1) {
            true => Verdict::Refused,
            false => self.0.receive(request),
        }
    }

    fn now(&self) -> SystemTime {
        Receiver::now(self.0)
    }
}

/// As of a runtime within another one.
#[test]
fn s5_a_panic_is_told_in_its_words() {
    let verifier = builder(GITHUB).build().unwrap();
    let wrong: Wrong = |_, request| panic!("planted at {}", request.uri());
    let finding = Attack::new(GITHUB, SECRET).unwrap().run(&Wrapped(verifier, wrong), 9, 1);
    let finding = finding.unwrap_err();
    assert_eq!(finding.oracle, Oracle::NoPanic, "{finding}");
    assert!(finding.what.ends_with("it said: planted at /"), "{finding}");
    assert!(!finding.to_string().contains("block_on"), "{finding}");
    let outer = tokio::runtime::Runtime::new().unwrap();
    let wrong: Wrong = |_, _| tokio::runtime::Runtime::new().unwrap().block_on(async { None });
    let finding = outer.block_on(async {
        Attack::new(GITHUB, SECRET).unwrap().run(
            &Wrapped(builder(GITHUB).build().unwrap(), wrong),
            9,
            1,
        )
    });
    let finding = finding.unwrap_err();
    assert!(finding.to_string().contains("has to be a plain `#[test]`"), "{finding}");
}

/// What panics once may panic ever after, and in another way.
#[test]
fn s5_a_panic_is_told_as_it_was_at_first() {
    static LOCK: Mutex<()> = Mutex::new(());
    let wrong: Wrong = |verifier, request| {
        let _locked = LOCK.lock().unwrap();
        assert!(request.headers().contains_key("x-github-event"), "a planted panic");
        key(verifier, request)
    };
    let receiver = Wrapped(builder(GITHUB).build().unwrap(), wrong);
    let finding = Attack::new(GITHUB, SECRET).unwrap().run(&receiver, 20_000, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::NoPanic, "{finding}");
    assert!(finding.what.ends_with("it said: a planted panic"), "{finding}");
    assert!(!finding.request.headers().contains_key("x-github-event"), "{finding}");
}

/// Though what it says has the data in it.
#[test]
fn s5_a_panic_that_repeats_the_body_is_made_smaller() {
    let no_text: Wrong = |verifier, request| {
        String::from_utf8(request.body().to_vec()).unwrap();
        key(verifier, request)
    };
    let bar: Wrong = |verifier, request| {
        let text = String::from_utf8_lossy(request.body());
        assert!(!text.contains('|'), "a body with a bar is what nobody has thought of: {text:?}");
        key(verifier, request)
    };
    for (wrong, says) in [(no_text, "FromUtf8Error"), (bar, "a body with a bar")] {
        for seed in 1..=3 {
            let receiver = Wrapped(builder(GITHUB).build().unwrap(), wrong);
            let finding = Attack::new(GITHUB, SECRET).unwrap().run(&receiver, 20_000, seed);
            let finding = finding.unwrap_err();
            assert_eq!(finding.oracle, Oracle::NoPanic, "{finding}");
            assert!(finding.what.contains(says), "{finding}");
            assert!(finding.data.len() <= 16, "{finding}");
        }
    }
}

#[test]
fn s5_no_attempt_at_all_is_a_finding() {
    let attack = Attack::new(GITHUB, SECRET).unwrap();
    let finding = attack.run(&builder(GITHUB).build().unwrap(), 0, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::Tried, "{finding}");
    assert!(finding.what.contains("none was asked for"), "{finding}");
}
