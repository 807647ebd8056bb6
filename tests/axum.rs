//! The layers wherever axum takes one, beside other people's layers, and the extractors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::BodyExt;
use inhook::extract::Payload;
use inhook::scheme::{Answer, Scheme};
use inhook::sign::Message;
use inhook::testing::Partner;
use inhook::{
    DedupLayer, DedupStatus, Delivery, MemoryDedup, Verifier, VerifyLayer, presets, serve,
};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::compression::CompressionLayer;
use tower_http::map_request_body::MapRequestBodyLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

const SECRET: &str = "It's a Secret to Everybody";

fn verify() -> VerifyLayer {
    VerifyLayer::new(Verifier::new("github-acme", presets::GITHUB, SECRET).unwrap())
}

fn dedup() -> DedupLayer<MemoryDedup> {
    DedupLayer::new(Arc::new(MemoryDedup::new()))
}

fn github(uri: &str) -> Partner {
    Partner::new(presets::GITHUB, SECRET).uri(uri)
}

fn push(id: &str) -> Message {
    Message::new(r#"{"ref":"refs/heads/main"}"#).id(id).event("push")
}

#[derive(Debug, Deserialize)]
struct Push {
    r#ref: String,
}

/// Counts its runs in the router's state.
async fn pushed(State(runs): State<Arc<AtomicU32>>, Payload(push): Payload<Push>) -> String {
    runs.fetch_add(1, Ordering::SeqCst);
    push.r#ref
}

async fn text(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.into()).unwrap())
}

/// One delivery twice, and a forgery: it runs once.
async fn runs_once(app: Router, runs: &AtomicU32, uri: &str) {
    let partner = github(uri);
    let send = async |request| text(app.clone().oneshot(request).await.unwrap()).await;
    assert_eq!(send(partner.valid(&push("1"))).await, (200, "refs/heads/main".into()));
    assert_eq!(send(partner.valid(&push("1"))).await, (200, String::new()));
    assert_eq!(send(partner.tampered(&push("2"))).await, (401, String::new()));
    assert_eq!(send(partner.wrong_secret(&push("2"))).await, (401, String::new()));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn as_a_route_layer_in_one_stack_or_as_two() {
    let runs = Arc::new(AtomicU32::new(0));
    let stack = ServiceBuilder::new().layer(verify()).layer(dedup());
    let app = Router::new().route("/hook", post(pushed)).route_layer(stack);
    runs_once(app.with_state(runs.clone()), &runs, "/hook").await;

    // The last one is the outermost.
    let runs = Arc::new(AtomicU32::new(0));
    let app = Router::new().route("/hook", post(pushed)).route_layer(dedup()).route_layer(verify());
    runs_once(app.with_state(runs.clone()), &runs, "/hook").await;
}

#[tokio::test]
async fn a_route_layer_leaves_other_paths_alone() {
    let runs = Arc::new(AtomicU32::new(0));
    let stack = ServiceBuilder::new().layer(verify()).layer(dedup());
    let app = Router::new()
        .route("/hook", post(pushed))
        .route_layer(stack)
        .route("/health", get(async || "well"))
        .with_state(runs);
    let send = async |uri: &str| {
        text(app.clone().oneshot(Request::get(uri).body(Body::empty()).unwrap()).await.unwrap())
            .await
    };
    assert_eq!(send("/health").await, (200, "well".into()));
    assert_eq!(send("/missing").await.0, 404);
    assert_eq!(send("/hook").await.0, 405);
}

#[tokio::test]
async fn as_a_layer_of_a_method_router() {
    let runs = Arc::new(AtomicU32::new(0));
    let stack = ServiceBuilder::new().layer(verify()).layer(dedup());
    let app = Router::new().route("/hook", post(pushed).layer(stack)).with_state(runs.clone());
    runs_once(app, &runs, "/hook").await;
}

#[tokio::test]
async fn as_a_service_of_a_route() {
    let runs = Arc::new(AtomicU32::new(0));
    let handler = post(pushed).with_state(runs.clone());
    let service = ServiceBuilder::new().layer(verify()).layer(dedup()).service(handler);
    runs_once(Router::new().route_service("/hook", service), &runs, "/hook").await;
}

#[tokio::test]
async fn on_a_nested_router() {
    let runs = Arc::new(AtomicU32::new(0));
    let stack = ServiceBuilder::new().layer(verify()).layer(dedup());
    let hooks = Router::new().route("/github", post(pushed)).route_layer(stack);
    let app = Router::new().nest("/hooks", hooks).with_state(runs.clone());
    runs_once(app, &runs, "/hooks/github").await;
}

#[tokio::test]
async fn behind_other_layers() {
    let runs = Arc::new(AtomicU32::new(0));
    let stack = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(CompressionLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(5),
        ))
        .layer(GlobalConcurrencyLimitLayer::new(8))
        .layer(verify())
        .layer(dedup());
    let app = Router::new().route("/hook", post(pushed)).route_layer(stack);
    runs_once(app.with_state(runs.clone()), &runs, "/hook").await;
}

