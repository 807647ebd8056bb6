//! Receive webhooks: verify, deduplicate, store durably, answer 200, run the handler.
#![forbid(unsafe_code)]
#![warn(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used))]

pub mod clock;
pub mod delivery;
mod error;
#[cfg(feature = "tower")]
pub mod inbox;
mod pointer;
pub mod scheme;
pub mod secret;
pub mod sign;
mod timestamp;
pub mod verify;

pub use delivery::Delivery;
#[cfg(feature = "tower")]
pub use error::BoxFuture;
pub use error::{BoxError, ConfigError};
#[cfg(feature = "tower")]
pub use inbox::memory::{MemoryInbox, WhenFull};
#[cfg(feature = "sqlite")]
pub use inbox::sqlite::{SqliteInbox, SqliteOptions};
pub use scheme::presets;
pub use secret::Secret;
pub use verify::{Rejection, Verifier};
