use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};

/// Why a request was refused. It goes into the response's extensions and a `tracing` event, so that
/// *we* can tell; the sender sees only [`status`](Self::status), and one byte-identical 401 for all
/// that concerns the signature and the time. It never contains a secret or a received value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The method is not POST.
    #[error("the method is not POST")]
    Method,
    /// The body is longer than the cap.
    #[error("the body is longer than {max} bytes; raise the cap with `VerifyLayer::max_body`")]
    TooLarge {
        /// The cap in bytes.
        max: usize,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive within {deadline:?}")]
    BodyTimeout {
        /// The deadline.
        deadline: Duration,
    },
    /// The body broke off.
    #[error("the connection failed before the body was complete")]
    BodyAborted,
    /// The body is compressed, so its bytes are not the ones that were signed.
    #[error("the body has a content encoding; the signature is over the plain bytes")]
    ContentEncoding,
    /// The bodies in memory use up their budget.
    #[error("the bodies in memory use up the budget of {max} bytes")]
    Overloaded {
        /// The budget in bytes.
        max: usize,
    },
    /// It is verified, and the inner service has had no place for it.
    #[error("the inner service had no place for it within {after:?}")]
    Busy {
        /// The partner's deadline.
        after: Duration,
    },

    /// A header that the scheme requires is missing.
    #[error("header `{header}` is missing")]
    MissingHeader {
        /// The header.
        header: HeaderName,
    },
    /// A header is there twice, or under two names with different values.
    #[error("header `{header}` is there more than once")]
    RepeatedHeader {
        /// The header.
        header: HeaderName,
    },
    /// A header's value can't be what it should be: it is empty, too long, not visible ASCII, has the
    /// wrong form, or has the parameter that is the time not exactly once.
    #[error("header `{header}` is malformed")]
    MalformedHeader {
        /// The header.
        header: HeaderName,
    },
    /// More signatures than a rotation needs, or a list of more than 4 KiB.
    #[error("header `{header}` has more than {max} signatures, or more than 4 KiB of them")]
    TooManySignatures {
        /// The header.
        header: HeaderName,
        /// How many are read.
        max: usize,
    },
    /// No signature matches: another secret, or other bytes than were signed.
    #[error("no signature matches: the secret differs, or something changed the body on its way")]
    WrongSignature,
    /// The signed time is not in the body, or not in its canonical form.
    #[error("the signed time at `{pointer}` is missing or malformed")]
    MalformedTime {
        /// The JSON pointer.
        pointer: Arc<str>,
    },
    /// The request was sent too long ago: a replay, or the clocks differ.
    #[error("the request was sent {age:?} ago: a replay, or the clocks differ")]
    Stale {
        /// How long ago.
        age: Duration,
    },
    /// The request is dated too far ahead.
    #[error("the request is dated {ahead:?} ahead: do the clocks differ?")]
    Future {
        /// How far ahead.
        ahead: Duration,
    },

    /// The query is not one: it has an empty parameter, or something that separates signed values.
    #[error("the query is malformed")]
    MalformedQuery,
    /// The body is not the form that the scheme reads before it can verify.
    #[error("the body is not a form of the kind that the scheme says")]
    NotForm,
    /// The body is not JSON, and the scheme signs fields in it.
    #[error("the body is not JSON, but fields in it are signed")]
    SignedJson,
    /// A value that is signed, or the signature itself, is missing, there twice, or of another kind
    /// than the scheme says.
    #[error("`{field}`, which is signed or the signature, is missing, repeated or malformed")]
    SignedField {
        /// The JSON pointer, or the name of the parameter.
        field: Arc<str>,
    },
    /// There are no signed items, or more than are verified.
    #[error("the signed items are missing, or there are more than {max}")]
    SignedItems {
        /// How many there may be.
        max: usize,
    },
    /// The digest that was signed is missing, or is not the body's.
    #[error("the body does not have the SHA-256 that was signed")]
    WrongDigest,

    /// The signed body is not JSON, but a field in it is needed.
    #[error("the body is not JSON, but `{pointer}` is needed")]
    NotJson {
        /// The JSON pointer.
        pointer: Arc<str>,
    },
    /// A signed field of the identity is missing, empty, not a string, too long, or has control
    /// characters.
    #[error(
        "`{field}`, which identifies the delivery, is missing, or not the text or number of 1 to {max} bytes that the scheme says"
    )]
    IdentityField {
        /// The header or JSON pointer.
        field: Arc<str>,
        /// The longest value in bytes.
        max: usize,
    },
}

impl Rejection {
    /// All that [`reason`](Self::reason) can say.
    pub const REASONS: &[&str] = &[
        "method",
        "too_large",
        "body_timeout",
        "body_aborted",
        "content_encoding",
        "overloaded",
        "busy",
        "missing_header",
        "repeated_header",
        "malformed_header",
        "too_many_signatures",
        "wrong_signature",
        "malformed_time",
        "stale",
        "future",
        "malformed_query",
        "not_form",
        "signed_json",
        "signed_field",
        "signed_items",
        "wrong_digest",
        "not_json",
        "identity_field",
    ];

    /// The reason as a stable word, for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::TooLarge { .. } => "too_large",
            Self::BodyTimeout { .. } => "body_timeout",
            Self::BodyAborted => "body_aborted",
            Self::ContentEncoding => "content_encoding",
            Self::Overloaded { .. } => "overloaded",
            Self::Busy { .. } => "busy",
            Self::MissingHeader { .. } => "missing_header",
            Self::RepeatedHeader { .. } => "repeated_header",
            Self::MalformedHeader { .. } => "malformed_header",
            Self::TooManySignatures { .. } => "too_many_signatures",
            Self::WrongSignature => "wrong_signature",
            Self::MalformedTime { .. } => "malformed_time",
            Self::Stale { .. } => "stale",
            Self::Future { .. } => "future",
            Self::MalformedQuery => "malformed_query",
            Self::NotForm => "not_form",
            Self::SignedJson => "signed_json",
            Self::SignedField { .. } => "signed_field",
            Self::SignedItems { .. } => "signed_items",
            Self::WrongDigest => "wrong_digest",
            Self::NotJson { .. } => "not_json",
            Self::IdentityField { .. } => "identity_field",
        }
    }

    /// The status of the answer: 400, 401, 405, 408, 413, 415 or 503.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            // 408 says "try again", which is what a partner should do after a broken connection.
            Self::BodyTimeout { .. } | Self::BodyAborted => StatusCode::REQUEST_TIMEOUT,
            Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Overloaded { .. } | Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotJson { .. } | Self::IdentityField { .. } => StatusCode::BAD_REQUEST,
            Self::MissingHeader { .. }
            | Self::RepeatedHeader { .. }
            | Self::MalformedHeader { .. }
            | Self::TooManySignatures { .. }
            | Self::WrongSignature
            | Self::MalformedQuery
            | Self::NotForm
            | Self::SignedJson
            | Self::SignedField { .. }
            | Self::SignedItems { .. }
            | Self::WrongDigest
            | Self::MalformedTime { .. }
            | Self::Stale { .. }
            | Self::Future { .. } => StatusCode::UNAUTHORIZED,
        }
    }
}
