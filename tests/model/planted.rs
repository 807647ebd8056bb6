//! Inboxes with a bug: the search must find each of them, or it finds nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use inhook::clock::Clock;
use inhook::delivery::Key;
use inhook::inbox::{
    Batch, Detail, Entry, Filter, Inbox, InboxError, Job, Lease, LeaseOptions, Ledger, LedgerError,
    Outcome, Put, Record, Settled, State, Stats,
};
use inhook::testing::FakeClock;
use inhook::{Delivery, MemoryInbox};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A copy of a delivery that waits is taken for a new one.
    AcceptsACopy,
    /// A key is forgotten two seconds before its window ends.
    ForgetsTooEarly,
    /// A worker that stalled settles what another one runs.
    AcceptsAStaleSettlement,
    /// The attempt of a suspect is not counted.
    DoesNotCountAnAttempt,
    /// What is to be tried again is taken for handled.
    LosesARetry,
    /// The newest come first.
    LeasesInTheWrongOrder,
    /// A heartbeat does nothing.
    DoesNotExtend,
    /// A lease that was taken over is not reported.
    HidesALostLease,
}

impl Bug {
    pub(crate) const ALL: [Bug; 8] = [
        Bug::AcceptsACopy,
        Bug::ForgetsTooEarly,
        Bug::AcceptsAStaleSettlement,
        Bug::DoesNotCountAnAttempt,
        Bug::LosesARetry,
        Bug::LeasesInTheWrongOrder,
        Bug::DoesNotExtend,
        Bug::HidesALostLease,
    ];
}

/// A [`MemoryInbox`] with a bug.
pub(crate) struct Planted {
    bug: Bug,
    inbox: MemoryInbox,
    /// The newest lease of each delivery.
    leases: Mutex<HashMap<Key, Lease>>,
}

impl Planted {
    pub(crate) fn new(
        bug: Bug,
        clock: Arc<FakeClock>,
        open: impl FnOnce(Arc<dyn Clock>) -> MemoryInbox,
    ) -> Self {
        Self { bug, inbox: open(clock), leases: Mutex::default() }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == bug
    }
}

#[async_trait]
impl Inbox for Planted {
    async fn put(&self, delivery: Delivery) -> Result<Put, InboxError> {
        let found = self.inbox.get(delivery.key()).await;
        let is_settled = found.is_err();
        let put = match self.has(Bug::ForgetsTooEarly) && is_settled {
            true => self.inbox.put_record(two_seconds_later(&Record::new(delivery, false))).await,
            false => self.inbox.put(delivery).await,
        };
        let waits = found.is_ok_and(|detail| detail.entry.state == State::Pending);
        if self.has(Bug::AcceptsACopy) && waits { Ok(Put::New) } else { put }
    }

    async fn put_record(&self, record: Record) -> Result<Put, InboxError> {
        self.inbox.put_record(record).await
    }

    async fn lease(&self, options: LeaseOptions) -> Result<Batch, InboxError> {
        let suspects = options.suspects;
        let mut batch = self.inbox.lease(options).await?;
        if self.has(Bug::LeasesInTheWrongOrder) {
            batch.jobs.reverse();
        }
        if self.has(Bug::DoesNotCountAnAttempt) && suspects {
            for job in &mut batch.jobs {
                let detail = self.inbox.get(job.key()).await.expect("it is leased");
                let record = detail.record.expect("it is leased");
                *job = Job::new(record, job.lease(), job.attempt() - 1, job.total_attempts());
            }
        }
        let leases = batch.jobs.iter().map(|job| (job.key(), job.lease()));
        self.leases.lock().unwrap().extend(leases);
        Ok(batch)
    }

    async fn extend(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>, InboxError> {
        match self.bug {
            Bug::DoesNotExtend => Ok(Vec::new()),
            Bug::HidesALostLease => self.inbox.extend(leases, lease).await.map(|_| Vec::new()),
            _ => self.inbox.extend(leases, lease).await,
        }
    }

    async fn settle(&self, lease: Lease, outcome: Outcome) -> Result<Settled, InboxError> {
        let newest = self.leases.lock().unwrap().get(&lease.key()).copied().unwrap_or(lease);
        match (self.bug, &outcome) {
            (Bug::AcceptsAStaleSettlement, _) => self.inbox.settle(newest, outcome).await,
            (Bug::LosesARetry, Outcome::Retry { .. }) => {
                self.inbox.settle(lease, Outcome::Done).await
            }
            _ => self.inbox.settle(lease, outcome).await,
        }
    }

    async fn ready(&self) {
        self.inbox.ready().await;
    }

    async fn health(&self) -> Result<(), InboxError> {
        self.inbox.health().await
    }
}

#[async_trait]
impl Ledger for Planted {
    async fn list(&self, filter: Filter) -> Result<Vec<Entry>, LedgerError> {
        self.inbox.list(filter).await
    }

    async fn get(&self, key: Key) -> Result<Detail, LedgerError> {
        self.inbox.get(key).await
    }

    async fn replay(&self, key: Key) -> Result<(), LedgerError> {
        self.inbox.replay(key).await
    }

    async fn discard(&self, key: Key) -> Result<(), LedgerError> {
        self.inbox.discard(key).await
    }

    async fn stats(&self) -> Result<Stats, LedgerError> {
        self.inbox.stats().await
    }
}

/// The same, as if it had come later: more than keys are kept for too long.
fn two_seconds_later(record: &Record) -> Record {
    let bytes = record.to_bytes();
    let end = bytes.windows(2).position(|window| window == b"\r\n").unwrap();
    let mut meta: serde_json::Value = serde_json::from_slice(&bytes[..end]).unwrap();
    meta["received_at_ms"] = (meta["received_at_ms"].as_i64().unwrap() + 2_000).into();
    let later = [meta.to_string().as_bytes(), &bytes[end..]].concat();
    Record::from_bytes(&later.into()).unwrap()
}
