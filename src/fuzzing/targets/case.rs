//! What must not change anything about a request.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};

use crate::delivery::Delivery;
use crate::fuzzing::receiver::verify;
use crate::scheme::{Identity, Scheme};
use crate::verify::Verifier;

/// No scheme is about it.
const UNRELATED: &str = "x-unrelated-to-everything";

/// A request that was accepted.
pub(super) struct Case<'c> {
    pub(super) scheme: &'c Scheme,
    pub(super) verifier: &'c Verifier,
    pub(super) request: &'c Request<Bytes>,
    pub(super) signed: &'c Delivery,
}

impl Case<'_> {
    /// Whether two requests of the scheme can be one delivery.
    pub(super) fn has_identity(&self) -> bool {
        self.scheme.identity != Identity::None
    }

    /// Neither a header that nobody needs, nor the order of those that somebody does, changes anything.
    pub(super) fn unrelated_headers(&self) {
        let Some(changed) = with_unrelated_headers(self.scheme, self.request) else { return };
        let delivery = verify(self.verifier, changed).unwrap_or_else(|rejection| {
            panic!("an unrelated header, and it is refused: {rejection}: {:?}", self.scheme)
        });
        if self.has_identity() {
            assert_eq!(delivery.key(), self.signed.key(), "an unrelated header: {:?}", self.scheme);
        }
        assert_eq!(delivery.id(), self.signed.id());
        assert_eq!(delivery.event(), self.signed.event());
        assert_eq!(delivery.signed_at(), self.signed.signed_at());
    }
}

/// The request with one more header, and the others the other way round. `None` if the scheme is about that header.
pub(super) fn with_unrelated_headers(
    scheme: &Scheme,
    request: &Request<Bytes>,
) -> Option<Request<Bytes>> {
    if format!("{scheme:?}").to_ascii_lowercase().contains(UNRELATED) {
        return None;
    }
    let mut changed = request.clone();
    let headers = changed.headers_mut();
    headers.clear();
    headers.insert(UNRELATED, HeaderValue::from_static("1"));
    let others: Vec<(&HeaderName, &HeaderValue)> = request.headers().iter().collect();
    for (name, value) in others.into_iter().rev() {
        headers.append(name, value.clone());
    }
    Some(changed)
}
