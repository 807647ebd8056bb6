//! What is attacked.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;

use crate::delivery::Delivery;
use crate::verify::mac::COMPUTED;
use crate::verify::{Rejection, Verifier};

/// Anything that says yes or no to a request: a [`Verifier`], or code of your own.
///
/// It is asked about the same request more than once, and has to say the same: leave the store out that
/// remembers ids, or take a duplicate for [`Accepted`](Verdict::Accepted) with the key that it has.
///
/// A router is one as well, with all that stands before its handler. It runs in a runtime of its own, so the test is
/// a plain `#[test]`; the path of its route is that of [`Attack::for_url`](super::Attack::for_url).
///
/// ```
/// use axum::{Router, body::Body};
/// use bytes::Bytes;
/// use http::Request;
/// use inhook::fuzzing::{Receiver, Verdict};
/// use tokio::runtime::Runtime;
/// use tower::ServiceExt;
///
/// struct Endpoint(Runtime, Router);
///
/// impl Receiver for Endpoint {
///     fn receive(&self, request: &Request<Bytes>) -> Verdict {
///         let request = request.clone().map(Body::from);
///         let Ok(answer) = self.0.block_on(self.1.clone().oneshot(request));
///         match answer.status().is_success() {
///             // Or what it would deduplicate by, if it says so in the answer.
///             true => Verdict::Accepted { key: None },
///             false => Verdict::Refused,
///         }
///     }
/// }
/// ```
///
/// A [`Verifier`] is held to one thing more: it computes no more MACs for a request than it has secrets, times
/// the items of the request and the contents that its scheme leaves open; otherwise it panics.
pub trait Receiver {
    /// What becomes of a request, before a handler would see it.
    fn receive(&self, request: &Request<Bytes>) -> Verdict;

    /// The time by which it judges, for which requests are signed. If this is a fixed time, more than a minute from the
    /// system's clock, the tolerance is tested to the second. Otherwise there is a margin, since the receiver may read
    /// its clock up to 5 s later: requests that are too early are 5 s further ahead, and genuine ones 5 s less old.
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Verdict {
    /// It is answered with an error.
    Refused,
    /// It would reach a handler.
    Accepted {
        /// What all attempts of one delivery have and no other delivery has, such as an id that is
        /// signed; `None` where nothing is deduplicated: then nothing is said of keys.
        key: Option<Vec<u8>>,
    },
}

impl Receiver for Verifier {
    fn receive(&self, request: &Request<Bytes>) -> Verdict {
        match verify(self, request.clone()) {
            Ok(delivery) => Verdict::Accepted { key: Some(delivery.key().as_bytes().to_vec()) },
            Err(_) => Verdict::Refused,
        }
    }

    fn now(&self) -> SystemTime {
        Verifier::now(self)
    }
}

/// What a verifier says of a request, with its MACs counted.
pub(super) fn verify(verifier: &Verifier, request: Request<Bytes>) -> Result<Delivery, Rejection> {
    let most = verifier.max_macs(request.body());
    let before = COMPUTED.get();
    let verdict = verifier.verify(request);
    let computed = COMPUTED.get().wrapping_sub(before);
    assert!(computed <= most, "{computed} MACs for {verifier:?}");
    verdict
}
