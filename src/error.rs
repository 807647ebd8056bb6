//! What can be wrong with a configuration, and the two boxes that public signatures use.

use std::time::Duration;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A boxed future.
#[cfg(feature = "tower")]
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A wrong configuration, found before the first request. It never contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The source's name is empty, longer than 255 bytes or has control characters.
    #[error(
        "a source needs a name of 1 to 255 bytes without control characters, such as `github-acme`"
    )]
    SourceName,

    /// The scheme's name is empty, longer than 255 bytes or has control characters.
    #[error("a scheme needs a name of 1 to 255 bytes without control characters")]
    SchemeName,

    /// No secret at all.
    #[error("no secret is configured; without one nothing can be verified")]
    NoSecret,
    /// More secrets than a rotation needs.
    #[error("{count} secrets are configured; at most {max} are tried per request: remove old ones")]
    TooManySecrets {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A secret without any content.
    #[error(
        "secret `{label}` is empty, or only white space or zeros; is its environment variable set?"
    )]
    EmptySecret {
        /// The secret's label or position.
        label: String,
    },
    /// White space around a secret, which would silently be part of the key.
    #[error(
        "secret `{label}` begins or ends with white space (a line break from a file?): trim it where it is read"
    )]
    PaddedSecret {
        /// The secret's label or position.
        label: String,
    },
    /// A secret that is too short to be one.
    #[error(
        "secret `{label}` has {bytes} bytes; at least {min} are required, unless `allow_weak_secret` is set"
    )]
    WeakSecret {
        /// The secret's label or position.
        label: String,
        /// The length of the key after decoding.
        bytes: usize,
        /// The smallest length that is accepted.
        min: usize,
    },
    /// A secret in the wrong notation.
    #[error("secret `{label}` is not {notation}{hint}")]
    UndecodableSecret {
        /// The secret's label or position.
        label: String,
        /// How the partner writes its secrets.
        notation: &'static str,
        /// What was probably meant.
        hint: &'static str,
    },
    /// A secret without the label by which the partner's requests name it.
    #[error(
        "secret {position} has no label; requests of this partner name their key, so give it that name with `Secret::label`"
    )]
    MissingLabel {
        /// Its position, from 0.
        position: usize,
    },
    /// A label that no request can name its key by.
    #[error(
        "no request can name the key `{label}`: it has what separates names there, spaces at an end, or control characters; give it the name that the partner shows"
    )]
    Label {
        /// The label.
        label: String,
    },
    /// Two secrets with one label.
    #[error(
        "two secrets are labelled `{label}`; the label says which one matched, so it must be unique"
    )]
    DuplicateLabel {
        /// The label.
        label: String,
    },

    /// A name that can't be a header.
    #[error("`{name}` is not a header name")]
    HeaderName {
        /// The name.
        name: String,
    },
    /// A JSON pointer that RFC 6901 does not allow, or that leads too far down.
    #[error(
        "`{pointer:.200}` is not a JSON pointer: it must begin with `/`, `~` must be followed by 0 or 1, and it leads down 60 levels at most"
    )]
    Pointer {
        /// The pointer.
        pointer: String,
    },
    /// More pointers than one pass looks for.
    #[error("the scheme has {count} JSON pointers; at most {max} are supported")]
    TooManyPointers {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// The scheme signs something that is ambiguous or leaves the body out.
    #[error("the signed content {problem}")]
    Content {
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// A key of the scheme that contradicts the others, or has a value that none can have.
    #[error("`{key}` {problem}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// A signature that can't be found, or not be told from something else.
    #[error("the signature {problem}")]
    Signature {
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// A danger that is allowed, and is none in this scheme.
    #[error("the scheme is safe without `Danger::{danger}`: leave it out of `dangerously_allow`")]
    NeedlessDanger {
        /// The danger.
        danger: &'static str,
    },
    /// The partner signs the endpoint's URL, and none is configured.
    #[error(
        "the partner signs the URL of the endpoint: give the public one to `VerifierBuilder::url`"
    )]
    MissingUrl,
    /// A URL that can't be an endpoint's.
    #[error(
        "`{url:.200}` is not a URL like `https://example.com/webhooks/acme`, with a path and without a fragment"
    )]
    Url {
        /// What was given.
        url: String,
    },
    /// An answer that no partner takes for an accept.
    #[error(
        "a delivery that was accepted can't be answered {status}: it must be 200 to 299, and 204 and 205 have no body"
    )]
    Answer {
        /// The status.
        status: u16,
    },
    /// One header is named for two things.
    #[error(
        "header `{header}` is named for two things, such as the id and the time; each needs its own"
    )]
    HeaderTwice {
        /// The header.
        header: String,
    },
    /// A second name that is never looked for.
    #[error(
        "`{name}` has two other names in `aliases`, or is one of several headers for signatures; it may have one"
    )]
    Alias {
        /// The first of the two names.
        name: String,
    },
    /// A partner that does not wait at all.
    #[error("the deadline is zero: how long does the partner wait for an answer?")]
    Deadline,
    /// A list separator that can't work.
    #[error(
        "the list separator must be one ASCII character that neither the prefix nor the encoding uses"
    )]
    Separator,
    /// A parameter of the signature header that can't be read.
    #[error("parameter `{name}` of the signature header {problem}")]
    Parameter {
        /// The parameter's name.
        name: String,
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// A time outside the signed content would be used for freshness.
    #[error(
        "`sent_at` is where the MAC does not cover it, or is in ambiguous content, where bytes can be moved into it: add `Part::SentAt` to the content if the partner signs it there, or leave `sent_at` out"
    )]
    UncoveredTime,
    /// A part of the identity is outside the signed content.
    #[error(
        "identity field `{field}` is not covered by the MAC, or is in ambiguous content, where bytes can be moved into it; use `Content`, or `IdAndContent`, which binds an id that is not signed to the content"
    )]
    UncoveredIdentity {
        /// The header or pointer.
        field: String,
    },
    /// The identity needs something that the scheme does not have.
    #[error("the identity {problem}")]
    Identity {
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// A tolerance that is not one.
    #[error(
        "a tolerance must be between 1 s and 24 h, not {value:?}; to accept requests of any age call `ignore_sent_at`"
    )]
    Tolerance {
        /// The value.
        value: Duration,
    },
    /// A tolerance where nothing is judged by it.
    #[error(
        "a tolerance is set, but the scheme has no `sent_at`: no time is judged, and a captured request never goes stale; say where the time is, or leave the tolerance out, which in a scheme built upon another one is `tolerance: None`"
    )]
    NeedlessTolerance,
    /// A dedup window that ends while a replay is still fresh.
    #[error(
        "a TTL of {ttl:?} is outside {min:?} to {max:?}; below the tolerances a replay would still be fresh when its id is forgotten"
    )]
    Ttl {
        /// The value.
        ttl: Duration,
        /// The smallest value.
        min: Duration,
        /// The largest value.
        max: Duration,
    },
    /// The operating system has no random numbers.
    #[error("the operating system's random numbers are not available")]
    Random,

    /// A worker's setting that can't work.
    #[error("worker: {problem}")]
    Worker {
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// A setting of a [`DedupLayer`](https://docs.rs/inhook) that can't work.
    #[error("deduplication: {problem}")]
    Dedup {
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// Two handlers for the same events.
    #[error("two handlers are registered for event `{event}`{}", source_suffix(.source_name))]
    DuplicateHandler {
        /// The event type.
        event: String,
        /// The source, where the handlers are for one source only.
        source_name: Option<String>,
    },
}

fn source_suffix(source: &Option<String>) -> String {
    source.as_ref().map(|source| format!(" of source `{source}`")).unwrap_or_default()
}
