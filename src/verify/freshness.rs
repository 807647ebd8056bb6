//! Whether a signed time is near enough to now.

use std::time::SystemTime;

use super::rejection::Rejection;
use crate::scheme::Tolerance;

/// Refuses a time outside the tolerance; the bounds are inside. Without a tolerance any will do.
pub(super) fn judge(
    sent_at: SystemTime,
    now: SystemTime,
    tolerance: Option<Tolerance>,
) -> Result<SystemTime, Rejection> {
    let Some(Tolerance { past, future }) = tolerance else { return Ok(sent_at) };
    match now.duration_since(sent_at) {
        Ok(age) if age > past => Err(Rejection::Stale { age }),
        Err(error) if error.duration() > future => {
            Err(Rejection::Future { ahead: error.duration() })
        }
        _ => Ok(sent_at),
    }
}
