//! The two sources of the small universe, and the few deliveries that they send.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use inhook::clock::Clock;
use inhook::scheme::{Field, Identity, Scheme, Signature};
use inhook::sign::{Message, Signer};
use inhook::testing::FakeClock;
use inhook::{Delivery, Verifier, presets};

use super::op::{DAY, HOUR, MINUTE, Name, SOURCES};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// In both sources the ids are the same, they are signed, and an id may come with another body. The
/// first one signs the time, the second one does not.
pub(crate) const NAMES: [&str; SOURCES] = ["timed", "untimed"];

/// For how long a delivery may run in again, from 300 s in the past to 300 s in the future, that last moment
/// included.
pub(crate) const FRESHNESS: [i64; SOURCES] = [10 * MINUTE + 1, 1];

/// The partners try for three days, which makes less than the shortest window; where no time is
/// signed a durable store keeps keys for longer.
pub(crate) fn windows(durable: bool) -> [i64; SOURCES] {
    [96 * HOUR, if durable { 30 * DAY } else { 96 * HOUR }]
}

pub(crate) fn id(name: Name) -> String {
    format!("id-{}", name.1)
}

pub(crate) fn body(name: Name, body: usize) -> String {
    format!(r#"{{"type":"test","id":"{}","n":{body}}}"#, id(name))
}

pub(crate) struct Partners([(Signer, Verifier); SOURCES], Arc<FakeClock>);

impl Partners {
    pub(crate) fn new(clock: &Arc<FakeClock>) -> Self {
        let untimed = Scheme {
            signature: Signature { field: Field::header("x-signature"), ..Signature::BASE },
            id: Some(Field::pointer("/id")),
            event: Some(Field::pointer("/type")),
            identity: Identity::Fields(vec![Field::pointer("/id")].into()),
            ..Scheme::BASE
        };
        let partner = |source: usize, scheme: Scheme| {
            let verifier = Verifier::builder(NAMES[source], scheme.clone(), SECRET);
            let verifier = verifier.clock(clock.clone()).build().unwrap();
            (Signer::new(scheme, SECRET).unwrap(), verifier)
        };
        let partners = [partner(0, presets::STANDARD_WEBHOOKS), partner(1, untimed)];
        Self(partners, clock.clone())
    }

    /// A delivery that is signed and verified now; none of a source that signs the time while the
    /// clock is before 1970.
    pub(crate) fn deliver(&self, name: Name, n: usize) -> Option<Delivery> {
        let Name(source, _) = name;
        let now = self.1.now();
        if source == 0 && now < SystemTime::UNIX_EPOCH {
            return None;
        }
        let (signer, verifier) = &self.0[source];
        let message = Message::new(body(name, n)).id(id(name)).sent_at(now);
        Some(verifier.verify(signer.request(&message).unwrap()).unwrap())
    }
}

/// Milliseconds since 1970 as a time.
pub(crate) fn time(millis: i64) -> SystemTime {
    let distance = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
}
