use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::{Confirmed, Preset};
use crate::scheme::{Answer, Danger, Field, Identity, Json, Part, Scheme, Signature};

/// [Dropbox Sign](https://developers.hellosign.com/docs/events/walkthrough): `/event/event_hash` in
/// the JSON has `<hex of HMAC-SHA256(API key, "{event_time}{event_type}")>`. The JSON is the field
/// `json` of a form.
///
/// - **Secret**: the API key.
/// - **Identity**: none. Two events of one type in one second have the same hash, and a real one
///   must not be lost: look at what you did already in the handler. `id()` is `/event/event_hash`.
/// - **Time**: none; `event_time` is that of the event.
/// - **Event type**: `/event/event_type`, signed.
/// - **Only the time and the type are signed**: fetch the rest.
/// - Dropbox Sign wants to be answered `Hello API Event Received`.
/// - **Retries**: for 24 h. Dropbox Sign waits 30 s for an answer.
pub const DROPBOX_SIGN: Scheme = Scheme {
    name: Borrowed("dropbox-sign"),
    signature: Signature {
        field: Field::Pointer(Borrowed("/event/event_hash")),
        ..Signature::BASE
    },
    content: Borrowed(&[
        Part::Field(Field::Pointer(Borrowed("/event/event_time"))),
        Part::Field(Field::Pointer(Borrowed("/event/event_type"))),
    ]),
    json: Json::Form(Borrowed("json")),
    multipart: true,
    id: Some(Field::Pointer(Borrowed("/event/event_hash"))),
    event: Some(Field::Pointer(Borrowed("/event/event_type"))),
    identity: Identity::None,
    dangerously_allow: Borrowed(&[Danger::UnsignedBody, Danger::AmbiguousContent]),
    answer: Answer { body: Borrowed("Hello API Event Received"), ..Answer::BASE },
    retry_horizon: Duration::from_secs(24 * 60 * 60),
    deadline: Duration::from_secs(30),
    ..Scheme::BASE
};

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "dropbox-sign/json-field-event-hash",
    scheme: DROPBOX_SIGN,
    confirmed: Confirmed::BySource,
    page: "https://developers.hellosign.com/docs/events/walkthrough",
    unsigned: "all but the time and the type of the event",
}];
