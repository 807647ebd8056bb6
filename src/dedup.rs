//! Deduplication in front of a handler of your own.
//!
//! An [`Intake`](crate::Intake) needs none of this: its inbox deduplicates by itself. [`DedupLayer`] is
//! for a handler that does its work before it answers. It claims a delivery before the handler runs,
//! commits it when the handler answers 2xx, and releases it when the handler failed, so that the
//! partner's retry runs:
//!
//! ```text
//! VerifyLayer ─▶ DedupLayer ─ claim ─▶ granted ───▶ your handler ─▶ 2xx ─▶ commit ─▶ passed on
//!                               │                        └─▶ anything else ─▶ release ─▶ passed on
//!                               ├────▶ committed ─▶ 200, empty: a duplicate
//!                               └────▶ in flight ─▶ waits ≤ 1 s for one of the above, else 503
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use axum::{Router, routing::post};
//! use inhook::{DedupLayer, MemoryDedup, Secret, Verifier, VerifyLayer, presets};
//! use tower::ServiceBuilder;
//!
//! # let secret = Secret::new("It's a Secret to Everybody");
//! let verifier = Verifier::new("github-acme", presets::GITHUB, secret)?;
//! let guard = ServiceBuilder::new()
//!     .layer(VerifyLayer::new(verifier))
//!     .layer(DedupLayer::new(Arc::new(MemoryDedup::new())));
//! let app: Router = Router::new()
//!     .route("/webhooks/github", post(async |body: String| println!("{body}")))
//!     .route_layer(guard);
//! # Ok::<(), inhook::ConfigError>(())
//! ```
//!
//! # Beside other layers
//!
//! - **Order.** [`VerifyLayer`](crate::VerifyLayer) has to be outside. In a `ServiceBuilder` the first layer
//!   is the outermost; of two `route_layer` calls the last one is. `MethodRouter::layer`,
//!   `Router::route_service` and nested routers work as well.
//! - **`middleware::from_fn` inside** wants axum's own body: give it a `route_layer` call of its own before
//!   the one with these layers, or put `MapRequestBodyLayer::new(Body::new)` before it in the stack.
//! - **`TraceLayer` and others whose answers have no default body** belong outside, or in a `route_layer`
//!   call of their own.
//! - **A limit on handlers** (`GlobalConcurrencyLimitLayer`: axum may make the layers of a router anew for each request,
//!   and another one would begin to count with it) belongs inside: outside it counts requests, and a handler whose
//!   client has gone is not counted any more. A request waits for a place for half of the handler's time-out at
//!   most, if the limit is in the same `ServiceBuilder`; in a `route_layer` call of its own the wait is part of the
//!   handler's time.
//! - **A time-out outside** should be longer than this layer's wait of 1 s and its time-out for the
//!   handler together. When it drops a request the handler goes on.
//! - **A `RequestDecompressionLayer` outside** of `VerifyLayer` changes what was signed: all is refused.
//!
//! # Stores
//!
//! | store | remembers | forgets |
//! |---|---|---|
//! | [`MemoryDedup`](crate::MemoryDedup) | in this process | everything, with the process |
//! | [`RedisDedup`](crate::RedisDedup) | for all processes of one Redis | what Redis loses: all of it without persistence, up to a second with `appendfsync everysec` |
//! | [`CachedDedup`](cached::CachedDedup) | as the store behind it, and up to a minute longer; duplicates are found in memory | as the store behind it |
//!
//! One of your own implements [`Dedup`], and shows with
//! [`testing::conformance::dedup`](crate::testing::conformance::dedup) that it keeps the rules.
//!
//! # What it can't do
//!
//! The handler's work and the commit are two steps, so the work may run twice: when the process dies in
//! between, when a commit fails until the lease ends, or when the handler blocks its thread for longer than
//! its lease. What a handler spawned goes on after its time-out, beside the next attempt. Pass
//! [`Delivery::key`] on to what the handler calls, or use an inbox.
//!
//! **One source name for each endpoint.** A delivery is known by its source and its identity: two routes
//! whose verifiers have one name, over one store, are one endpoint, and what the first has handled is a
//! duplicate for the second. Stripe, for one, sends an event under the same id to each endpoint.
//!
//! # Only what was verified is claimed
//!
//! A [`Ticket`] is made from a [`Delivery`], and only a [`Verifier`](crate::Verifier) makes one:
//!
//! ```
//! # use std::time::Duration;
//! # use inhook::{Delivery, dedup::Ticket};
//! fn ticket(delivery: &Delivery) -> Ticket {
//!     Ticket::new(delivery, Duration::from_secs(30))
//! }
//! ```
//!
//! ```compile_fail,E0308
//! # use std::time::Duration;
//! # use inhook::dedup::Ticket;
//! fn ticket(request: &http::Request<bytes::Bytes>) -> Ticket {
//!     Ticket::new(request, Duration::from_secs(30))
//! }
//! ```

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;

use crate::delivery::{Delivery, Key};
use crate::error::BoxError;
use crate::inbox::Settled;

