//! [`Partner`] signs for every scheme what is accepted, and what is not.

use std::sync::Arc;

use axum::Router;
use axum::http::Request;
use axum::routing::post;
use bytes::Bytes;
use http_body_util::Full;
use inhook::sign::Message;
use inhook::testing::{FakeClock, Partner};
use inhook::{Verifier, VerifyLayer, presets};
use tower::ServiceExt;

mod common;
use common::{PRESETS, SECRET, SHORTLINKS, shortlink};

/// Something that each of them takes: an id and a type wherever they look for one.
fn message() -> Message {
    let body = shortlink("wh_1").replacen('{', r#"{"id":"evt_1","type":"ping","#, 1);
    Message::new(body).event("ping")
}

async fn status(app: &Router, request: Request<Full<Bytes>>) -> u16 {
    app.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn what_it_sends_is_accepted_and_what_it_forges_is_not() {
    for scheme in PRESETS.into_iter().chain([SHORTLINKS]) {
        let clock = Arc::new(FakeClock::new());
        let verifier = Verifier::builder("acme", scheme.clone(), SECRET).clock(clock.clone());
        let verify = VerifyLayer::new(verifier.build().unwrap());
        let app: Router = Router::new().route("/", post(async || ())).route_layer(verify);
        let partner = Partner::new(scheme.clone(), SECRET).clock(clock);
        let name = &scheme.name;
        assert_eq!(status(&app, partner.valid(&message())).await, 200, "{name}");
        assert_eq!(status(&app, partner.tampered(&message())).await, 401, "{name}");
        assert_eq!(status(&app, partner.wrong_secret(&message())).await, 401, "{name}");
        if scheme.sent_at.is_some() {
            assert_eq!(status(&app, partner.stale(&message())).await, 401, "{name}");
            assert_eq!(status(&app, partner.future(&message())).await, 401, "{name}");
        }
    }
}

#[test]
#[should_panic(expected = "github signs no time")]
fn a_scheme_without_a_time_has_no_stale_requests() {
    let _ = Partner::new(presets::GITHUB, SECRET).stale(&message());
}

#[tokio::test]
async fn another_path_keeps_what_is_signed_in_the_query() {
    for (scheme, url) in [
        (presets::TWILIO_JSON, "https://hooks.example.com/in"),
        (presets::MERCADOPAGO, "https://hooks.example.com/in?data.id=1"),
    ] {
        let verifier = Verifier::builder("acme", scheme.clone(), SECRET).url(url).build().unwrap();
        let verify = VerifyLayer::new(verifier);
        let app: Router = Router::new().route("/in", post(async || ())).route_layer(verify);
        let partner = Partner::for_url(scheme.clone(), SECRET, url).uri("/in");
        let message = Message::new(r#"{"id":1,"data":{"id":"1"},"type":"ping"}"#).id("1");
        assert_eq!(status(&app, partner.valid(&message)).await, 200, "{}", scheme.name);
    }
}