#[tokio::test]
async fn around_other_layers() {
    let runs = Arc::new(AtomicU32::new(0));
    let stack = ServiceBuilder::new()
        .layer(verify())
        .layer(dedup())
        .layer(CompressionLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(8));
    // The answers of a TraceLayer have no default body, so it is a layer of its own, or outside.
    let app = Router::new()
        .route("/hook", post(pushed))
        .route_layer(TraceLayer::new_for_http())
        .route_layer(stack);
    runs_once(app.with_state(runs.clone()), &runs, "/hook").await;
}

/// axum makes the layers of a router without a state anew for each request; one limit is one all the same.
#[tokio::test]
async fn a_limit_inside_is_one_for_all_requests() {
    let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let seen = most.clone();
    let handler = move || {
        let (running, seen) = (running.clone(), seen.clone());
        async move {
            seen.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            running.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let stack = ServiceBuilder::new()
        .layer(verify())
        .layer(dedup())
        .layer(GlobalConcurrencyLimitLayer::new(2));
    let app: Router = Router::new().route("/hook", post(handler)).route_layer(stack);
    let requests = (0..8).map(|n| github("/hook").valid(&push(&n.to_string())));
    let answers: JoinSet<_> = requests.map(|request| app.clone().oneshot(request)).collect();
    for answer in answers.join_all().await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

/// A middleware that sees what was verified.
async fn tagged(request: Request, next: Next) -> axum::response::Response {
    let source = request.extensions().get::<Delivery>().unwrap().source().to_owned();
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-source", source.parse().unwrap());
    response
}

#[tokio::test]
async fn with_a_middleware_function_inside() {
    // As a layer of its own, inside because it is added first …
    let stack = || ServiceBuilder::new().layer(verify()).layer(dedup());
    let outside = Router::new()
        .route("/hook", post(pushed))
        .route_layer(middleware::from_fn(tagged))
        .route_layer(stack());
    // … or in the same stack, which gives it the type of body that it wants.
    let same = ServiceBuilder::new()
        .layer(verify())
        .layer(dedup())
        .layer(MapRequestBodyLayer::new(Body::new))
        .layer(middleware::from_fn(tagged));
    let inside = Router::new().route("/hook", post(pushed)).route_layer(same);
    for app in [outside, inside] {
        let runs = Arc::new(AtomicU32::new(0));
        let app = app.with_state(runs.clone());
        let response = app.clone().oneshot(github("/hook").valid(&push("0"))).await.unwrap();
        assert_eq!(response.headers()["x-source"], "github-acme");
        runs.store(0, Ordering::SeqCst);
        runs_once(app, &runs, "/hook").await;
    }
}

#[tokio::test]
async fn extractors_may_stand_in_any_order_and_beside_the_body() {
    async fn handler(
        status: DedupStatus,
        Payload(push): Payload<Push>,
        delivery: Delivery,
        method: Method,
        body: Bytes,
    ) -> String {
        assert_eq!((status, method), (DedupStatus::Claimed, Method::POST));
        assert_eq!(delivery.body(), &body);
        format!("{} {} {}", push.r#ref, delivery.id().unwrap(), delivery.event().unwrap())
    }
    let stack = ServiceBuilder::new().layer(verify()).layer(dedup());
    let app: Router = Router::new().route("/hook", post(handler)).route_layer(stack);
    let response = app.oneshot(github("/hook").valid(&push("1"))).await.unwrap();
    assert_eq!(text(response).await, (200, "refs/heads/main 1 push".into()));
}

#[tokio::test]
async fn a_delivery_has_the_request_and_says_what_its_partner_expects() {
    let scheme = Scheme {
        answer: Answer { status: 202, body: "[accepted]".into() },
        deadline: Duration::from_secs(3),
        retry_horizon: Duration::from_secs(7 * 3600),
        ..presets::GITHUB
    };
    let expected = scheme.clone();
    let handler = async move |delivery: Delivery| {
        assert_eq!(delivery.source(), "github-acme");
        assert_eq!(delivery.headers()["x-github-event"], "push");
        assert_eq!(delivery.headers()["x-beside"], "1");
        assert_eq!(*delivery.answer(), expected.answer);
        assert_eq!(delivery.deadline(), expected.deadline);
        assert_eq!(delivery.retry_horizon(), expected.retry_horizon);
    };
    let verify = VerifyLayer::new(Verifier::new("github-acme", scheme, SECRET).unwrap());
    let app: Router = Router::new().route("/hook", post(handler)).route_layer(verify);
    let mut request = github("/hook").valid(&push("1"));
    request.headers_mut().insert("x-beside", HeaderValue::from_static("1"));
    assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn e8_a_payload_that_does_not_deserialize_is_400_names_the_field_and_runs_when_it_does() {
    #[derive(Deserialize)]
    struct Strict {
        #[expect(dead_code, reason = "it is there to be deserialized")]
        commits: Vec<Commit>,
    }
    #[derive(Deserialize)]
    struct Commit {
        #[expect(dead_code, reason = "it is there to be deserialized")]
        id: u32,
    }
    let stack = ServiceBuilder::new().layer(verify()).layer(dedup());
    let app: Router = Router::new()
        .route("/strict", post(async |_: Payload<Strict>| "done"))
        .route("/lenient", post(async |_: Payload<serde_json::Value>| "done"))
        .route_layer(stack);
    let send = async |uri: &str, body: &str| {
        let message = Message::new(body.to_owned()).id("1").event("push");
        text(app.clone().oneshot(github(uri).valid(&message)).await.unwrap()).await
    };
    for (body, names) in [
        (r#"{"commits":[{"id":1},{"id":"x"}]}"#, "`commits[1].id`"),
        (r#"{"commits":[{}]}"#, "`commits[0]`"),
        (r#"{}"#, "`commits`"),
        ("", "`.`"),
        ("[1,2", "`[0]`"),
    ] {
        let (status, answer) = send("/strict", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(answer.contains(names), "{body}: {answer}");
    }
    // What the partner sent is not repeated as a whole.
    let long = format!(r#"{{"commits":[{{"id":"{}"}}]}}"#, "é".repeat(10_000));
    let (status, answer) = send("/strict", &long).await;
    assert_eq!(status, 400);
    assert!(answer.contains("expected u32") && answer.chars().count() < 300, "{answer}");
    let body = r#"{"commits":[{"id":"x"}]}"#;
    assert_eq!(send("/strict", body).await.0, 400);
    assert_eq!(send("/lenient", body).await, (200, "done".into()), "it was released");
    assert_eq!(send("/lenient", body).await, (200, String::new()));
}

#[tokio::test]
async fn extractors_without_their_layers_are_500() {
    let app: Router = Router::new()
        .route("/delivery", post(async |_: Delivery| "done"))
        .route("/payload", post(async |_: Payload<serde_json::Value>| "done"))
        .route("/status", post(async |_: DedupStatus| "done"));
    for uri in ["/delivery", "/payload", "/status"] {
        let response = app.clone().oneshot(github(uri).valid(&push("1"))).await.unwrap();
        assert_eq!(response.status(), 500, "{uri}");
    }
}

/// Real HTTP, through the server that comes with it.
#[tokio::test]
async fn over_a_socket() {
    let runs = Arc::new(AtomicU32::new(0));
    let stack = ServiceBuilder::new().layer(verify()).layer(dedup());
    let app =
        Router::new().route("/hook", post(pushed)).route_layer(stack).with_state(runs.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, app).run(std::future::pending()));
    for expected in ["refs/heads/main", ""] {
        let request = github("/hook").valid(&push("1"));
        let mut wire =
            format!("POST {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n", request.uri());
        for (name, value) in request.headers() {
            wire.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        let body: Bytes = request.into_body().collect().await.unwrap().to_bytes();
        wire.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(wire.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{answer}");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

/// E4: what a decompression layer outside does is documented: the bytes that were signed are gone, so
/// nothing of it is accepted.
#[tokio::test]
async fn e4_a_decompression_layer_outside_leaves_nothing_to_verify() {
    let runs = Arc::new(AtomicU32::new(0));
    let stack = ServiceBuilder::new()
        .layer(tower_http::decompression::RequestDecompressionLayer::new())
        .layer(verify())
        .layer(dedup());
    let app =
        Router::new().route("/hook", post(pushed)).route_layer(stack).with_state(runs.clone());
    // The partner signs what it sends: gzip of `{}`.
    let gzip: &[u8] =
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];
    let mut request = github("/hook").valid(&Message::new(gzip).id("1").event("push"));
    request.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn json_extractors_of_axum_work_behind_the_layers_as_well() {
    let stack = ServiceBuilder::new().layer(verify()).layer(dedup());
    let app: Router = Router::new()
        .route("/hook", post(async |Json(push): Json<Push>| push.r#ref))
        .route_layer(stack);
    let response = app.oneshot(github("/hook").valid(&push("1"))).await.unwrap();
    assert_eq!(text(response).await, (200, "refs/heads/main".into()));
}
