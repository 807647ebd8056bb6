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
mod pointer;
pub mod scheme;
pub mod secret;
pub mod sign;
mod timestamp;
pub mod verify;

pub use delivery::Delivery;
pub use error::{BoxError, ConfigError};
pub use scheme::presets;
pub use secret::Secret;
pub use verify::{Rejection, Verifier};
