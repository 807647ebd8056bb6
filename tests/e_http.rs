//! What a receiver answers over real HTTP: caps, deadlines, encodings, and one 401 for everything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use inhook::layer::BodyBudget;
use inhook::scheme::{Answer, Scheme};
use inhook::sign::{Message, Signer};
use inhook::{Delivery, Intake, MemoryInbox, Secret, Verifier, VerifyLayer, presets, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceBuilder;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn layer() -> VerifyLayer {
    let secret = Secret::new(SECRET);
    VerifyLayer::new(Verifier::new("acme", presets::STANDARD_WEBHOOKS, secret).unwrap())
}

/// Serves on a free port for as long as the test runs.
async fn start(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(listener, app).run(std::future::pending()));
    address
}

async fn start_intake(layer: VerifyLayer) -> String {
    let intake = Intake::new(Arc::new(MemoryInbox::new()));
    start(Router::new().route_service("/hook", ServiceBuilder::new().layer(layer).service(intake)))
        .await
}

/// The header lines of a signed request.
fn signed(body: &str, id: &str) -> Vec<(String, String)> {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let headers = signer.sign(&Message::new(body.to_owned()).id(id)).unwrap();
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    headers.iter().map(line).collect()
}

fn head(method: &str, headers: &[(String, String)], extra: &str) -> String {
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} /hook HTTP/1.1\r\nhost: test\r\n{lines}{extra}\r\n")
}

/// Sends raw bytes and reads one whole response, without its date.
async fn exchange(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    read_response(&mut stream).await
}

async fn read_response(stream: &mut TcpStream) -> String {
    let mut response = Vec::new();
    let mut buffer = [0; 4096];
    while !response.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&response));
        response.extend_from_slice(&buffer[..read]);
    }
    let response = String::from_utf8(response).unwrap();
    let lines = response.lines().filter(|line| !line.starts_with("date:"));
    lines.collect::<Vec<_>>().join("\n")
}

async fn post_signed(address: &str, body: &str, id: &str, extra: &str) -> String {
    let extra = format!("content-length: {}\r\n{extra}", body.len());
    let request = head("POST", &signed(body, id), &extra) + body;
    exchange(address, request.as_bytes()).await
}

fn status(response: &str) -> u16 {
    response.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Some partners take nothing for an accept but these words.
#[tokio::test]
async fn what_is_accepted_is_answered_as_the_partner_wants_it() {
    let wordy = Answer { status: 202, body: "[accepted]".into() };
    for (answer, status, content_type) in
        [(wordy, 202, Some("text/plain; charset=utf-8")), (Answer::BASE, 200, None)]
    {
        let scheme = Scheme { answer: answer.clone(), ..presets::STANDARD_WEBHOOKS };
        let layer = VerifyLayer::new(Verifier::new("acme", scheme, SECRET).unwrap());
        let address = start_intake(layer).await;
        // The second one is a duplicate.
        for _ in 0..2 {
            let request =
                head("POST", &signed("{}", "msg_1"), "content-length: 2\r\nconnection: close\r\n");
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all((request + "{}").as_bytes()).await.unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).await.unwrap();
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            assert_eq!((self::status(head), body), (status, &*answer.body));
            let line = |line: &str| line.strip_prefix("content-type: ").map(str::to_owned);
            assert_eq!(head.lines().find_map(line).as_deref(), content_type);
        }
    }
}

#[tokio::test]
async fn a_verified_request_reaches_the_inner_service_with_its_body_and_delivery() {
    let echo = post(|delivery: axum::Extension<Delivery>, body: Bytes| async move {
        assert_eq!(delivery.body(), &body);
        format!("{}:{}", delivery.id().unwrap(), delivery.event().unwrap())
    });
    let app = Router::new().route("/hook", echo).route_layer(layer());
    let address = start(app).await;
    let body = r#"{"type":"user.created"}"#;
    let extra = format!("content-length: {}\r\nconnection: close\r\n", body.len());
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all((head("POST", &signed(body, "m1"), &extra) + body).as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.ends_with("m1:user.created"), "{response}");
}

