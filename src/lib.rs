//! Receive webhooks: verify, deduplicate, store durably, answer 200, run the handler.
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
pub mod delivery;
mod error;
#[cfg(feature = "worker")]
pub mod events;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(feature = "tower")]
pub mod inbox;
#[cfg(feature = "tower")]
pub mod intake;
#[cfg(feature = "tower")]
pub mod layer;
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
#[cfg(feature = "testing")]
pub mod testing;
mod timestamp;
pub mod verify;
#[cfg(feature = "worker")]
pub mod worker;

pub use delivery::Delivery;
#[cfg(feature = "tower")]
pub use error::BoxFuture;
pub use error::{BoxError, ConfigError};
#[cfg(feature = "worker")]
pub use events::{Event, Events};
#[cfg(feature = "tower")]
pub use inbox::memory::{MemoryInbox, WhenFull};
#[cfg(feature = "sqlite")]
pub use inbox::sqlite::{SqliteInbox, SqliteOptions};
#[cfg(feature = "tower")]
pub use intake::Intake;
#[cfg(feature = "tower")]
pub use layer::VerifyLayer;
#[cfg(feature = "worker")]
pub use retry::{Backoff, Failure};
#[cfg(all(feature = "serve", feature = "worker"))]
pub use run::run;
pub use scheme::presets;
pub use secret::Secret;
#[cfg(feature = "serve")]
pub use serve::{serve, stop_signal};
pub use verify::{Rejection, Verifier};
#[cfg(feature = "worker")]
pub use worker::Worker;