#[cfg(feature = "moka")]
pub mod cached;
#[cfg(feature = "moka")]
mod committed;
mod guard;
mod layer;
#[cfg(feature = "moka")]
pub(crate) mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;

pub use layer::{DedupLayer, DedupLayerBuilder, Deduplicate, DeduplicateFuture};

/// Remembers which deliveries are being handled and which have been.
///
/// Each operation is given the ticket, so that it can be repeated when its answer was lost: a second
/// claim with a ticket that holds the delivery is granted again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't remember which deliveries were handled",
    label = "not a store for deduplication",
    note = "`MemoryDedup`, `RedisDedup` and `CachedDedup` are; an inbox needs no `DedupLayer`: it is what `Intake` takes"
)]
#[async_trait]
pub trait Dedup: Send + Sync + 'static {
    /// Claims the delivery until [`Ticket::lease`] is over, if it is neither claimed nor committed.
    ///
    /// # Errors
    ///
    /// Nothing is known: the delivery may be claimed or not.
    async fn claim(&self, ticket: &Ticket) -> Result<Claim, DedupError>;

    /// The delivery is handled: it stays a duplicate for [`Ticket::ttl`] from now on. Refused
    /// ([`Settled::Stale`]) only if another ticket holds the delivery; a claim that lapsed and was
    /// not taken over is committed all the same.
    ///
    /// # Errors
    ///
    /// Nothing is known; the caller tries again until the lease is over.
    async fn commit(&self, ticket: &Ticket) -> Result<Settled, DedupError>;

    /// The delivery failed: the next attempt is granted. Changes nothing ([`Settled::Stale`]) unless
    /// this very ticket holds the delivery.
    ///
    /// # Errors
    ///
    /// Nothing is known; the claim ends with its lease at the latest.
    async fn release(&self, ticket: &Ticket) -> Result<Settled, DedupError>;
}

/// What a store says of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "only a granted claim may be handled"]
#[expect(clippy::exhaustive_enums, reason = "a layer has to handle each of them")]
pub enum Claim {
    /// The ticket holds it now.
    Granted,
    /// Another ticket holds it.
    InFlight,
    /// It has been handled.
    Committed,
}

/// One try to handle one delivery. Tickets are never equal, so a handler that outlived its lease
/// can't commit or release what another one holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    key: Key,
    token: Token,
    lease: Duration,
    ttl: Duration,
}

impl Ticket {
    /// A new ticket for a delivery, and how long its claim lasts.
    pub fn new(delivery: &Delivery, lease: Duration) -> Self {
        Self {
            key: delivery.key(),
            token: Token::next(),
            lease,
            ttl: delivery.ttl(false).max(delivery.freshness()),
        }
    }

    /// The idempotency key of the delivery.
    pub fn key(&self) -> Key {
        self.key
    }

    /// What no other ticket has.
    pub fn token(&self) -> Token {
        self.token
    }

    /// How long a claim lasts that is neither committed nor released.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// For how long after the commit the delivery is remembered.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }
}

/// The fence of a claim: 16 bytes, unique among all processes. Written as 32 lower-case hexadecimal
/// digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 16]);

impl Token {
    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Random for each process, counted in it.
    fn next() -> Self {
        static PROCESS: OnceLock<[u8; 8]> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let process = PROCESS.get_or_init(|| {
            let mut random = [0; 8];
            if getrandom::fill(&mut random).is_err() {
                random = fastrand::u64(..).to_be_bytes();
            }
            random
        });
        let count = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut token = [0; 16];
        for (to, from) in token.iter_mut().zip(process.iter().chain(&count)) {
            *to = *from;
        }
        Self(token)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(const_hex::Buffer::<16>::new().format(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

/// Why a store could not do its work.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DedupError {
    /// There is no room for another key inside the window.
    #[error("there is no room for another key inside the window")]
    Full,
    /// It did not answer in time.
    #[error("the store did not answer within {0:?}")]
    Late(Duration),
    /// It must not be used as it is configured: this is what to change.
    #[error("{0}")]
    Misconfigured(Arc<str>),
    /// The store does not work.
    #[error("the store does not work: {0}")]
    Unavailable(Arc<dyn std::error::Error + Send + Sync>),
}

impl DedupError {
    /// Whether the store failed, as opposed to refusing because it is full.
    pub(crate) fn is_failure(&self) -> bool {
        !matches!(self, Self::Full)
    }

    /// Whether the operation may have been done all the same.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Late(_) | Self::Unavailable(_))
    }

    /// The store does not work.
    pub fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(Arc::from(error.into()))
    }
}

/// What [`DedupLayer`] could establish about a request that it passed on: a request extension, and with
/// feature `axum` an extractor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DedupStatus {
    /// It is claimed: no other request with this delivery is passed on as long as the lease lasts.
    Claimed,
    /// Nobody knows: the store failed, and [`fail_open`](DedupLayerBuilder::fail_open) was chosen.
    Unknown,
    /// The source has [`Identity::None`](crate::scheme::Identity::None): there are no duplicates.
    NoIdentity,
}
