//! What all answers have in common.

use http::HeaderValue;

/// 1 to 30 s, drawn anew each time, so that senders which were refused together don't come back
/// together.
pub(crate) fn retry_after() -> HeaderValue {
    HeaderValue::from(fastrand::u32(1..=30))
}
