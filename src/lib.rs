//! Receive webhooks: verify, deduplicate, store durably, answer 200, run the handler until it is done.
//!
//! > **Never 2xx before it is durable; never lost after 2xx; never accepted twice inside the published
//! > window.** Handlers run at least once, with a stable idempotency key, [`Job::key`](inbox::Job::key).
//!
//! # The journey of a request
//!
//! ```text
//! HTTP request
//!   │  VerifyLayer   headers → body, under a cap and a deadline → MAC → freshness → Delivery
//!   ▼
//! Intake             Inbox::put: deduplicate and enqueue in one durable step → 200
//!   ▼
//! Inbox              SqliteInbox · MemoryInbox · yours
//!   ▼
//! Worker             lease → handler → settle: done, skipped, again later, dead
//!   ▼
//! Events             your handlers, by source and event type
//! ```
//!
//! 1. A [`Scheme`](scheme::Scheme) says how a partner signs. Take one from the [`presets`], or write it
//!    down in ten lines: [`scheme`].
//! 2. A [`Verifier`] is a scheme, the name of a source, and its secrets. It makes a [`Delivery`] of a
//!    request, or says why not: [`Rejection`].
//! 3. [`VerifyLayer`] does that in front of any tower service, and [`Intake`] is the service that puts
//!    the delivery into an inbox: [`layer`], [`intake`].
//! 4. [`SqliteInbox`] keeps it in a file; a [`Worker`] runs it, in this process or in another one:
//!    [`inbox`], [`worker`], [`events`]. A [`Spill`] holds what the file can't take.
//! 5. Or a [`DedupLayer`] keeps duplicates from a handler of your own, through memory or Redis:
//!    [`dedup`], [`extract`].
//! 6. [`serve()`] is an HTTP server with the time-outs that a public endpoint needs, and [`run`] ends it
//!    and the worker in order.
//!
//! ```no_run
//! use std::sync::Arc;
//! use axum::Router;
//! use inhook::{Event, Events, Failure, Intake, SqliteInbox, Verifier, VerifyLayer, Worker, presets};
//! use tower::ServiceBuilder;
//!
//! # async fn example(secret: String, listener: tokio::net::TcpListener) -> Result<(), inhook::BoxError> {
//! let inbox = Arc::new(SqliteInbox::open("inhook.db").await?);
//! let github = ServiceBuilder::new()
//!     .layer(VerifyLayer::new(Verifier::new("github-acme", presets::GITHUB, secret)?))
//!     .service(Intake::new(inbox.clone()));
//! let app = Router::new().route_service("/webhooks/github", github);
//! let events = Events::builder()
//!     .on("push", async |event: Event<serde_json::Value>| {
//!         println!("{}", event.payload["ref"]);
//!         Ok::<_, Failure>(())
//!     })
//!     .build()?;
//! inhook::run(inhook::serve(listener, app), Worker::new(inbox, events), inhook::stop_signal()).await
//! # }
//! ```
//!
//! With `default-features = false` there is verification alone, without tokio: [`verify`].
#![forbid(unsafe_code)]
#![warn(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used)
)]

#[cfg(feature = "tower")]
mod answer;
pub mod clock;
#[cfg(feature = "tower")]
pub mod dedup;
pub mod delivery;
mod error;
#[cfg(feature = "worker")]
pub mod events;
#[cfg(feature = "axum")]
pub mod extract;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(feature = "tower")]
pub mod inbox;
#[cfg(feature = "tower")]
pub mod intake;
#[cfg(feature = "tower")]
pub mod layer;
#[cfg(feature = "tower")]
mod panic;
#[cfg(any(feature = "axum", feature = "worker"))]
mod payload;
mod pointer;
#[cfg(feature = "worker")]
pub mod retry;
#[cfg(all(feature = "serve", feature = "worker"))]
mod run;
pub mod scheme;
pub mod secret;
#[cfg(feature = "serve")]
pub mod serve;
pub mod sign;
#[cfg(feature = "tower")]
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod timestamp;
pub mod verify;
#[cfg(feature = "tower")]
mod window;
#[cfg(feature = "worker")]
pub mod worker;

#[cfg(feature = "moka")]
pub use dedup::memory::MemoryDedup;
#[cfg(feature = "redis")]
pub use dedup::redis::{RedisDedup, RedisOptions};
#[cfg(feature = "tower")]
pub use dedup::{Dedup, DedupLayer, DedupStatus};
pub use delivery::Delivery;
#[cfg(feature = "tower")]
pub use error::BoxFuture;
pub use error::{BoxError, ConfigError};
#[cfg(feature = "worker")]
pub use events::{Event, Events};
#[cfg(feature = "tower")]
pub use inbox::memory::MemoryInbox;
#[cfg(feature = "sqlite")]
pub use inbox::spill::{Spill, SpillOptions};
#[cfg(feature = "sqlite")]
pub use inbox::sqlite::{SqliteInbox, SqliteOptions};
#[cfg(feature = "tower")]
pub use intake::Intake;
#[cfg(feature = "tower")]
pub use layer::VerifyLayer;
#[cfg(any(feature = "axum", feature = "worker"))]
pub use payload::PayloadError;
#[cfg(feature = "worker")]
pub use retry::{Backoff, Failure};
#[cfg(all(feature = "serve", feature = "worker"))]
pub use run::run;
pub use scheme::presets;
pub use secret::Secret;
#[cfg(feature = "serve")]
pub use serve::{serve, stop_signal};
pub use verify::{Rejection, Verifier};
#[cfg(feature = "tower")]
pub use window::WhenFull;
#[cfg(feature = "worker")]
pub use worker::Worker;

/// The README's code compiles.
#[cfg(all(
    doctest,
    feature = "axum",
    feature = "moka",
    feature = "serve",
    feature = "sqlite",
    feature = "worker"
))]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The guide's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../docs/add-a-partner.md")]
pub struct AddAPartner;
