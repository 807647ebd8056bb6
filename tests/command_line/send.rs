//! `inhook send`, over real HTTP.

use sha2::{Digest, Sha256};

use super::*;

/// Over real HTTP, for every preset: accepted once, and the copy answered like it.
#[tokio::test(flavor = "multi_thread")]
async fn send_sends_for_every_preset() {
    let inbox = Arc::new(MemoryInbox::new());
    let (base, server) = receiver_for_all(inbox.clone()).await;
    let server = tokio::spawn(server);
    let sent = tokio::task::spawn_blocking(move || {
        for preset in presets::all() {
            let to = format!("{base}/{}", preset.name);
            let body = body_of(preset.name);
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

fn wrong_secret_of(name: &str) -> &'static str {
    match name.split('/').next() {
        Some("adyen") => "00782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
        Some("airtable") => "AAZLUTlyOEdLWXFyVHdqVVBEOElMUFpJbzJMYUxhU3c=",
        _ => "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    }
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
                // An answer to nothing would be another mistake.
                connection.read_exact(&mut [0; 64]).unwrap();
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

/// An endpoint has its own query; what was made for the request is added to it.
#[test]
fn send_keeps_the_query_of_the_endpoint() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let received = std::thread::spawn(move || {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let lines = listener.incoming().take(6).map(|connection| {
            let mut connection = connection.unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut bytes = [0; 256];
                let read = connection.read(&mut bytes).unwrap();
                request.extend_from_slice(&bytes[..read]);
            }
            connection.write_all(answer).unwrap();
            text(&request).lines().next().unwrap().to_owned()
        });
        lines.collect::<Vec<_>>()
    });
    let url = ["--url", "https://hooks.example.com/in?e=1"];
    for (scheme, to, url) in [
        ("github", "/hook?token=abc", &url[..]),
        ("github", "/hook", &url[..]),
        ("mercadopago", "/hook?token=abc", &[]),
        ("github", "/hook", &[]),
        // What is signed is sent, and nothing that would change it.
        ("mercadopago", "/hook?token=abc", &["--url", "https://hooks.example.com/in?data.id=5"]),
        ("twilio/json-body-sha256", "/hook?token=abc", &url),
    ] {
        let to = format!("{base}{to}");
        let args = ["send", &to, "--scheme", scheme, "--secret-env", "HOOK_SECRET", "--id", "7"];
        let output = inhook(SECRET, &[&args[..], url, &["-"]].concat(), b"{}");
        assert_eq!(code(&output), 0, "{} {}", text(&output.stdout), text(&output.stderr));
    }
    let digest = const_hex::encode(Sha256::digest(br#"{}"#));
    let signed = format!("/hook?e=1&bodySHA256={digest}");
    let targets = [
        "/hook?token=abc&e=1",
        "/hook?e=1",
        "/hook?token=abc&data%2Eid=7",
        "/hook",
        "/hook?token=abc&data.id=5",
        &signed,
    ];
    let lines = targets.map(|target| format!("POST {target} HTTP/1.1"));
    assert_eq!(received.join().unwrap(), lines);
}
