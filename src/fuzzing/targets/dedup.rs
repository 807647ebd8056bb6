//! Operations on a store for deduplication, beside a model that is a few lines long.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use crate::clock::Clock;
use crate::dedup::memory::MemoryDedup;
use crate::dedup::{Claim, Dedup, Ticket};
use crate::delivery::Delivery;
use crate::inbox::Settled;
use crate::scheme::presets::STANDARD_WEBHOOKS;
use crate::sign::{Message, Signer};
use crate::verify::Verifier;

/// How many deliveries there are, and the longest run of operations.
const DELIVERIES: usize = 8;
const MAX_OPERATIONS: usize = 512;
const LEASES: [Duration; 2] = [Duration::from_millis(700), Duration::from_secs(30)];
const WINDOW: Duration = Duration::from_secs(10);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Runs the operations that the data says, two bytes each, and compares each answer. Returns whether a
/// delivery was granted to a second ticket.
pub(super) fn operations(data: &[u8]) -> bool {
    let clock = Arc::new(Moved::new());
    let store = MemoryDedup::new().clock(clock.clone());
    let deliveries: Vec<Delivery> = (0..DELIVERIES).map(|n| delivery(n, &clock)).collect();
    let mut model = Model::default();
    let mut tickets: Vec<(usize, Ticket)> = Vec::new();
    for operation in data.as_chunks::<2>().0.iter().take(MAX_OPERATIONS) {
        let [what, which] = operation;
        let which = usize::from(*which);
        match what % 6 {
            // A new ticket for one of the deliveries.
            0 => {
                let (delivery, lease) = (which % DELIVERIES, LEASES[which / DELIVERIES % 2]);
                tickets.push((delivery, Ticket::new(&deliveries[delivery], lease)));
                model.claim(&store, tickets.last().expect("it was pushed"), &clock);
            }
            4 => clock.advance(Duration::from_millis((which * which) as u64 / 4)),
            // The wall clock is set, in either direction; no time passes.
            5 => clock.jump(which as i64 - 128),
            // The others need a ticket.
            _ if tickets.is_empty() => {}
            what => {
                let ticket = &tickets[which % tickets.len()];
                match what {
                    1 => model.claim(&store, ticket, &clock),
                    2 => model.commit(&store, ticket, &clock),
                    _ => model.release(&store, ticket, &clock),
                }
            }
        }
    }
    model.granted.values().any(|tokens| tokens.len() > 1)
}

/// What the rules say.
#[derive(Default)]
struct Model {
    /// Who holds a delivery, and until when.
    claims: HashMap<usize, ([u8; 16], Instant)>,
    /// The second in which a delivery is forgotten.
    committed: HashMap<usize, u64>,
    /// All that ever held it.
    granted: HashMap<usize, Vec<[u8; 16]>>,
}

impl Model {
    fn claim(&mut self, store: &MemoryDedup, (delivery, ticket): &(usize, Ticket), clock: &Moved) {
        let token = *ticket.token().as_bytes();
        let expected = if self.held_by_another(*delivery, token, clock) {
            Claim::InFlight
        } else if self.committed.get(delivery).is_some_and(|second| *second > clock.second()) {
            Claim::Committed
        } else {
            self.claims.insert(*delivery, (token, clock.instant() + ticket.lease()));
            let granted = self.granted.entry(*delivery).or_default();
            if !granted.contains(&token) {
                granted.push(token);
            }
            Claim::Granted
        };
        assert_eq!(now(store.claim(ticket)).expect("memory does not fail"), expected);
    }

    fn commit(&mut self, store: &MemoryDedup, (delivery, ticket): &(usize, Ticket), clock: &Moved) {
        let token = *ticket.token().as_bytes();
        let expected = if self.held_by_another(*delivery, token, clock) {
            Settled::Stale
        } else {
            self.claims.remove(delivery);
            // The next whole second, so never too early.
            self.committed.insert(*delivery, clock.second() + WINDOW.as_secs() + 1);
            Settled::Recorded
        };
        assert_eq!(now(store.commit(ticket)).expect("memory does not fail"), expected);
    }

    fn release(
        &mut self,
        store: &MemoryDedup,
        (delivery, ticket): &(usize, Ticket),
        clock: &Moved,
    ) {
        let token = *ticket.token().as_bytes();
        let held = self.claims.get(delivery).filter(|(holder, _)| *holder == token);
        let lapsed = held.is_some_and(|(_, until)| *until <= clock.instant());
        let expected = if held.is_some() { Settled::Recorded } else { Settled::Stale };
        if held.is_some() {
            self.claims.remove(delivery);
        }
        let settled = now(store.release(ticket)).expect("memory does not fail");
        // A store may have dropped a claim that lapsed.
        assert!(settled == expected || lapsed, "{settled:?} instead of {expected:?}");
    }

    fn held_by_another(&self, delivery: usize, token: [u8; 16], clock: &Moved) -> bool {
        let holder = self.claims.get(&delivery);
        holder.is_some_and(|(holder, until)| *holder != token && *until > clock.instant())
    }
}

fn delivery(n: usize, clock: &Arc<Moved>) -> Delivery {
    let message = Message::new("{}").id(format!("msg_{n}")).sent_at(clock.now());
    let signer = Signer::new(STANDARD_WEBHOOKS, SECRET).expect("a preset signs");
    let verifier = Verifier::builder("acme", STANDARD_WEBHOOKS, SECRET)
        .tolerance(Duration::from_secs(1), Duration::from_secs(1))
        .ttl(WINDOW)
        .clock(clock.clone());
    let request = signer.request(&message).expect("an id that a header can hold");
    verifier.build().expect("a preset builds").verify(request).expect("it is signed now")
}

/// The stores in memory never wait.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a store in memory waits"),
    }
}

/// A clock that the operations move.
#[derive(Debug)]
struct Moved {
    wall: Mutex<(SystemTime, Instant)>,
}

impl Moved {
    fn new() -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_768_469_400);
        Self { wall: Mutex::new((start, Instant::now())) }
    }

    fn advance(&self, by: Duration) {
        let (wall, instant) = &mut *self.lock();
        *wall += by;
        *instant += by;
    }

    fn jump(&self, seconds: i64) {
        let (wall, _) = &mut *self.lock();
        let by = Duration::from_secs(seconds.unsigned_abs());
        *wall = if seconds < 0 { *wall - by } else { *wall + by };
    }

    /// The whole seconds since 1970.
    fn second(&self) -> u64 {
        self.now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (SystemTime, Instant)> {
        self.wall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for Moved {
    fn now(&self) -> SystemTime {
        self.lock().0
    }

    fn instant(&self) -> Instant {
        self.lock().1
    }
}
