//! Requests with one delivery, over a store that fails, from clients that hang up: whatever the order, one
//! handler runs at a time, none after a success, and no claim is left behind.
//!
//! shuttle has no time. What sleeps goes on at once, and a handler that awaits has had its time; the clock of
//! the store stands still, so no lease ends.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use inhook::dedup::{Claim, Dedup, DedupError, Ticket, Token};
use inhook::delivery::Key;
use inhook::inbox::Settled;
use inhook::{DedupLayer, Delivery, MemoryDedup, VerifyLayer};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Mutex;
use tower::{Layer, Service, ServiceExt, service_fn};

mod common;

use common::{ORDERS, Standing, request, verifier};

type Answer = Response<Full<Bytes>>;

#[test]
fn one_handler_at_a_time_none_after_a_success_and_no_claim_is_left() {
    shuttle::check_random(|| block_on(guarded(memory())), ORDERS);
}

#[test]
fn the_same_where_threads_seldom_switch() {
    shuttle::check_pct(|| block_on(guarded(memory())), ORDERS, 3);
}

#[test]
#[should_panic(expected = "one too many")]
fn a_store_that_looks_and_then_claims_is_found_out() {
    shuttle::check_random(|| block_on(guarded(LooksFirst::default())), ORDERS);
}

#[test]
#[should_panic(expected = "a claim was left behind")]
fn a_service_that_ends_with_its_client_is_found_out() {
    shuttle::check_random(|| block_on(unguarded(memory())), ORDERS);
}

fn memory() -> MemoryDedup {
    MemoryDedup::new().clock(Arc::new(Standing::new()))
}

/// The layer, as it is used.
async fn guarded<D: Dedup>(store: D) {
    let work = Arc::new(Work::default());
    let layer = DedupLayer::new(Arc::new(Failing { store, work: work.clone() }));
    let inner = work.clone();
    let service = layer.layer(service_fn(move |_| handle(inner.clone())));
    check(service, &work, layer.drain()).await;
}

/// What is written easily: claim, handle, commit, in the future that the server drops.
async fn unguarded<D: Dedup>(store: D) {
    let (store, work) = (Arc::new(store), Arc::new(Work::default()));
    let inner = work.clone();
    let service = service_fn(move |request: Request<Full<Bytes>>| {
        let (store, work) = (store.clone(), inner.clone());
        async move {
            let delivery = request.extensions().get::<Delivery>().unwrap();
            let ticket = Ticket::new(delivery, Duration::from_secs(30));
            match store.claim(&ticket).await.unwrap() {
                Claim::Granted => {}
                Claim::InFlight => return Ok::<_, Infallible>(answer(503)),
                Claim::Committed => return Ok(answer(200)),
            }
            let answer = handle(work).await?;
            let settled = match answer.status().is_success() {
                true => store.commit(&ticket).await,
                false => store.release(&ticket).await,
            };
            assert_eq!(settled.unwrap(), Settled::Recorded);
            Ok(answer)
        }
    });
    check(service, &work, ready(())).await;
}

/// Three clients, and two more when all is over and nothing fails any more.
async fn check<S>(service: S, work: &Work, drain: impl Future<Output = ()>)
where
    S: Service<Request<Full<Bytes>>, Response = Answer, Error: Debug + Send, Future: Send>,
    S: Clone + Send + 'static,
{
    let service = VerifyLayer::new(verifier()).layer(service);
    let request = request("msg_1").map(Full::new);
    let clients = [(); 3].map(|()| spawn(client(service.clone().oneshot(request.clone()))));
    for client in clients {
        client.await.unwrap();
    }
    drain.await;
    assert_eq!(*work.wrong.lock().unwrap(), None, "one too many");
    assert_eq!(work.running.load(SeqCst), 0, "a handler runs on after the drain");

    work.calm.store(true, SeqCst);
    for _ in 0..2 {
        let answer = service.clone().oneshot(request.clone()).await.unwrap();
        assert_eq!(answer.status(), 200, "a claim was left behind");
    }
    assert_eq!(*work.wrong.lock().unwrap(), None, "one too many");
    assert_eq!(work.successes.load(SeqCst), 1);
}

