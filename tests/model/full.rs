//! A `MemoryInbox` at its bounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use inhook::inbox::{Inbox, InboxError, LeaseOptions, Ledger, Outcome, Put, Settled};
use inhook::testing::FakeClock;
use inhook::{MemoryInbox, WhenFull};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::runtime::Builder;

use super::op::{HOUR, MINUTE, Name, SECOND, millis};
use super::partner::{self, Partners};
use super::rules::same;
use super::search::Search;

#[derive(Debug, Clone, Copy)]
struct Bounds {
    deliveries: usize,
    bytes: usize,
    keys: usize,
}

/// In bytes three of the source that sends few headers, and two of the other one.
const NARROW: Bounds = Bounds { deliveries: 3, bytes: 2_346, keys: 5 };
const WIDE: Bounds = Bounds { deliveries: 1_000, bytes: 1 << 20, keys: 10_000 };
/// What a key is counted with.
const KEY_BYTES: usize = 48;

/// How many places there are in a map that was made for so many headers: a quarter of its slots stays free.
fn places(headers: usize) -> usize {
    let slots = (headers + headers / 3).next_power_of_two();
    slots - slots / 4
}

#[derive(Debug, Clone)]
enum Op {
    Put(Name),
    /// Leases up to so many, and handles them or gives them up.
    Handle(usize),
    Kill(usize),
    Advance(i64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let seconds = select(vec![SECOND, MINUTE, HOUR, 95 * HOUR, 96 * HOUR, 97 * HOUR]);
    vec(
        prop_oneof![
            // More names than there are places for keys.
            6 => (0usize..2, 0usize..4).prop_map(|(source, id)| Op::Put(Name(source, id))),
            4 => (1usize..4).prop_map(Op::Handle),
            1 => (1usize..3).prop_map(Op::Kill),
            2 => seconds.prop_map(Op::Advance),
        ],
        1..80,
    )
}

/// What is kept of a delivery: so many bytes, and then its key to the end of a second.
#[derive(Debug)]
enum Kept {
    Waits(usize),
    Until(i64),
}

struct Full {
    clock: Arc<FakeClock>,
    partners: Partners,
    inbox: MemoryInbox,
    bounds: Bounds,
    when_full: WhenFull,
    now: i64,
    kept: BTreeMap<Name, (i64, Kept)>,
}

impl Full {
    fn new(bounds: Bounds, when_full: WhenFull) -> Self {
        let clock = Arc::new(FakeClock::new());
        let inbox = MemoryInbox::new().max_deliveries(bounds.deliveries).max_bytes(bounds.bytes);
        let inbox = inbox.max_key_bytes(bounds.keys * KEY_BYTES).when_full(when_full);
        let inbox = inbox.clock(clock.clone());
        Self {
            partners: Partners::new(&clock),
            clock,
            inbox,
            bounds,
            when_full,
            now: 0,
            kept: BTreeMap::new(),
        }
    }

    async fn step(&mut self, op: &Op) -> Result<(), String> {
        match *op {
            Op::Put(name) => self.put(name).await?,
            Op::Handle(max) => self.settle(max, Outcome::Done).await?,
            Op::Kill(max) => self.settle(max, Outcome::Dead { error: "broken".into() }).await?,
            Op::Advance(time) => self.advance(time),
        }
        let stats = self.inbox.stats().await.map_err(|error| error.to_string())?;
        let unsettled = stats.pending + stats.leased + stats.dead;
        let (expected, bytes) = self.unsettled();
        same("unsettled", expected, usize::try_from(unsettled).unwrap())?;
        if expected > self.bounds.deliveries || bytes > self.bounds.bytes {
            return Err(format!("{expected} deliveries, {bytes} bytes"));
        }
        let well = self.inbox.health().await.is_ok();
        same("health", self.has_room(0), well)
    }

    fn advance(&mut self, time: i64) {
        self.clock.advance(millis(time));
        self.now += time;
    }

