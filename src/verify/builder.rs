//! What a [`Verifier`] is configured with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::source::Source;
use super::{Rotation, Verifier};
use crate::clock::{Clock, SystemClock};
use crate::error::ConfigError;
use crate::scheme::{Identity, Scheme, Tolerance};
use crate::secret::{KeyRing, Secret};

/// Sets up a [`Verifier`]; everything is checked once, in [`build`](Self::build).
#[derive(Clone)]
#[must_use = "nothing is verified until `build` is called"]
pub struct VerifierBuilder {
    source: String,
    scheme: Scheme,
    secrets: Vec<Secret>,
    allow_weak_secret: bool,
    url: Option<String>,
    judges_time: bool,
    sets_tolerance: bool,
    ttl: Option<Duration>,
    clock: Arc<dyn Clock>,
}

impl VerifierBuilder {
    pub(super) fn new(source: String, scheme: Scheme, secret: Secret) -> Self {
        Self {
            source,
            scheme,
            secrets: vec![secret],
            allow_weak_secret: false,
            url: None,
            judges_time: true,
            sets_tolerance: false,
            ttl: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// One more secret that is accepted, as during a rotation. At most 16.
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Accepts secrets shorter than 16 bytes, for a partner that hands out no longer ones. An
    /// empty one is refused all the same.
    pub fn allow_weak_secret(mut self) -> Self {
        self.allow_weak_secret = true;
        self
    }

    /// The endpoint's public URL, for partners that sign it: exactly as it is configured with them,
    /// with its query if it has one. It is never taken from a request, where a proxy may have
    /// changed it, and so may anyone. Other schemes do without.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Another identity than the scheme's.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.scheme.identity = identity;
        self
    }

    /// Another tolerance than the scheme's.
    pub fn tolerance(mut self, past: Duration, future: Duration) -> Self {
        self.scheme.tolerance = Some(Tolerance { past, future });
        self.sets_tolerance = true;
        self
    }

    /// Accepts requests of any age: the partner's signed time is read, not judged. A captured request is
    /// then caught for as long as its id is remembered, and no longer.
    pub fn ignore_sent_at(mut self) -> Self {
        self.judges_time = false;
        self
    }

    /// For how long an id is remembered after its delivery was accepted, instead of the scheme's
    /// retry horizon plus its tolerances (at least 96 h, and 30 days on a durable inbox where no
    /// time is signed). It has to be as long as both tolerances together; where it is shorter than the partner's
    /// retries go on, the last of them is a new delivery.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks it all and prepares the keys.
    ///
    /// # Errors
    ///
    /// A scheme or secret that would let something through: see [`ConfigError`].
    pub fn build(self) -> Result<Verifier, ConfigError> {
        if self.sets_tolerance && self.scheme.sent_at.is_none() {
            return Err(ConfigError::NeedlessTolerance);
        }
        let source = Source::prepare(
            self.source,
            &self.scheme,
            self.url.as_deref(),
            self.judges_time,
            self.ttl,
        )?;
        let keys = KeyRing::prepare(&self.scheme, self.secrets, self.allow_weak_secret)?;
        Ok(Verifier {
            source: Arc::new(source),
            keys: Arc::new(ArcSwap::from_pointee(keys)),
            rotation: Rotation {
                scheme: Arc::new(self.scheme),
                allow_weak_secret: self.allow_weak_secret,
            },
            clock: self.clock,
        })
    }
}

impl fmt::Debug for VerifierBuilder {
    /// Without the URL, in which there may be a password or a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("source", &self.source)
            .field("scheme", &self.scheme.name)
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}
