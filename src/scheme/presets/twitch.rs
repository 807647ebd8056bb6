use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Part, Scheme, SentAt, Signature, TimeFormat, Tolerance};

/// [Twitch](https://dev.twitch.tv/docs/eventsub/handling-webhook-events/):
/// `Twitch-Eventsub-Message-Signature: sha256=<hex of HMAC-SHA256(secret, "{id}{time}{body}")>`.
///
/// - **Not confirmed by the partner**: known from third parties' code and documentation.
/// - **Identity**: `Twitch-Eventsub-Message-Id`, signed. An id with a colon is refused, since
///   nothing separates it from the time.
/// - **Time**: `Twitch-Eventsub-Message-Timestamp`, signed, 600 s back and 300 s ahead.
/// - **Event type**: `Twitch-Eventsub-Subscription-Type`, not signed.
/// - `webhook_callback_verification` is a signed request like any other, and Twitch waits for its
///   `challenge` in the answer: it needs a handler of your own.
/// - Twitch waits 3 s for an answer.
pub const TWITCH: Scheme = Scheme {
    name: Borrowed("twitch"),
    signature: Signature {
        field: Field::Header(Borrowed("twitch-eventsub-message-signature")),
        prefix: Borrowed("sha256="),
        ..Signature::BASE
    },
    content: Borrowed(&[Part::Id, Part::SentAt, Part::Body]),
    id: Some(Field::Header(Borrowed("twitch-eventsub-message-id"))),
    event: Some(Field::Header(Borrowed("twitch-eventsub-subscription-type"))),
    sent_at: Some(SentAt {
        field: Field::Header(Borrowed("twitch-eventsub-message-timestamp")),
        format: TimeFormat::Rfc3339,
    }),
    tolerance: Some(Tolerance::past(600)),
    identity: Identity::Fields(Borrowed(&[Field::Header(Borrowed("twitch-eventsub-message-id"))])),
    deadline: Duration::from_secs(3),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "twitch/id-ts-body-hex",
    scheme: TWITCH,
    confirmed: Confirmed::ByThirdParty,
    page: "https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
    unsigned: "the subscription type, the message type",
}];
