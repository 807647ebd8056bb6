//! When a message is sent, and when it is judged.
#![allow(clippy::arithmetic_side_effects, reason = "times are near now")]

use std::time::{Duration, SystemTime};

use crate::fuzzing::choices::Choices;
use crate::fuzzing::receiver::Receiver;
use crate::scheme::{Scheme, Tolerance};

/// By how much a receiver that asks the operating system for the time may be further by then.
const MARGIN: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);

/// The time by which a receiver judges.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) at: SystemTime,
    /// How much later it may be when it judges.
    margin: Duration,
}

impl Now {
    pub(super) fn of(receiver: &impl Receiver) -> Self {
        let at = receiver.now();
        // One that goes by seconds, or milliseconds, may say the same twice.
        let now = SystemTime::now();
        let away = at.duration_since(now).or_else(|_| now.duration_since(at)).unwrap_or_default();
        let stands = receiver.now() == at && away > Duration::from_secs(60);
        Self { at, margin: if stands { Duration::ZERO } else { MARGIN } }
    }
}

/// A time at which a message may have been sent, in whole seconds.
pub(super) fn in_time(scheme: &Scheme, now: Now, choices: &mut Choices<'_>) -> SystemTime {
    let Now { at: now, margin } = now;
    if scheme.sent_at.is_none() {
        return whole(now);
    }
    // Where any time will do, one that is soon or not long ago.
    let tolerance = scheme.tolerance.unwrap_or(Tolerance::BASE);
    let part = u32::from(choices.byte() % 5);
    // Avoid the last second: it may or may not be in tolerance. The past side leaves the margin, if that is longer.
    let (future, reach) = match choices.one_in(2) {
        true => (true, tolerance.future.saturating_sub(SECOND)),
        false => (false, tolerance.past.saturating_sub(margin.max(SECOND))),
    };
    let away = reach * part / 4;
    let sent_at = if future { now.checked_add(away) } else { now.checked_sub(away) };
    whole(sent_at.unwrap_or(now))
}

/// A time that is too early or too late, by seconds or by years.
pub(super) fn out_of_time(
    scheme: &Scheme,
    now: Now,
    choices: &mut Choices<'_>,
) -> Option<SystemTime> {
    let Now { at: now, margin } = now;
    let tolerance = scheme.tolerance.filter(|_| scheme.sent_at.is_some())?;
    let beyond = choices.one(&[1, 60, 3_600, 86_400, 30 * 86_400, 3 * 365 * 86_400]);
    let beyond = Duration::from_secs(beyond);
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    match choices.one_in(2) {
        true => now.checked_add(tolerance.future + margin + beyond).map(whole),
        // There is no time before 1970.
        false if since_1970 < tolerance.past + beyond => None,
        false => Some(whole(now - tolerance.past - beyond)),
    }
}

/// What a time is in seconds, which each format can write. One before 1970 none can.
fn whole(time: SystemTime) -> SystemTime {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()),
        Err(_) => time,
    }
}
