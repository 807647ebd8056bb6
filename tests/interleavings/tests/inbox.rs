//! Deliveries that arrive twice at once, and workers that look for them and sleep: whatever the order, each is
//! accepted once and handled once, and none is left while the workers sleep.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use inhook::MemoryInbox;
use inhook::inbox::{Inbox, LeaseOptions, Outcome, Put, Settled};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Mutex;
use tokio::sync::Notify;

mod common;

use common::{ORDERS, Standing, request, verifier};

/// How many deliveries there are.
const DELIVERIES: usize = 2;

#[test]
fn each_is_accepted_and_handled_once_and_no_worker_sleeps_through_it() {
    shuttle::check_random(|| block_on(check(Wakes::AsTheInboxSays)), ORDERS);
}

#[test]
fn the_same_where_threads_seldom_switch() {
    shuttle::check_pct(|| block_on(check(Wakes::AsTheInboxSays)), ORDERS, 3);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_bell_that_only_those_hear_who_sleep_already_is_found_out() {
    shuttle::check_random(|| block_on(check(Wakes::ByABell)), ORDERS);
}

/// What a worker that finds nothing waits for.
#[derive(Clone, Copy, PartialEq)]
enum Wakes {
    AsTheInboxSays,
    /// It is rung when a delivery is new or back.
    ByABell,
}

struct Receiver {
    inbox: MemoryInbox,
    bell: Notify,
    accepted: AtomicU32,
    handling: Mutex<HashSet<String>>,
    handled: AtomicU32,
    /// All is handled.
    over: Notify,
}

async fn check(wakes: Wakes) {
    let receiver = Arc::new(Receiver {
        inbox: MemoryInbox::new().clock(Arc::new(Standing::new())),
        bell: Notify::new(),
        accepted: AtomicU32::new(0),
        handling: Mutex::default(),
        handled: AtomicU32::new(0),
        over: Notify::new(),
    });
    let workers = [(); 2].map(|()| spawn(work(receiver.clone(), wakes)));
    let partners = [(); 2].map(|()| spawn(deliver(receiver.clone())));
    for partner in partners {
        partner.await.unwrap();
    }
    receiver.over.notified().await;
    for worker in workers {
        worker.abort();
    }
    assert_eq!(receiver.accepted.load(SeqCst), DELIVERIES as u32);
    assert_eq!(receiver.handled.load(SeqCst), DELIVERIES as u32);
}

async fn deliver(receiver: Arc<Receiver>) {
    let verifier = verifier();
    for n in 0..DELIVERIES {
        let delivery = verifier.verify(request(&format!("msg_{n}"))).unwrap();
        match receiver.inbox.put(delivery).await.unwrap() {
            Put::New => {
                receiver.accepted.fetch_add(1, SeqCst);
                receiver.bell.notify_waiters();
            }
            Put::Duplicate => {}
            Put::Revived => panic!("nothing is dead"),
        }
        yield_now().await;
    }
}

async fn work(receiver: Arc<Receiver>, wakes: Wakes) {
    loop {
        let options = LeaseOptions::new(1, Duration::from_secs(30), 1_000);
        let batch = receiver.inbox.lease(options).await.unwrap();
        if batch.jobs.is_empty() {
            yield_now().await;
            match wakes {
                Wakes::AsTheInboxSays => receiver.inbox.ready().await,
                Wakes::ByABell => receiver.bell.notified().await,
            }
        }
        for job in batch.jobs {
            let key = job.key().to_string();
            assert!(receiver.handling.lock().unwrap().insert(key.clone()), "two workers at once");
            yield_now().await;
            receiver.handling.lock().unwrap().remove(&key);
            // Sometimes it is not for this worker.
            let done = thread_rng().gen_bool(0.7);
            let outcome = if done { Outcome::Done } else { Outcome::Released };
            let settled = receiver.inbox.settle(job.lease(), outcome).await.unwrap();
            assert_eq!(settled, Settled::Recorded);
            if !done {
                receiver.bell.notify_waiters();
            }
            if done && receiver.handled.fetch_add(1, SeqCst) + 1 == DELIVERIES as u32 {
                receiver.over.notify_one();
            }
        }
    }
}
