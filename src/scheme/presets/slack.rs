use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Field, Identity, Part, Scheme, SentAt, Signature, TimeFormat};

/// [Slack](https://docs.slack.dev/authentication/verifying-requests-from-slack):
/// `X-Slack-Signature: v0=<hex of HMAC-SHA256(signing secret, "v0:{time}:{body}")>`.
///
/// - **Identity**: the content, which Slack sends again as it was. Events have an id, `/event_id`,
///   but slash commands and interactions are forms without one, and `url_verification` has none
///   either: `Fields` would answer 400 to all of them. For an endpoint that gets events alone, once
///   its URL is verified, the id is the better choice:
///
///   ```
///   # use inhook::{Verifier, presets, scheme::{Field, Identity}};
///   # let secret = inhook::Secret::new("8f742231b10e8888abcd99yyyzzz85a5");
///   let event_id = Identity::Fields(vec![Field::pointer("/event_id")].into());
///   let verifier = Verifier::builder("slack-acme", presets::SLACK, secret).identity(event_id).build()?;
///   # Ok::<(), inhook::ConfigError>(())
///   ```
/// - **Time**: `X-Slack-Request-Timestamp`, signed, 300 s in both directions.
/// - **Event type**: `/event/type` in the body of an event, or `/type`; of a slash command
///   `command`. Other forms have none.
/// - **`url_verification`** is a signed request like any other, and Slack waits for its `challenge`
///   in the answer. So this endpoint needs a handler of your own behind the `VerifyLayer`; an
///   [`Intake`](https://docs.rs/inhook) answers with an empty body.
/// - **Retries**: at once, after 1 min and after 5 min. Slack waits 3 s for an answer.
pub const SLACK: Scheme = Scheme {
    name: Borrowed("slack"),
    signature: Signature {
        field: Field::Header(Borrowed("x-slack-signature")),
        prefix: Borrowed("v0="),
        ..Signature::BASE
    },
    content: Borrowed(&[
        Part::Literal(Borrowed("v0:")),
        Part::SentAt,
        Part::Literal(Borrowed(":")),
        Part::Body,
    ]),
    id: Some(Field::Pointer(Borrowed("/event_id"))),
    event: Some(Field::FirstOf(Borrowed(&[
        Field::Pointer(Borrowed("/event/type")),
        Field::Pointer(Borrowed("/type")),
        Field::Form(Borrowed("command")),
    ]))),
    sent_at: Some(SentAt {
        field: Field::Header(Borrowed("x-slack-request-timestamp")),
        format: TimeFormat::UnixSeconds,
    }),
    identity: Identity::Content,
    retry_horizon: Duration::from_secs(6 * 60),
    deadline: Duration::from_secs(3),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "slack/slack-v0",
    scheme: SLACK,
    confirmed: Confirmed::BySource,
    page: "https://docs.slack.dev/authentication/verifying-requests-from-slack",
    unsigned: "the headers that count retries",
}];
