//! An inbox under test, and short names for what is done with it.

use std::sync::Arc;
use std::time::Duration;

use super::Capabilities;
use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::inbox::{Batch, Inbox, Job, LeaseOptions, Ledger, Outcome, Put, Record, Settled, State};
use crate::scheme::presets::STANDARD_WEBHOOKS;
use crate::sign::{Message, Signer};
use crate::testing::FakeClock;
use crate::verify::Verifier;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(super) const LEASE: Duration = Duration::from_secs(60);
pub(super) const ATTEMPTS: u32 = 5;

/// An empty inbox and its clock.
pub(super) struct Bench<I> {
    pub(super) inbox: Arc<I>,
    pub(super) clock: Arc<FakeClock>,
    pub(super) capabilities: Capabilities,
}

impl<I: Inbox + Ledger> Bench<I> {
    /// A delivery that is signed now.
    pub(super) fn delivery(&self, source: &str, id: &str) -> Delivery {
        self.delivery_of(source, id, format!(r#"{{"type":"user.created","n":"{id}"}}"#))
    }

    pub(super) fn delivery_of(&self, source: &str, id: &str, body: String) -> Delivery {
        let message = Message::new(body);
        let message = message.id(id).sent_at(self.clock.now());
        let mut request =
            Signer::new(STANDARD_WEBHOOKS, SECRET).unwrap().request(&message).unwrap();
        request.headers_mut().insert("x-extra", "kept".parse().unwrap());
        request.headers_mut().insert("authorization", "Bearer dropped".parse().unwrap());
        let verifier = Verifier::builder(source, STANDARD_WEBHOOKS, SECRET);
        verifier.clock(self.clock.clone()).build().unwrap().verify(request).unwrap()
    }

    pub(super) async fn put(&self, id: &str) -> Put {
        self.inbox.put(self.delivery("acme", id)).await.expect("put works")
    }

    /// What another store has accepted now.
    pub(super) fn record(&self, id: &str) -> Record {
        Record::new(self.delivery("acme", id), self.capabilities.durable)
    }

    pub(super) async fn put_record(&self, record: &Record) -> Put {
        self.inbox.put_record(record.clone()).await.expect("put_record works")
    }

    pub(super) async fn lease(&self, max: usize) -> Batch {
        let options = LeaseOptions::new(max, LEASE, ATTEMPTS);
        self.inbox.lease(options).await.expect("lease works")
    }

    pub(super) async fn suspects(&self) -> Batch {
        let options = LeaseOptions::suspect(LEASE, ATTEMPTS);
        self.inbox.lease(options).await.expect("lease works")
    }

    /// The one job that is due.
    pub(super) async fn job(&self) -> Job {
        let mut batch = self.lease(10).await;
        assert_eq!(batch.jobs.len(), 1, "exactly one job is due");
        batch.jobs.remove(0)
    }

    pub(super) async fn suspect(&self) -> Job {
        self.suspects().await.jobs.pop().expect("a suspect is due")
    }

    pub(super) async fn settle(&self, job: &Job, outcome: Outcome) {
        let settled = self.inbox.settle(job.lease(), outcome).await.expect("settle works");
        assert_eq!(settled, Settled::Recorded, "a lease that is held settles");
    }

    pub(super) async fn kill(&self, job: &Job) {
        self.settle(job, Outcome::Dead { error: "it is broken".into() }).await;
    }

    pub(super) async fn state(&self, job: &Job) -> State {
        self.inbox.get(job.key()).await.expect("it is in the ledger").entry.state
    }

    pub(super) fn ttl(&self) -> Duration {
        self.delivery("acme", "any").ttl(self.capabilities.durable)
    }
}
