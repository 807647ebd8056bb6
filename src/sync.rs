//! The locks of the stores in memory, as the standard library has them, and where `tests/interleavings` compiles
//! them, as shuttle does, which tries what other threads do at each of them.

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard};
