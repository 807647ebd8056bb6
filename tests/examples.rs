//! Each example is started and talked to. The quickstart has a file of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use inhook::presets;
use inhook::scheme::Scheme;
use inhook::sign::Message;
use inhook::testing::Partner;

#[cfg(feature = "redis")]
#[path = "common/redis.rs"]
mod redis_server;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A running example; it is killed when it is dropped.
struct Example {
    child: Child,
    url: String,
    output: BufReader<ChildStdout>,
}

impl Example {
    fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        // `cargo test` builds the examples beside the tests.
        let tests = std::env::current_exe().unwrap();
        let path: PathBuf = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
        assert!(path.exists(), "{} is missing: cargo build --example {name}", path.display());
        let mut child = Command::new(path)
            .arg("127.0.0.1:0")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("it listens").to_owned();
        Self { child, url, output }
    }

    /// The status and the body of the answer.
    fn send(&self, request: Request<http_body_util::Full<bytes::Bytes>>) -> (u16, String) {
        let (parts, body) = request.into_parts();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        let mut request = agent.post(format!("{}{}", self.url, parts.uri));
        for (name, value) in &parts.headers {
            request = request.header(name.as_str(), value.to_str().unwrap());
        }
        let body = futures_now(body.collect()).unwrap().to_bytes();
        let mut response = request.send(&*body).unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A body in memory is ready at once.
fn futures_now<F: Future>(future: F) -> F::Output {
    match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("not ready"),
    }
}

/// What no example lets through.
fn refuses_forgeries(example: &Example, partner: &Partner, scheme: &Scheme, message: &Message) {
    assert_eq!(example.send(partner.tampered(message)).0, 401);
    assert_eq!(example.send(partner.wrong_secret(message)).0, 401);
    if scheme.sent_at.is_some() {
        assert_eq!(example.send(partner.stale(message)).0, 401);
        assert_eq!(example.send(partner.future(message)).0, 401);
    }
}

#[test]
fn github() {
    let mut example = Example::start("github", &[("GITHUB_WEBHOOK_SECRET", SECRET)]);
    let partner = Partner::new(presets::GITHUB, SECRET).uri("/webhooks/github");
    let payload = |name: &str| {
        let path = format!("{}/tests/data/github/{name}.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let first = Message::new(payload("push")).id("1").event("push");
    refuses_forgeries(&example, &partner, &presets::GITHUB, &first);
    for (n, (name, event, done)) in [
        ("push", "push", " is at "),
        ("issues.opened", "issues", " was opened: "),
        ("ping", "ping", "nothing to do"),
        ("star.created", "star", "nothing to do"),
    ]
    .into_iter()
    .enumerate()
    {
        let message = Message::new(payload(name)).id(n.to_string()).event(event);
        let (status, answer) = example.send(partner.valid(&message));
        assert_eq!(status, 200, "{name}: {answer}");
        assert!(answer.contains(done), "{name}: {answer}");
        assert_eq!(example.line(), format!("{n} {answer}"));
        assert_eq!(example.send(partner.valid(&message)), (200, String::new()), "{name} again");
    }
    let wrong =
        Message::new(r#"{"action":"opened","issue":{"number":"one"}}"#).id("5").event("issues");
    let (status, answer) = example.send(partner.valid(&wrong));
    assert_eq!(status, 400);
    assert!(answer.contains("issue.number"), "{answer}");
}

#[test]
fn hyper_only() {
    let mut example = Example::start("hyper_only", &[("WEBHOOK_SECRET", SECRET)]);
    let partner = Partner::new(presets::STANDARD_WEBHOOKS, SECRET);
    let message = Message::new(r#"{"type":"invoice.paid"}"#).id("msg_1");
    refuses_forgeries(&example, &partner, &presets::STANDARD_WEBHOOKS, &message);
    assert_eq!(example.send(partner.valid(&message)), (200, "done".into()));
    assert_eq!(example.send(partner.valid(&message)), (200, String::new()));
    assert!(example.line().starts_with("invoice.paid "));
}

#[test]
fn verify_only() {
    let mut example = Example::start("verify_only", &[("WEBHOOK_SECRET", SECRET)]);
    let partner = Partner::new(presets::STANDARD_WEBHOOKS, SECRET);
    let message = Message::new(r#"{"type":"invoice.paid"}"#).id("msg_1");
    refuses_forgeries(&example, &partner, &presets::STANDARD_WEBHOOKS, &message);
    assert_eq!(example.send(partner.valid(&message)), (204, String::new()));
    assert!(example.line().starts_with("invoice.paid "));
    let long = Message::new("x".repeat((1 << 20) + 1));
    assert_eq!(example.send(partner.valid(&long)).0, 413);
}

#[cfg(feature = "redis")]
#[test]
fn stripe_redis() {
    let Some(server) = redis_server::Server::start(&[]) else { return };
    let environment = [("STRIPE_WEBHOOK_SECRET", SECRET), ("REDIS_URL", &server.url())];
    let (mut one, other) = (
        Example::start("stripe_redis", &environment),
        Example::start("stripe_redis", &environment),
    );
    let partner = Partner::new(presets::STRIPE, SECRET).uri("/webhooks/stripe");
    let message = Message::new(r#"{"id":"evt_1","type":"invoice.paid","created":1}"#);
    refuses_forgeries(&one, &partner, &presets::STRIPE, &message);
    assert_eq!(one.send(partner.valid(&message)).0, 204);
    assert!(one.line().starts_with("evt_1 invoice.paid "));
    // A duplicate at either of them.
    assert_eq!(one.send(partner.valid(&message)).0, 200);
    assert_eq!(other.send(partner.valid(&message)).0, 200);
}
