//! What [`DedupLayer`] does with a handler that answers, fails, panics, hangs, streams or is hung up on,
//! and with a store that fails.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use inhook::dedup::{Claim, Dedup, DedupError, Ticket};
use inhook::inbox::Settled;
use inhook::scheme::{Identity, Scheme};
use inhook::sign::Message;
use inhook::testing::{Failing, FakeClock, Mode, Partner};
use inhook::{
    ConfigError, DedupLayer, DedupStatus, Delivery, MemoryDedup, Verifier, VerifyLayer, WhenFull,
    presets,
};
use tokio::sync::{Notify, Semaphore, mpsc};
use tower::{Layer, Service, ServiceExt, service_fn};

mod common;
use common::{SECRET, SHORTLINKS, shortlink};

type Answer = Response<Body>;

fn answer(status: u16) -> Answer {
    Response::builder().status(status).body(Body::from("from the handler")).unwrap()
}

fn partner() -> Partner {
    Partner::new(presets::STANDARD_WEBHOOKS, SECRET)
}

/// `{"type":"ping"}` under an id.
fn message(id: &str) -> Message {
    Message::new(r#"{"type":"ping"}"#).id(id)
}

fn verify(scheme: Scheme) -> VerifyLayer {
    VerifyLayer::new(Verifier::new("acme", scheme, SECRET).unwrap())
}

/// A handler behind both layers, as a service that can be cloned.
fn guarded<D, H, F>(
    layer: &DedupLayer<D>,
    handler: H,
) -> impl Service<Request<Full<Bytes>>, Response = Answer, Error = BoxError, Future: Send>
+ Clone
+ use<D, H, F>
where
    D: Dedup,
    H: FnMut(Request<Full<Bytes>>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Answer, BoxError>> + Send + 'static,
{
    verify(presets::STANDARD_WEBHOOKS).layer(layer.layer(service_fn(handler)))
}

type BoxError = inhook::BoxError;

async fn body(response: Answer) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// A layer over memory, whose handler counts its runs and answers what `answers` says, in turn.
struct Counted {
    runs: Arc<AtomicU32>,
}

impl Counted {
    fn new() -> Self {
        Self { runs: Arc::default() }
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    fn handler(&self, statuses: &'static [u16]) -> impl Handler {
        let runs = self.runs.clone();
        move |_| {
            let run = runs.fetch_add(1, Ordering::SeqCst) as usize;
            let status = statuses[run.min(statuses.len() - 1)];
            let answer: AnswerFuture = Box::pin(async move { Ok(answer(status)) });
            answer
        }
    }
}

type AnswerFuture = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

trait Handler: FnMut(Request<Full<Bytes>>) -> AnswerFuture + Clone + Send + 'static {}

impl<H: FnMut(Request<Full<Bytes>>) -> AnswerFuture + Clone + Send + 'static> Handler for H {}

#[tokio::test]
async fn a_duplicate_is_answered_200_and_does_not_reach_the_handler() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let service = guarded(&layer, counted.handler(&[202]));

    let first = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!(
        (first.status(), &*body(first).await),
        (StatusCode::ACCEPTED, &b"from the handler"[..])
    );
    let second = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!((second.status(), &*body(second).await), (StatusCode::OK, &b""[..]));
    assert_eq!(service.oneshot(partner.valid(&message("2"))).await.unwrap().status(), 202);
    assert_eq!(counted.runs(), 2);
}

#[tokio::test]
async fn d1_a_forgery_does_not_touch_the_store() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let service = guarded(&layer, counted.handler(&[200]));
    for forged in [partner.tampered(&message("1")), partner.wrong_secret(&message("1"))] {
        assert_eq!(service.clone().oneshot(forged).await.unwrap().status(), 401);
    }
    assert_eq!(counted.runs(), 0);
    assert_eq!(service.oneshot(partner.valid(&message("1"))).await.unwrap().status(), 200);
    assert_eq!(counted.runs(), 1);
}

#[tokio::test]
async fn d2_d3_d15_an_unsigned_id_is_bound_to_the_content() {
    let counted = Counted::new();
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let github = Partner::new(presets::GITHUB, SECRET);
    let service = verify(presets::GITHUB).layer(layer.layer(service_fn(counted.handler(&[200]))));
    let send = async |id: &str, body: &'static str| {
        let request = github.valid(&Message::new(body).id(id).event("push"));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
        counted.runs()
    };
    // A captured body under a guessed id does not stand in the way of the real one.
    assert_eq!(send("guessed", r#"{"n":1}"#).await, 1);
    assert_eq!(send("guessed", r#"{"n":2}"#).await, 2);
    assert_eq!(send("guessed", r#"{"n":2}"#).await, 2);
    // Equal bodies under new ids both run.
    assert_eq!(send("other", r#"{"n":2}"#).await, 3);
    // A missing id counts as empty.
    let send_without_id = async || {
        let mut request = github.valid(&Message::new(r#"{"n":2}"#).event("push"));
        request.headers_mut().remove("x-github-delivery");
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
        counted.runs()
    };
    assert_eq!(send_without_id().await, 4);
    assert_eq!(send_without_id().await, 4);

    // The strict choice.
    let strict = Verifier::builder("strict", presets::GITHUB, SECRET).identity(Identity::Content);
    let counted = Counted::new();
    let service = VerifyLayer::new(strict.build().unwrap())
        .layer(layer.layer(service_fn(counted.handler(&[200]))));
    for id in ["one", "two"] {
        let request = github.valid(&Message::new(r#"{"n":1}"#).id(id).event("push"));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
    }
    assert_eq!(counted.runs(), 1);
}

#[tokio::test]
async fn d6_sources_have_ids_of_their_own_in_one_store() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    for source in ["acme", "other"] {
        let verify = Verifier::new(source, presets::STANDARD_WEBHOOKS, SECRET).unwrap();
        let service =
            VerifyLayer::new(verify).layer(layer.layer(service_fn(counted.handler(&[200]))));
        for _ in 0..2 {
            let request = partner.valid(&message("shared"));
            assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
        }
    }
    assert_eq!(counted.runs(), 2);
}

#[tokio::test]
async fn d10_a_handler_that_fails_runs_again_at_the_next_attempt() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let service = guarded(&layer, counted.handler(&[500, 404, 302, 204, 500]));
    for expected in [500, 404, 302, 204, 200, 200] {
        let response = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
        assert_eq!(response.status(), expected);
    }
    assert_eq!(counted.runs(), 4);
}

#[tokio::test]
async fn d11_the_same_signed_id_with_another_body_is_a_duplicate() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let service = guarded(&layer, counted.handler(&[200]));
    for body in [r#"{"pending_webhooks":2}"#, r#"{"pending_webhooks":1}"#] {
        let request = partner.valid(&Message::new(body).id("evt_1"));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
    }
    assert_eq!(counted.runs(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_of_64_concurrent_copies_one_runs_and_no_other_is_answered_before_it() {
    let partner = partner();
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let (gate, runs, answered) = (
        Arc::new(Semaphore::new(0)),
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (entered, mut inside) = mpsc::unbounded_channel();
    let handler = {
        let (gate, runs) = (gate.clone(), runs.clone());
        move |_| {
            let (gate, runs, entered) = (gate.clone(), runs.clone(), entered.clone());
            async move {
                runs.fetch_add(1, Ordering::SeqCst);
                entered.send(()).unwrap();
                let _ = gate.acquire().await?;
                Ok(answer(200))
            }
        }
    };
    let service = guarded(&layer, handler);
    let copies: Vec<_> = (0..64)
        .map(|_| {
            let (service, answered) = (service.clone(), answered.clone());
            let request = partner.valid(&message("1"));
            tokio::spawn(async move {
                let response = service.oneshot(request).await.unwrap();
                answered.store(true, Ordering::SeqCst);
                response.status()
            })
        })
        .collect();
    inside.recv().await.unwrap();
    assert!(!answered.load(Ordering::SeqCst), "nobody is answered before the handler is");
    gate.add_permits(1);
    for copy in copies {
        assert_eq!(copy.await.unwrap(), 200);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_in_flight_runs_when_the_first_one_fails() {
    let (partner, runs) = (partner(), Arc::new(AtomicU32::new(0)));
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let count = runs.clone();
    let service = guarded(&layer, move |_| {
        let run = count.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(answer(if run == 0 { 500 } else { 200 }))
        }
    });
    let first = tokio::spawn(service.clone().oneshot(partner.valid(&message("1"))));
    let second = tokio::spawn(service.oneshot(partner.valid(&message("1"))));
    assert_eq!(first.await.unwrap().unwrap().status(), 500);
    let second = second.await.unwrap().unwrap();
    assert_eq!((second.status(), &*body(second).await), (StatusCode::OK, &b"from the handler"[..]));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_copy_waits_for_a_second_and_is_then_told_to_come_again() {
    let (partner, started) = (partner(), Arc::new(Notify::new()));
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let start = started.clone();
    let service = guarded(&layer, move |_| {
        start.notify_one();
        async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(answer(200))
        }
    });
    let first = tokio::spawn(service.clone().oneshot(partner.valid(&message("1"))));
    started.notified().await;
    let before = tokio::time::Instant::now();
    let second = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!(second.status(), 503);
    let retry: u32 = second.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&retry));
    let waited = before.elapsed();
    assert!(
        waited >= Duration::from_secs(1) && waited < Duration::from_millis(1_200),
        "{waited:?}"
    );
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    assert_eq!(service.oneshot(partner.valid(&message("1"))).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_panic_is_500_and_the_next_attempt_runs() {
    let (partner, runs) = (partner(), Arc::new(AtomicU32::new(0)));
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let count = runs.clone();
    // In the call itself, in the future, and then not at all.
    let service = guarded(&layer, move |_| {
        let run = count.fetch_add(1, Ordering::SeqCst);
        assert!(run != 0, "in the call");
        async move {
            assert!(run != 1, "in the future");
            Ok(answer(200))
        }
    });
    for (expected, run) in [(500, 1), (500, 2), (200, 3), (200, 3)] {
        let response = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
        assert_eq!((response.status().as_u16(), runs.load(Ordering::SeqCst)), (expected, run));
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_handler_that_is_dropped_for_its_time_is_500_too() {
    let (partner, runs) = (partner(), Arc::new(AtomicU32::new(0)));
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let count = runs.clone();
    let service = guarded(&layer, move |_| {
        let run = count.fetch_add(1, Ordering::SeqCst);
        async move {
            if run == 0 {
                let _bomb = Bomb;
                std::future::pending::<()>().await;
            }
            Ok(answer(200))
        }
    });
    for expected in [500, 200] {
        let response = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
        assert_eq!(response.status(), expected);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_passed_on_and_releases() {
    let (partner, runs) = (partner(), Arc::new(AtomicU32::new(0)));
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let count = runs.clone();
    let service = guarded(&layer, move |_| {
        let run = count.fetch_add(1, Ordering::SeqCst);
        async move { if run == 0 { Err("it broke".into()) } else { Ok(answer(200)) } }
    });
    let error = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap_err();
    assert_eq!(error.to_string(), "it broke");
    assert_eq!(service.oneshot(partner.valid(&message("1"))).await.unwrap().status(), 200);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

/// Notes the order of what happens to the claim and to the handler.
struct Noted<D> {
    inner: D,
    notes: Arc<Mutex<Vec<&'static str>>>,
}

#[async_trait::async_trait]
impl<D: Dedup> Dedup for Noted<D> {
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError> {
        self.inner.claim(ticket).await
    }

    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        self.notes.lock().unwrap().push("committed");
        self.inner.commit(ticket).await
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        self.notes.lock().unwrap().push("released");
        self.inner.release(ticket).await
    }
}

struct Dropped(Arc<Mutex<Vec<&'static str>>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.lock().unwrap().push("dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_answers_is_dropped_and_then_released() {
    let partner = partner();
    let notes: Arc<Mutex<Vec<&str>>> = Arc::default();
    let noted = Noted { inner: MemoryDedup::new(), notes: notes.clone() };
    let layer = DedupLayer::builder(Arc::new(noted))
        .timeout(Duration::from_secs(2))
        .lease(Duration::from_secs(3))
        .build()
        .unwrap();
    let (dropped, hangs) = (notes.clone(), Arc::new(AtomicBool::new(true)));
    let hanging = hangs.clone();
    let service = guarded(&layer, move |_| {
        let (dropped, hangs) = (Dropped(dropped.clone()), hanging.load(Ordering::SeqCst));
        async move {
            let _dropped = dropped;
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(answer(200))
        }
    });
    let response = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(*notes.lock().unwrap(), ["dropped", "released"]);
    hangs.store(false, Ordering::SeqCst);
    let response = service.oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(notes.lock().unwrap()[2..], ["dropped", "committed"]);
}

#[tokio::test]
async fn a_handler_that_outlives_its_lease_does_not_end_the_claim_of_another() {
    let clock = Arc::new(FakeClock::new());
    let partner = partner().clock(clock.clone());
    let dedup = Arc::new(MemoryDedup::new().clock(clock.clone()));
    let layer = DedupLayer::new(dedup.clone());
    let (resume, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let (entered, mut inside) = mpsc::unbounded_channel();
    let handler = {
        let (resume, runs) = (resume.clone(), runs.clone());
        move |_| {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            entered.send(()).unwrap();
            let resume = resume.clone();
            async move {
                resume.acquire().await?.forget();
                // The first one fails after its lease is over: that must not release the second.
                Ok::<_, BoxError>(answer(if run == 0 { 500 } else { 200 }))
            }
        }
    };
    let verifier = Verifier::builder("acme", presets::STANDARD_WEBHOOKS, SECRET);
    let verify = VerifyLayer::new(verifier.clock(clock.clone()).build().unwrap());
    let service = verify.layer(layer.layer(service_fn(handler)));
    let first = tokio::spawn(service.clone().oneshot(partner.valid(&message("1"))));
    inside.recv().await.unwrap();
    clock.advance(Duration::from_secs(31));
    let second = tokio::spawn(service.clone().oneshot(partner.valid(&message("1"))));
    inside.recv().await.unwrap();
    resume.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap().status(), 500);
    let other = Ticket::new(&delivery(&partner, &clock, "1"), Duration::from_secs(30));
    assert_eq!(dedup.claim(&other).await.unwrap(), Claim::InFlight, "the second still holds it");
    resume.add_permits(1);
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
    assert_eq!(dedup.claim(&other).await.unwrap(), Claim::Committed);
    assert_eq!(runs.load(Ordering::SeqCst), 2, "documented: it may run twice");
}

fn delivery(partner: &Partner, clock: &Arc<FakeClock>, id: &str) -> Delivery {
    let verifier = Verifier::builder("acme", presets::STANDARD_WEBHOOKS, SECRET);
    let (parts, _) = partner.valid(&message(id)).into_parts();
    let body = Bytes::from_static(br#"{"type":"ping"}"#);
    verifier.clock(clock.clone()).build().unwrap().verify(Request::from_parts(parts, body)).unwrap()
}

#[tokio::test]
async fn a_streaming_answer_is_committed_when_its_head_is_there() {
    let partner = partner();
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let (frames, rest) = mpsc::channel::<Bytes>(1);
    let rest = Arc::new(Mutex::new(Some(rest)));
    let service = guarded(&layer, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let mut rest = rest.lock().unwrap().take().unwrap();
        async move {
            let stream = http_body_util::StreamBody::new(futures_stream(move |cx| {
                rest.poll_recv(cx).map(|frame| {
                    frame.map(|frame| Ok::<_, BoxError>(http_body::Frame::data(frame)))
                })
            }));
            Ok(Response::new(Body::new(stream)))
        }
    });
    let streaming = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!(streaming.status(), 200);
    // Its body has not even begun.
    let copy = service.oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!((copy.status(), &*body(copy).await), (StatusCode::OK, &b""[..]));
    frames.send(Bytes::from_static(b"late")).await.unwrap();
    drop(frames);
    assert_eq!(&*body(streaming).await, b"late");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

/// A stream from a function that polls.
fn futures_stream<T>(
    poll: impl FnMut(&mut Context<'_>) -> Poll<Option<T>> + Unpin,
) -> impl futures_core::Stream<Item = T> {
    struct Polled<F>(F);
    impl<T, F: FnMut(&mut Context<'_>) -> Poll<Option<T>> + Unpin> futures_core::Stream for Polled<F> {
        type Item = T;
        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
            (self.0)(cx)
        }
    }
    Polled(poll)
}

#[tokio::test]
async fn f5_a_client_that_hangs_up_does_not_stop_the_handler() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let (gate, runs) = (Arc::new(Semaphore::new(0)), counted.runs.clone());
    let (entered, mut inside) = mpsc::unbounded_channel();
    let (open, count) = (gate.clone(), runs.clone());
    let service = guarded(&layer, move |_| {
        let (open, count, entered) = (open.clone(), count.clone(), entered.clone());
        async move {
            entered.send(()).unwrap();
            open.acquire().await?.forget();
            count.fetch_add(1, Ordering::SeqCst);
            Ok(answer(200))
        }
    });
    let request = tokio::spawn(service.clone().oneshot(partner.valid(&message("1"))));
    inside.recv().await.unwrap();
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    layer.drain().await;
    assert_eq!(counted.runs(), 1, "it ran to its end");
    let copy = service.oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!((copy.status(), &*body(copy).await), (StatusCode::OK, &b""[..]));
    assert_eq!(counted.runs(), 1);
}

#[tokio::test]
async fn s14_cancelled_at_each_await_nothing_is_lost_and_no_claim_is_left() {
    let partner = partner();
    for polls in 0..12 {
        let counted = Counted::new();
        let layer = DedupLayer::new(Arc::new(Yielding(MemoryDedup::new())));
        let count = counted.runs.clone();
        let service = guarded(&layer, move |_| {
            let count = count.clone();
            async move {
                tokio::task::yield_now().await;
                count.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(answer(200))
            }
        });
        let mut call = Box::pin(service.clone().oneshot(partner.valid(&message("1"))));
        for _ in 0..polls {
            if futures_poll(call.as_mut()).await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        layer.drain().await;
        let ran = counted.runs();
        let retry = service.oneshot(partner.valid(&message("1"))).await.unwrap();
        assert_eq!(retry.status(), 200, "after {polls} polls there is a claim left");
        assert_eq!(counted.runs(), 1, "after {polls} polls, when it had run {ran} times");
    }
}

/// A store whose every operation has an await in its middle.
struct Yielding<D>(D);

#[async_trait::async_trait]
impl<D: Dedup> Dedup for Yielding<D> {
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError> {
        tokio::task::yield_now().await;
        let claim = self.0.claim(ticket).await;
        tokio::task::yield_now().await;
        claim
    }

    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        tokio::task::yield_now().await;
        let settled = self.0.commit(ticket).await;
        tokio::task::yield_now().await;
        settled
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        self.0.release(ticket).await
    }
}

/// Polls once.
async fn futures_poll<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(move |cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_503_and_the_handler_does_not_run() {
    for mode in [Mode::Fails, Mode::Hangs, Mode::LosesAnswers] {
        let (partner, counted) = (partner(), Counted::new());
        let store = Arc::new(Failing::new(MemoryDedup::new()));
        let layer = DedupLayer::new(store.clone());
        let service = guarded(&layer, counted.handler(&[200]));
        store.set(mode);
        let response = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
        assert_eq!(response.status(), 503, "{mode:?}");
        assert!(response.headers().contains_key(header::RETRY_AFTER));
        assert!(response.extensions().get::<DedupError>().is_some());
        assert_eq!(counted.runs(), 0, "{mode:?}");
        store.set(Mode::Works);
        // A claim that was made although its answer was lost is given back.
        layer.drain().await;
        let response = service.oneshot(partner.valid(&message("1"))).await.unwrap();
        assert_eq!(response.status(), 200, "{mode:?}");
        assert_eq!(counted.runs(), 1, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fail_open_passes_requests_on_counts_them_and_says_so() {
    let partner = partner();
    let store = Arc::new(Failing::new(MemoryDedup::new()));
    let layer = DedupLayer::builder(store.clone()).fail_open().build().unwrap();
    let (seen, mut statuses) = mpsc::unbounded_channel();
    let service = guarded(&layer, move |request: Request<Full<Bytes>>| {
        seen.send(*request.extensions().get::<DedupStatus>().unwrap()).unwrap();
        async { Ok(answer(200)) }
    });
    store.set(Mode::Fails);
    for _ in 0..2 {
        let request = partner.valid(&message("1"));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
        assert_eq!(statuses.recv().await.unwrap(), DedupStatus::Unknown);
    }
    assert_eq!(layer.passed_unchecked(), 2);
    store.set(Mode::Works);
    // What was handled in the meantime is committed once that is possible.
    layer.drain().await;
    let copy = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!((copy.status(), &*body(copy).await), (StatusCode::OK, &b""[..]));
    assert_eq!(service.oneshot(partner.valid(&message("2"))).await.unwrap().status(), 200);
    assert_eq!(statuses.recv().await.unwrap(), DedupStatus::Claimed);
    assert_eq!(layer.passed_unchecked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_is_tried_again_while_the_claim_is_kept() {
    let (partner, counted) = (partner(), Counted::new());
    let store = Arc::new(Failing::new(MemoryDedup::new()));
    let layer = DedupLayer::new(store.clone());
    let (breaking, mut runs) = (store.clone(), counted.handler(&[200]));
    let service = guarded(&layer, move |request| {
        // From here on nothing can be recorded.
        breaking.set(Mode::Fails);
        runs(request)
    });
    let first = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!(first.status(), 200, "the work is done");
    let ticket = || {
        let clock = Arc::new(FakeClock::at(std::time::SystemTime::now()));
        Ticket::new(&delivery(&partner, &clock, "1"), Duration::from_secs(30))
    };
    assert_eq!(store.inner().claim(&ticket()).await.unwrap(), Claim::InFlight);
    store.set(Mode::Works);
    layer.drain().await;
    assert_eq!(store.inner().claim(&ticket()).await.unwrap(), Claim::Committed);
    assert_eq!(counted.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_the_lease_nobody_tries_any_longer() {
    let (partner, counted) = (partner(), Counted::new());
    let store = Arc::new(Failing::new(MemoryDedup::new()));
    let layer = DedupLayer::new(store.clone());
    store.set(Mode::Hangs);
    let service = guarded(&layer, counted.handler(&[200]));
    assert_eq!(service.oneshot(partner.valid(&message("1"))).await.unwrap().status(), 503);
    let before = tokio::time::Instant::now();
    layer.drain().await;
    assert!(before.elapsed() <= Duration::from_secs(31), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_source_without_identity_has_no_duplicates() {
    let counted = Counted::new();
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let github = Partner::new(presets::GITHUB, SECRET);
    let verifier = Verifier::builder("acme", presets::GITHUB, SECRET).identity(Identity::None);
    let (seen, mut statuses) = mpsc::unbounded_channel();
    let mut count = counted.handler(&[200]);
    let handler = move |request: Request<Full<Bytes>>| {
        seen.send(*request.extensions().get::<DedupStatus>().unwrap()).unwrap();
        count(request)
    };
    let service =
        VerifyLayer::new(verifier.build().unwrap()).layer(layer.layer(service_fn(handler)));
    for _ in 0..2 {
        let request = github.valid(&Message::new("{}").id("same").event("push"));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
        assert_eq!(statuses.recv().await.unwrap(), DedupStatus::NoIdentity);
    }
    assert_eq!(counted.runs(), 2);
}

#[tokio::test]
async fn without_a_verify_layer_it_is_500_and_nothing_runs() {
    let counted = Counted::new();
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let service = layer.layer(service_fn(counted.handler(&[200])));
    let response = service.oneshot(partner().valid(&message("1"))).await.unwrap();
    assert_eq!((response.status().as_u16(), counted.runs()), (500, 0));
}

#[test]
fn a_time_out_that_reaches_the_lease_is_refused() {
    let dedup = Arc::new(MemoryDedup::new());
    let seconds = Duration::from_secs;
    for (timeout, lease) in [
        (seconds(0), seconds(30)),
        (seconds(30), seconds(30)),
        (seconds(31), seconds(30)),
        (seconds(1), seconds(90_000)),
    ] {
        let layer = DedupLayer::builder(dedup.clone()).timeout(timeout).lease(lease).build();
        let error = layer.unwrap_err();
        assert!(matches!(error, ConfigError::Dedup { .. }), "{error}");
    }
    DedupLayer::builder(dedup).timeout(seconds(29)).lease(seconds(30)).build().unwrap();
}

#[tokio::test]
async fn d8_s13_a_full_store_refuses_and_forgets_nothing() {
    let clock = Arc::new(FakeClock::new());
    let partner = partner().clock(clock.clone());
    let dedup = MemoryDedup::new().max_deliveries(100).clock(clock.clone());
    let layer = DedupLayer::builder(Arc::new(dedup)).fail_open().build().unwrap();
    let counted = Counted::new();
    let verifier = Verifier::builder("acme", presets::STANDARD_WEBHOOKS, SECRET);
    let verify = VerifyLayer::new(verifier.clock(clock.clone()).build().unwrap());
    let service = verify.layer(layer.layer(service_fn(counted.handler(&[200]))));
    let send = async |id: u32| {
        let request = partner.valid(&message(&format!("{id}")));
        service.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    for id in 0..1_000 {
        assert_eq!(send(id).await, if id < 100 { 200 } else { 503 }, "{id}");
    }
    for id in 0..100 {
        assert_eq!(send(id).await, 200);
    }
    assert_eq!(counted.runs(), 100, "no replay ran, and being full is no failure to pass on");
    // When the window is over there is room again.
    clock.advance(Duration::from_secs(97 * 3_600));
    assert_eq!(send(1_000).await, 200);
    assert_eq!(counted.runs(), 101);
}

#[tokio::test]
async fn a_store_that_shortens_its_window_says_by_how_much() {
    let clock = Arc::new(FakeClock::new());
    let dedup = MemoryDedup::new().max_deliveries(100).when_full(WhenFull::ShortenWindow);
    let dedup = dedup.clock(clock.clone());
    let partner = partner().clock(clock.clone());
    let claim = async |id: u32| {
        let ticket =
            Ticket::new(&delivery(&partner, &clock, &id.to_string()), Duration::from_secs(30));
        let claim = dedup.claim(&ticket).await.unwrap();
        if claim == Claim::Granted {
            assert_eq!(dedup.commit(&ticket).await.unwrap(), Settled::Recorded);
        }
        claim
    };
    assert_eq!(dedup.shortened_by(), Duration::ZERO);
    for id in 0..1_000 {
        assert_eq!(claim(id).await, Claim::Granted);
    }
    assert_eq!(claim(999).await, Claim::Committed, "the latest are remembered");
    assert!(dedup.shortened_by() > Duration::from_secs(95 * 3_600), "{:?}", dedup.shortened_by());
}

/// The control of the two tests above: the policy that moka has by default forgets ids that were seen
/// once, so a replay of them would be accepted.
#[test]
fn d8_control_a_tiny_lfu_cache_forgets_what_it_has_seen_once() {
    let cache = moka::sync::Cache::<u32, ()>::new(100);
    for id in 0..100 {
        cache.insert(id, ());
        // Seen again and again, as the ids of an attacker's flood are.
        for _ in 0..5 {
            cache.get(&id);
        }
    }
    cache.run_pending_tasks();
    cache.insert(1_000, ());
    cache.run_pending_tasks();
    assert!(!cache.contains_key(&1_000), "the newest id is the one that is forgotten");
}

#[tokio::test]
async fn d14_a_body_that_is_stamped_anew_at_each_attempt_is_a_duplicate() {
    let counted = Counted::new();
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let partner = Partner::new(SHORTLINKS, SECRET);
    let service = verify(SHORTLINKS).layer(layer.layer(service_fn(counted.handler(&[200]))));
    let now = std::time::SystemTime::now();
    for age in [2, 1, 0] {
        let clock = Arc::new(FakeClock::at(now - Duration::from_secs(age)));
        let partner = Partner::new(SHORTLINKS, SECRET).clock(clock);
        let request = partner.valid(&Message::new(shortlink("wh_1")));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
    }
    for refused in [
        partner.stale(&Message::new(shortlink("wh_2"))),
        partner.future(&Message::new(shortlink("wh_2"))),
    ] {
        assert_eq!(service.clone().oneshot(refused).await.unwrap().status(), 401);
    }
    assert_eq!(counted.runs(), 1);
}