#[tokio::test]
async fn an_unknown_path_is_a_404_and_not_a_401() {
    let app = Router::new().route("/hook", post(|| async {})).route_layer(layer());
    let address = start(app).await;
    let response =
        exchange(&address, b"POST /other HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(status(&response), 404);
}

#[tokio::test]
async fn new_and_duplicate_deliveries_are_answered_alike() {
    let address = start_intake(layer()).await;
    let first = post_signed(&address, "{}", "m1", "").await;
    let second = post_signed(&address, "{}", "m1", "").await;
    assert_eq!(status(&first), 200);
    assert_eq!(first, second);
}

#[tokio::test]
async fn other_methods_are_a_405_that_names_post() {
    let address = start_intake(layer()).await;
    for method in ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"] {
        let response = exchange(&address, head(method, &signed("", "m1"), "").as_bytes()).await;
        assert_eq!(status(&response), 405, "{method}");
        assert!(response.contains("allow: POST"), "{response}");
    }
}

#[tokio::test]
async fn e1_a_declared_length_above_the_cap_is_refused_unread() {
    let address = start_intake(layer().max_body(1_000)).await;
    for length in ["1001", "10000000000"] {
        // No byte of the body is ever sent, and the answer comes all the same.
        let extra = format!("content-length: {length}\r\n");
        let response =
            exchange(&address, head("POST", &signed("x", "m1"), &extra).as_bytes()).await;
        assert_eq!(status(&response), 413, "{length}");
    }
    let body = format!(r#"{{"filler":"{}"}}"#, "x".repeat(1_000 - 13));
    assert_eq!(body.len(), 1_000);
    assert_eq!(status(&post_signed(&address, &body, "m1", "").await), 200);
}

#[tokio::test]
async fn e1_a_body_without_a_length_is_cut_at_the_cap() {
    let address = start_intake(layer().max_body(1_000)).await;
    let extra = "transfer-encoding: chunked\r\n";
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(head("POST", &signed("x", "m1"), extra).as_bytes()).await.unwrap();
    // Two chunks of 600 bytes, and never an end.
    for _ in 0..2 {
        let chunk = format!("258\r\n{}\r\n", "x".repeat(600));
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    assert_eq!(status(&read_response(&mut stream).await), 413);
}

#[tokio::test]
async fn e1_a_chunked_body_below_the_cap_is_whole() {
    let address = start_intake(layer()).await;
    let body = r#"{"type":"user.created"}"#;
    let (one, other) = body.split_at(7);
    let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{other}\r\n0\r\n\r\n", one.len(), other.len());
    let request = head("POST", &signed(body, "m1"), "transfer-encoding: chunked\r\n") + &chunks;
    assert_eq!(status(&exchange(&address, request.as_bytes()).await), 200);
}

#[tokio::test]
async fn e2_bad_headers_are_refused_before_the_body_is_read() {
    let budget = BodyBudget::new(1 << 20);
    let address = start_intake(layer().body_budget(budget.clone())).await;
    let good = signed("x", "m1");
    let without = |name: &str| -> Vec<(String, String)> {
        good.iter().filter(|(other, _)| other != name).cloned().collect()
    };
    let with = |name: &str, value: &str| {
        let mut headers = without(name);
        headers.push((name.into(), value.into()));
        headers
    };
    let refused = [
        without("webhook-signature"),
        without("webhook-id"),
        without("webhook-timestamp"),
        with("webhook-signature", "garbage"),
        with("webhook-timestamp", "1000000000"),
        with("webhook-timestamp", "99999999999"),
        with("webhook-id", "has.dot"),
    ];
    for headers in refused {
        // The body is announced and never sent.
        let response =
            exchange(&address, head("POST", &headers, "content-length: 500\r\n").as_bytes()).await;
        assert_eq!(status(&response), 401, "{headers:?}");
    }
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn e3_a_slow_body_is_a_408_at_its_deadline() {
    let deadline = Duration::from_millis(300);
    let address = start_intake(layer().body_deadline(deadline)).await;
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = head("POST", &signed("xxxx", "m1"), "content-length: 4\r\n") + "x";
    let start = Instant::now();
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(status(&read_response(&mut stream).await), 408);
    assert!(start.elapsed() >= deadline, "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn e4_a_compressed_body_is_a_415() {
    let address = start_intake(layer()).await;
    for encoding in ["gzip", "br", "identity, gzip", "deflate\r\ncontent-encoding: identity"] {
        // The body is announced and never sent.
        let extra = format!("content-length: 500\r\ncontent-encoding: {encoding}\r\n");
        let response =
            exchange(&address, head("POST", &signed("x", "m1"), &extra).as_bytes()).await;
        assert_eq!(status(&response), 415, "{encoding}");
    }
    let response = post_signed(&address, "{}", "m1", "content-encoding: identity\r\n").await;
    assert_eq!(status(&response), 200);
}

#[tokio::test]
async fn e6_every_refusal_before_the_mac_and_of_a_time_is_one_and_the_same_401() {
    let address = start_intake(layer()).await;
    let good = signed("{}", "m1");
    let replaced = |name: &str, value: &str| -> Vec<(String, String)> {
        let replace = |(header, old): &(String, String)| {
            (header.clone(), if header == name { value.to_owned() } else { old.clone() })
        };
        good.iter().map(replace).collect()
    };
    let now = std::time::SystemTime::now();
    let at = |time| {
        let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
        let headers = signer.sign(&Message::new("{}").id("m1").sent_at(time)).unwrap();
        let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        headers.iter().map(line).collect::<Vec<_>>()
    };
    let other = Signer::new(
        presets::STANDARD_WEBHOOKS,
        Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
    );
    let other = other.unwrap().sign(&Message::new("{}").id("m1")).unwrap();
    let cases = [
        ("missing", vec![]),
        ("wrong tag", replaced("webhook-signature", &format!("v1,{}", "A".repeat(43) + "="))),
        ("short tag", replaced("webhook-signature", "v1,AAAA")),
        ("empty tag", replaced("webhook-signature", "v1,")),
        (
            "other secret",
            replaced("webhook-signature", other["webhook-signature"].to_str().unwrap()),
        ),
        ("other id", replaced("webhook-id", "m2")),
        ("stale", at(now - Duration::from_secs(400))),
        ("future", at(now + Duration::from_secs(400))),
        ("no number", replaced("webhook-timestamp", "soon")),
    ];
    let mut answers = Vec::new();
    for (name, headers) in cases {
        let request = head("POST", &headers, "content-length: 2\r\n") + "{}";
        let response = exchange(&address, request.as_bytes()).await;
        assert_eq!(status(&response), 401, "{name}");
        answers.push((name, response));
    }
    for (name, answer) in &answers {
        assert_eq!(answer, &answers[0].1, "{name} differs from {}", answers[0].0);
    }
}

#[tokio::test]
async fn bodies_in_memory_have_a_budget_and_give_it_back() {
    let budget = BodyBudget::new(1_000);
    // The inner service answers when it is told to.
    let (go, gone) = tokio::sync::watch::channel(false);
    let wait = post(move || {
        let mut gone = gone.clone();
        async move {
            gone.wait_for(|go| *go).await.unwrap();
        }
    });
    let app = Router::new().route("/hook", wait).route_layer(layer().body_budget(budget.clone()));
    let address = start(app).await;
    let body = "x".repeat(600);

    let held = tokio::spawn({
        let (address, body) = (address.clone(), body.clone());
        async move { post_signed(&address, &body, "m1", "").await }
    });
    while budget.used() < 600 {
        tokio::task::yield_now().await;
    }
    let refused = post_signed(&address, &body, "m2", "").await;
    assert_eq!(status(&refused), 503);
    let after: u32 =
        refused.split("retry-after: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert!((1..=30).contains(&after));

    go.send(true).unwrap();
    assert_eq!(status(&held.await.unwrap()), 200);
    while budget.used() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&post_signed(&address, &body, "m2", "").await), 200);
}

/// Anybody can send bodies that never end. They hold up no others for longer than a second.
#[tokio::test]
async fn e3_bodies_that_stall_give_way_to_new_ones() {
    let budget = BodyBudget::new(4_000);
    let address = start_intake(layer().body_budget(budget.clone())).await;
    let (mut stalled, begun) = (Vec::new(), Instant::now());
    for id in 0..4 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // Nobody signed it; that shows at its end.
        let request =
            head("POST", &signed("x", &format!("stalled-{id}")), "content-length: 1000\r\n");
        stream.write_all((request + &"x".repeat(999)).as_bytes()).await.unwrap();
        stalled.push(stream);
        while budget.used() < stalled.len() * 999 {
            tokio::task::yield_now().await;
        }
    }
    // It has just the room that the oldest one has taken from it.
    let genuine = format!("{{\"genuine\":\"{}\"}}", "1".repeat(989));
    while status(&post_signed(&address, &genuine, "genuine", "").await) != 200 {
        assert!(begun.elapsed() < Duration::from_secs(9), "the deadline of the bodies is 10 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(1), "each has a second");
    // A body for which all their room is not enough takes none of it.
    let long = post_signed(&address, &"x".repeat(4_001), "long", "").await;
    assert_eq!((status(&long), budget.used()), (503, 3 * 999));
    // The oldest one was refused; the others have their room, and their time.
    assert_eq!(status(&read_response(&mut stalled[0]).await), 503);
    assert_eq!(budget.used(), 3 * 999);
    for stream in &mut stalled[1..] {
        stream.write_all(b"x").await.unwrap();
        assert_eq!(status(&read_response(stream).await), 401);
    }
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn a_client_that_disconnects_gives_its_budget_back() {
    let budget = BodyBudget::new(1_000);
    let address = start_intake(layer().body_budget(budget.clone())).await;
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = head("POST", &signed("x", "m1"), "content-length: 900\r\n") + &"x".repeat(500);
    stream.write_all(request.as_bytes()).await.unwrap();
    while budget.used() < 500 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    while budget.used() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_intake_without_a_verify_layer_is_a_500() {
    let intake = Intake::new(Arc::new(MemoryInbox::new()));
    let address = start(Router::new().route_service("/hook", intake)).await;
    assert_eq!(status(&post_signed(&address, "{}", "m1", "").await), 500);
}

#[tokio::test]
async fn a_signed_body_that_lacks_what_identifies_it_is_a_400() {
    use inhook::scheme::{Field, Identity, Scheme, Signature};
    let scheme = Scheme {
        signature: Signature { field: Field::header("x-signature"), ..Signature::BASE },
        id: Some(Field::pointer("/id")),
        identity: Identity::Fields(vec![Field::pointer("/id")].into()),
        ..Scheme::BASE
    };
    let verifier = Verifier::new("acme", scheme.clone(), SECRET).unwrap();
    let address = start_intake(VerifyLayer::new(verifier)).await;
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(256));
    for body in [
        "",
        "nope",
        "{}",
        r#"{"id":7}"#,
        r#"{"id":""}"#,
        r#"{"id":null}"#,
        r#"{"id":"a\n"}"#,
        &long,
    ] {
        let headers = Signer::new(scheme.clone(), SECRET)
            .unwrap()
            .sign(&Message::new(body.to_owned()))
            .unwrap();
        let signature = headers["x-signature"].to_str().unwrap().to_owned();
        let extra = format!("content-length: {}\r\n", body.len());
        let request = head("POST", &[("x-signature".into(), signature)], &extra) + body;
        assert_eq!(status(&exchange(&address, request.as_bytes()).await), 400, "{body}");
    }
}

#[tokio::test]
async fn two_lengths_and_bad_framing_never_reach_the_intake() {
    let address = start_intake(layer()).await;
    for extra in ["content-length: 2\r\ncontent-length: 3\r\n", "content-length: -1\r\n"] {
        let request = head("POST", &signed("{}", "m1"), extra) + "{}";
        assert_eq!(status(&exchange(&address, request.as_bytes()).await), 400, "{extra}");
    }
}

/// A body that always has another empty frame.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::new()))))
    }
}

/// What the layer answers to a signed request with this body.
async fn answer<B>(layer: VerifyLayer, body: B) -> u16
where
    B: http_body::Body,
    B::Error: Into<inhook::BoxError>,
{
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let (parts, _) = signer.request(&Message::new("{}").id("m1")).unwrap().into_parts();
    let intake = Intake::new(Arc::new(MemoryInbox::new()));
    let service = ServiceBuilder::new().layer(layer).service(intake);
    let request = http::Request::from_parts(parts, body);
    tower::ServiceExt::oneshot(service, request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn e3_a_body_of_empty_frames_ends_at_its_deadline_and_lets_others_run() {
    let layer = layer().body_deadline(Duration::from_millis(100));
    assert_eq!(answer(layer, Endless).await, 408);
}

#[derive(Debug, thiserror::Error)]
#[error("wrapped")]
struct Wrapped(#[source] inhook::BoxError);

#[tokio::test]
async fn e1_a_cap_of_an_outer_layer_is_a_413_however_its_error_is_wrapped() {
    use http_body_util::{BodyExt, Full, Limited};
    let limited = || Limited::new(Full::new(Bytes::from_static(b"longer than ten bytes")), 10);
    assert_eq!(answer(layer(), limited()).await, 413);
    assert_eq!(answer(layer(), limited().map_err(Wrapped)).await, 413);
    assert_eq!(answer(layer(), axum::body::Body::new(limited())).await, 413);
    let broken = Full::new(Bytes::new()).map_err(|_| std::io::Error::other("a connection reset"));
    let broken =
        broken.with_trailers(async { Some(Err(std::io::Error::other("a connection reset"))) });
    assert_eq!(answer(layer(), broken).await, 408);
}

#[tokio::test]
async fn e5_two_lengths_are_no_request() {
    let address = start_intake(layer()).await;
    let body = r#"{"type":"ping"}"#;
    let lengths =
        format!("content-length: {}\r\ncontent-length: {}\r\n", body.len(), body.len() + 1);
    let request = head("POST", &signed(body, "1"), &lengths) + body;
    assert_eq!(status(&exchange(&address, request.as_bytes()).await), 400);
}

/// With a length and chunks the chunks count, and what follows them is not taken for another request.
#[tokio::test]
async fn e5_a_length_beside_chunks_smuggles_nothing_in() {
    let address = start_intake(layer()).await;
    let body = r#"{"type":"ping"}"#;
    let both = "content-length: 3\r\ntransfer-encoding: chunked\r\n";
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let request = head("POST", &signed(body, "1"), both) + &chunks;
    let answer = status(&exchange(&address, request.as_bytes()).await);
    assert!([200, 400].contains(&answer), "{answer}");
}

#[tokio::test]
async fn e5_trailers_are_not_part_of_what_is_signed() {
    let address = start_intake(layer()).await;
    let body = r#"{"type":"ping"}"#;
    let chunked = "transfer-encoding: chunked\r\ntrailer: webhook-signature\r\n";
    let chunks = |end: &str| format!("{:x}\r\n{body}\r\n0\r\n{end}\r\n", body.len());
    let request =
        head("POST", &signed(body, "1"), chunked) + &chunks("webhook-signature: v1,x\r\n");
    assert_eq!(status(&exchange(&address, request.as_bytes()).await), 200);
    // A signature in the trailers is none.
    let (mut headers, mut trailers) = (signed(body, "2"), String::new());
    headers.retain(|(name, value)| {
        let is_signature = name == "webhook-signature";
        if is_signature {
            trailers = format!("{name}: {value}\r\n");
        }
        !is_signature
    });
    let request = head("POST", &headers, chunked) + &chunks(&trailers);
    assert_eq!(status(&exchange(&address, request.as_bytes()).await), 401);
}

/// A client that waits for `100 Continue` learns at once that its body is not wanted.
#[tokio::test]
async fn e5_a_body_is_asked_for_only_if_the_headers_are_right() {
    let address = start_intake(layer()).await;
    let body = r#"{"type":"ping"}"#;
    let extra = format!("content-length: {}\r\nexpect: 100-continue\r\n", body.len());
    let unsigned = head("POST", &[], &extra);
    assert_eq!(status(&exchange(&address, unsigned.as_bytes()).await), 401);

    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(head("POST", &signed(body, "1"), &extra).as_bytes()).await.unwrap();
    assert_eq!(status(&read_response(&mut stream).await), 100);
    stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(status(&read_response(&mut stream).await), 200);
}