/// Waits for its answer, but not for long.
async fn client<E: Debug>(answer: impl Future<Output = Result<Answer, E>>) {
    let mut answer = pin!(answer);
    for _ in 0..thread_rng().gen_range(1..20) {
        let polled = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
        if let Poll::Ready(answer) = polled {
            assert!([200, 500, 503].contains(&answer.unwrap().status().as_u16()));
            return;
        }
        yield_now().await;
    }
}

/// What the handlers of one delivery did.
#[derive(Default)]
struct Work {
    running: AtomicU32,
    successes: AtomicU32,
    /// What must not be: the layer answers a panic of a handler like any other failure.
    wrong: Mutex<Option<&'static str>>,
    /// Nothing fails any more.
    calm: AtomicBool,
}

impl Work {
    /// Whether to fail, or to wait, this time.
    fn chance(&self, percent: u32) -> bool {
        !self.calm.load(SeqCst) && thread_rng().gen_range(0..100) < percent
    }
}

/// May fail, await, or be dropped.
async fn handle(work: Arc<Work>) -> Result<Answer, Infallible> {
    struct Running(Arc<Work>);
    impl Drop for Running {
        fn drop(&mut self) {
            self.0.running.fetch_sub(1, SeqCst);
        }
    }
    if work.running.fetch_add(1, SeqCst) > 0 {
        *work.wrong.lock().unwrap() = Some("two handlers at once");
    }
    let running = Running(work.clone());
    if work.successes.load(SeqCst) > 0 {
        *work.wrong.lock().unwrap() = Some("a handler after a success");
    }
    shuttle::thread::yield_now();
    if work.chance(20) {
        yield_now().await;
    }
    shuttle::thread::yield_now();
    if work.chance(30) {
        return Ok(answer(500));
    }
    work.successes.fetch_add(1, SeqCst);
    drop(running);
    Ok(answer(200))
}

fn answer(status: u16) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

/// A store whose operations take their time and now and then fail, before they are done or after that.
struct Failing<D> {
    store: D,
    work: Arc<Work>,
}

impl<D> Failing<D> {
    async fn step(&self) -> Result<(), DedupError> {
        yield_now().await;
        match self.work.chance(10) {
            true => Err(DedupError::unavailable("the network is down")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl<D: Dedup> Dedup for Failing<D> {
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError> {
        self.step().await?;
        let claim = self.store.claim(ticket).await?;
        self.step().await?;
        Ok(claim)
    }

    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        self.step().await?;
        let settled = self.store.commit(ticket).await?;
        self.step().await?;
        Ok(settled)
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        self.step().await?;
        let settled = self.store.release(ticket).await?;
        self.step().await?;
        Ok(settled)
    }
}

/// A store with a gap between the look and the claim. `None` is a delivery that was handled.
#[derive(Default)]
struct LooksFirst(Mutex<HashMap<Key, Option<Token>>>);

#[async_trait]
impl Dedup for LooksFirst {
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError> {
        let held = self.0.lock().unwrap().get(&ticket.key()).copied();
        match held {
            Some(None) => return Ok(Claim::Committed),
            Some(Some(token)) if token != ticket.token() => return Ok(Claim::InFlight),
            _ => {}
        }
        self.0.lock().unwrap().insert(ticket.key(), Some(ticket.token()));
        Ok(Claim::Granted)
    }

    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        self.0.lock().unwrap().insert(ticket.key(), None);
        Ok(Settled::Recorded)
    }

    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError> {
        let mut held = self.0.lock().unwrap();
        if held.get(&ticket.key()) != Some(&Some(ticket.token())) {
            return Ok(Settled::Stale);
        }
        held.remove(&ticket.key());
        Ok(Settled::Recorded)
    }
}