    async fn put(&mut self, name: Name) -> Result<(), String> {
        let delivery = self.partners.deliver(name, 0).ok_or("it signs")?;
        let known = match self.kept.get(&name) {
            Some((_, Kept::Waits(_))) => true,
            Some((_, Kept::Until(expires))) => self.now <= *expires,
            None => false,
        };
        let headers = delivery.headers().iter();
        let headers = headers.map(|(name, value)| name.as_str().len() + value.len());
        let beside = 500 + 110 * places(delivery.headers().len()) + 64 * delivery.headers().len();
        let bytes = headers.sum::<usize>() + delivery.body().len() + beside;
        let (room, forgotten) = (self.has_room(bytes), self.is_forgotten(name));
        let put = self.inbox.put(delivery).await;
        let is_right = match put {
            Ok(Put::Duplicate | Put::Revived) => known,
            Ok(Put::New) => {
                if known {
                    forgotten
                } else {
                    room
                }
            }
            Err(InboxError::Full(_)) => !room && (!known || forgotten),
            Err(_) => false,
        };
        if !is_right {
            return Err(format!("put {name:?}: {put:?}; known: {known}, room: {room}"));
        }
        if let Ok(Put::New | Put::Revived) = put {
            self.kept.insert(name, (self.now, Kept::Waits(bytes)));
        }
        Ok(())
    }

    /// Whether its key may be forgotten before its time, and the inbox says so.
    fn is_forgotten(&self, name: Name) -> bool {
        let shortened = i64::try_from(self.inbox.shortened_by().as_millis()).unwrap();
        match self.kept.get(&name) {
            Some((_, Kept::Until(expires))) => *expires <= self.now + shortened,
            _ => false,
        }
    }

    async fn settle(&mut self, max: usize, outcome: Outcome) -> Result<(), String> {
        let options = LeaseOptions::new(max, millis(MINUTE), 5);
        let batch = self.inbox.lease(options).await.map_err(|error| error.to_string())?;
        for job in batch.jobs {
            let settled = self.inbox.settle(job.lease(), outcome.clone()).await;
            same("settle", Some(Settled::Recorded), settled.ok())?;
            let source = partner::NAMES.iter().position(|name| *name == job.source());
            let id = job.id().and_then(|id| id.strip_prefix("id-")?.parse().ok());
            let name = Name(source.ok_or("a source")?, id.ok_or("an id")?);
            if let (Some((started, kept)), Outcome::Done) = (self.kept.get_mut(&name), &outcome) {
                let window = *started + partner::windows(false)[name.0];
                *kept = Kept::Until(window.max(self.now + partner::FRESHNESS[name.0]));
            }
        }
        Ok(())
    }

    /// How many, and how many bytes.
    fn unsettled(&self) -> (usize, usize) {
        let waits = self.kept.values().filter_map(|(_, kept)| match kept {
            Kept::Waits(bytes) => Some(bytes),
            Kept::Until(_) => None,
        });
        waits.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes))
    }

    /// For a delivery of so many bytes, and for the key that it leaves.
    fn has_room(&self, bytes: usize) -> bool {
        let (unsettled, held) = self.unsettled();
        let keys = self.kept.values().filter(|(_, kept)| match kept {
            Kept::Waits(_) => true,
            Kept::Until(expires) => self.now <= *expires,
        });
        let shortens = self.when_full == WhenFull::ShortenWindow;
        let Bounds { deliveries, bytes: most, keys: places } = self.bounds;
        unsettled < deliveries && held + bytes <= most && (shortens || keys.count() < places)
    }
}

#[test]
fn d8_a_full_inbox_refuses_what_is_new_and_forgets_nothing_unsaid() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    for when_full in [WhenFull::Refuse, WhenFull::ShortenWindow] {
        Search::new(256).finds_none(ops(), |ops| {
            let mut full = Full::new(NARROW, when_full);
            runtime.block_on(async {
                for op in ops {
                    full.step(op).await?;
                }
                Ok(())
            })
        });
    }
}

/// So many deliveries that the set of keys grows again and again, while others expire.
#[test]
fn d8_no_key_is_forgotten_early_while_their_set_grows() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let pause = select(vec![SECOND, MINUTE, HOUR, 40 * HOUR, 95 * HOUR]);
    Search::new(48).finds_none(vec((pause, 1usize..60), 1..10), |bursts| {
        runtime.block_on(async {
            let mut full = Full::new(WIDE, WhenFull::Refuse);
            let mut put = 0;
            for (pause, burst) in bursts {
                full.advance(*pause);
                for id in put..put + burst {
                    full.put(Name(0, id)).await?;
                }
                full.settle(*burst, Outcome::Done).await?;
                put += burst;
            }
            for id in 0..put {
                full.put(Name(0, id)).await?;
            }
            Ok(())
        })
    });
}
