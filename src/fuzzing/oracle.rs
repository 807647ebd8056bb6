//! What an attack asserts, and what is said where it does not hold.

/// What has to hold of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oracle {
    /// No request panics the receiver. Under cargo-fuzz, which ends the process at a panic, its own report is all
    /// there is. A [`Verifier`](crate::Verifier) is made to panic as well if it computes more MACs for a request than
    /// it has secrets, times the items of the request and the contents that its scheme leaves open.
    NoPanic,
    /// What the partner signed is accepted, whatever it says: what the receiver wants of paths, events, ids, bodies
    /// and other headers beside that is told with [`Attack::for_url`](super::Attack::for_url),
    /// [`Attack::event`](super::Attack::event), [`Attack::ids`](super::Attack::ids),
    /// [`Attack::bodies`](super::Attack::bodies), [`Attack::max_body`](super::Attack::max_body) and
    /// [`Attack::header`](super::Attack::header).
    AcceptsGenuine,
    /// What the partner did not sign is refused: what is signed with another key, or by another algorithm, or not at all.
    RefusesForged,
    /// What was signed outside the tolerance is refused, in both directions.
    RefusesStale,
    /// What was changed on its way is refused: the signed content, or the signature.
    RefusesChanged,
    /// What says the same in another spelling is refused: a number, a tag, JSON. Where yours takes tags in hex
    /// in either case, give the attack a scheme with [`Encoding::AnyCaseHex`](crate::scheme::Encoding).
    RefusesRespelled,
    /// What is there twice and differs is refused, whichever comes first.
    RefusesRepeated,
    /// What lacks something that is signed, or that has to be there beside that, is refused.
    RefusesMissing,
    /// Neither a header that nobody signs nor the order of the headers changes the verdict or the key.
    IgnoresUnrelated,
    /// All attempts of one delivery have one key.
    OneKey,
    /// Two deliveries have two keys.
    TwoKeys,
    /// The same request is judged alike each time.
    Stable,
    /// Enough of the attempts applied to this scheme for the run to prove anything.
    Tried,
}

impl Oracle {
    /// What did not hold.
    pub(super) fn broken(self) -> &'static str {
        match self {
            Self::NoPanic => "a request panicked the receiver",
            Self::AcceptsGenuine => "a request that the partner signed was refused",
            Self::RefusesForged => "a request that the partner did not sign was accepted",
            Self::RefusesStale => "a request that was signed outside the tolerance was accepted",
            Self::RefusesChanged => "a request that was changed on its way was accepted",
            Self::RefusesRespelled => {
                "a request with another spelling than was signed was accepted"
            }
            Self::RefusesRepeated => "a request that says something twice was accepted",
            Self::RefusesMissing => "a request without something that has to be there was accepted",
            Self::IgnoresUnrelated => "a request was judged by what nobody signs",
            Self::OneKey => "one delivery had two keys, so it would be handled twice",
            Self::TwoKeys => "two deliveries had one key, so one would be lost",
            Self::Stable => "the same request was judged differently the second time",
            Self::Tried => "hardly any request could be made for this scheme, so nothing is shown",
        }
    }

    /// What to do if the receiver is meant to do this.
    pub(super) fn if_meant(self, what: &str) -> Option<&'static str> {
        Some(match self {
            Self::NoPanic
                if ["within a runtime", "executor"].iter().any(|it| what.contains(it)) =>
            {
                "If it is `block_on` that panics within another runtime, the test has to be a plain `#[test]`."
            }
            Self::IgnoresUnrelated => {
                "If a server routes or refuses by that header, have each request carry what it wants: `header`."
            }
            Self::AcceptsGenuine => {
                "If your partner sends no such thing, tell the attack what it sends: `for_url` has the path, \
                 `event` the type of the event, `ids` the ids, `bodies` and `max_body` the bodies, `header` whatever \
                 else has to be there. If the receiver takes no request of that age, give the attack a scheme with \
                 its `tolerance`; if it goes by another clock than the system's, say so in `Receiver::now`. Both \
                 need the same secret."
            }
            Self::RefusesStale => {
                "If the receiver takes requests of that age, give the attack a scheme with its `tolerance`; if it goes \
                 by another clock than the system's, say so in `Receiver::now`."
            }
            Self::RefusesForged => {
                "`Accepted` is what would reach your handler for webhooks: not every answer of 200, as to a GET \
                 of another route."
            }
            Self::RefusesRespelled => {
                "If you take tags in hex in either case, give the attack a scheme that says so: \
                 `Encoding::AnyCaseHex`."
            }
            Self::OneKey | Self::TwoKeys => {
                "If you tell deliveries apart by something else, give the attack a scheme that says so: its \
                 `identity`. If your partner sends no such ids or bodies, tell the attack what it sends: `ids`, \
                 `bodies`."
            }
            Self::Stable => {
                "A store that remembers ids stays out of this, or a duplicate is `Accepted` with its key."
            }
            _ => return None,
        })
    }
}
