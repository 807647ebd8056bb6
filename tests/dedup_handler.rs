//! What [`DedupLayer`](inhook::DedupLayer) does with a handler that fails, panics, hangs, streams or is hung up on.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::Full;
use inhook::dedup::{Claim, Dedup, DedupError, Ticket};
use inhook::inbox::Settled;
use inhook::layer::BodyBudget;
use inhook::testing::FakeClock;
use inhook::{DedupLayer, MemoryDedup, Rejection, Verifier, VerifyLayer, presets};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tower::limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer};
use tower::load_shed::LoadShed;
use tower::{Layer, Service, ServiceExt, service_fn};

mod common;
use common::SECRET;
use common::guard::{BoxError, Counted, answer, body, delivery, guarded, message, partner, verify};

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

/// Says that a delivery is claimed long after it was.
struct Late<D>(D, Duration);

#[async_trait::async_trait]
impl<D: Dedup> Dedup for Late<D> {
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError> {
        let claim = self.0.claim(ticket).await;
        tokio::time::sleep(self.1).await;
        claim
    }

    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        self.0.commit(ticket).await
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        self.0.release(ticket).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_does_not_start_when_the_answer_to_its_claim_came_too_late() {
    let (partner, counted) = (partner(), Counted::new());
    let late = Arc::new(Late(MemoryDedup::new(), Duration::from_millis(400)));
    for (timeout, status, runs) in [(300, 503, 0), (500, 200, 1)] {
        let layer = DedupLayer::builder(late.clone())
            .timeout(Duration::from_millis(timeout))
            .lease(Duration::from_secs(1))
            .build()
            .unwrap();
        let service = guarded(&layer, counted.handler(&[200]));
        let response = service.oneshot(partner.valid(&message("1"))).await.unwrap();
        assert_eq!((response.status().as_u16(), counted.runs()), (status, runs));
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_time_passed_while_nobody_polled_it_does_not_go_on() {
    let (partner, runs) = (partner(), Arc::new(AtomicU32::new(0)));
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let (count, gate) = (runs.clone(), Arc::new(Semaphore::new(0)));
    let open = gate.clone();
    let service = guarded(&layer, move |_| {
        let (count, open) = (count.clone(), open.clone());
        async move {
            open.acquire().await?.forget();
            count.fetch_add(1, Ordering::SeqCst);
            Ok(answer(200))
        }
    });
    let mut held = Box::pin(service.clone().oneshot(partner.valid(&message("1"))));
    assert!(futures_poll(held.as_mut()).await.is_pending());
    // As behind an outer layer that is busy with something else, or in a process that was stopped.
    gate.add_permits(2);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(held.await.unwrap().status(), 503);
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    assert_eq!(service.oneshot(partner.valid(&message("1"))).await.unwrap().status(), 200);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
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

/// Whoever hangs up can't have more bodies in memory than the budget has room for.
#[tokio::test]
async fn f5_a_handler_that_goes_on_has_its_share_of_the_budget() {
    let budget = BodyBudget::new(1 << 20);
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let gate = Arc::new(Semaphore::new(0));
    let open = gate.clone();
    let handler = service_fn(move |_: Request<Full<Bytes>>| {
        let open = open.clone();
        async move {
            open.acquire().await?.forget();
            Ok::<_, BoxError>(answer(200))
        }
    });
    let service = verify(presets::STANDARD_WEBHOOKS).body_budget(budget.clone());
    let service = service.layer(layer.layer(handler));
    let length = r#"{"type":"ping"}"#.len();
    let mut call = Box::pin(service.oneshot(partner().valid(&message("1"))));
    while budget.used() < length {
        assert!(futures_poll(call.as_mut()).await.is_pending());
    }
    drop(call);
    tokio::task::yield_now().await;
    assert_eq!(budget.used(), length, "the handler may have the body");
    gate.add_permits(1);
    layer.drain().await;
    assert_eq!(budget.used(), 0);
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

/// Whoever knows where the endpoint is can send headers and half of a body.
#[tokio::test(start_paused = true)]
async fn a_place_in_the_inner_service_is_for_what_is_verified() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let handler = ConcurrencyLimitLayer::new(1).layer(service_fn(counted.handler(&[200])));
    let service = verify(presets::STANDARD_WEBHOOKS).layer(layer.layer(handler));
    let (parts, _) = partner.valid(&message("1")).into_parts();
    let endless =
        Body::from_stream(futures_stream(|_| Poll::<Option<Result<Bytes, BoxError>>>::Pending));
    let endless = tokio::spawn(service.clone().oneshot(Request::from_parts(parts, endless)));
    tokio::task::yield_now().await;
    let start = Instant::now();
    let get = Request::get("/").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(service.clone().oneshot(get).await.unwrap().status(), 405);
    assert_eq!(service.oneshot(partner.valid(&message("2"))).await.unwrap().status(), 200);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(endless.await.unwrap().unwrap().status(), 408);
    assert_eq!(counted.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_in_vain_is_503_and_may_come_again() {
    let (partner, counted) = (partner(), Counted::new());
    let layer = DedupLayer::new(Arc::new(MemoryDedup::new()));
    let places = Arc::new(Semaphore::new(1));
    let handler = service_fn(counted.handler(&[200]));
    let limit = GlobalConcurrencyLimitLayer::with_semaphore(places.clone());
    let service = verify(presets::STANDARD_WEBHOOKS).layer(layer.layer(limit.layer(handler)));
    let send = async |id| {
        let answer = service.clone().oneshot(partner.valid(&message(id)));
        let answer = tokio::time::timeout(Duration::from_secs(60), answer).await;
        answer.expect("it waits for ever").unwrap().status()
    };
    let taken = places.acquire().await.unwrap();
    let start = Instant::now();
    assert_eq!(send("1").await, 503);
    assert!((5..7).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    // One that gets the place in time.
    let (answer, ()) = tokio::join!(send("2"), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(taken);
    });
    assert_eq!(answer, 200);
    assert_eq!(send("1").await, 200);
    assert_eq!(counted.runs(), 2);
}

/// Whose `poll_ready` fails or panics at first, and works then.
#[derive(Clone, Default)]
struct Unready {
    asked: Arc<AtomicU32>,
}

impl Service<Request<Full<Bytes>>> for Unready {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self.asked.fetch_add(1, Ordering::SeqCst) {
            0 => Poll::Ready(Err("it is not there".into())),
            1 => panic!("it is not there either"),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        std::future::ready(Ok(answer(200)))
    }
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_one_that_fails() {
    let (partner, layer) = (partner(), DedupLayer::new(Arc::new(MemoryDedup::new())));
    let service = verify(presets::STANDARD_WEBHOOKS).layer(layer.layer(Unready::default()));
    let send = async || service.clone().oneshot(partner.valid(&message("1"))).await;
    assert_eq!(send().await.unwrap_err().to_string(), "it is not there");
    assert_eq!(send().await.unwrap().status(), 500);
    assert_eq!(send().await.unwrap().status(), 200);
}

/// Without deduplication it is waited for as long as the partner waits.
#[tokio::test(start_paused = true)]
async fn a_verified_request_waits_for_a_place_until_the_partners_deadline() {
    let (partner, counted) = (partner(), Counted::new());
    let places = Arc::new(Semaphore::new(1));
    let limit = GlobalConcurrencyLimitLayer::with_semaphore(places.clone());
    let limited = limit.layer(service_fn(counted.handler(&[200])));
    let service = verify(presets::STANDARD_WEBHOOKS).layer(limited.clone());
    let taken = places.acquire().await.unwrap();
    let start = Instant::now();
    let response = service.clone().oneshot(partner.valid(&message("1"))).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
    let deadline = presets::STANDARD_WEBHOOKS.deadline;
    assert!(start.elapsed() >= deadline, "{:?}", start.elapsed());
    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!((rejection.clone(), counted.runs()), (Rejection::Busy { after: deadline }, 0));
    // Where it shall not wait at all.
    let shed = verify(presets::STANDARD_WEBHOOKS).layer(LoadShed::new(limited));
    let start = Instant::now();
    shed.oneshot(partner.valid(&message("1"))).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO);
    drop(taken);
    assert_eq!(service.oneshot(partner.valid(&message("1"))).await.unwrap().status(), 200);
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
