//! The rules that every backend keeps, as suites that a backend runs against itself.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a suite fails by panicking"
)]

mod dedup;
mod inbox;

pub use dedup::{Time, dedup};
pub use inbox::{Capabilities, inbox};
