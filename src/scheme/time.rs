//! When an attempt was sent, and how old it may be.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Field;

/// When an attempt was sent: a time that the partner writes anew at each attempt and signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a place and a format is all it is")]
pub struct SentAt {
    /// Where it is. Where the body is not signed as a whole, or this is outside of it, it must also
    /// be in [`Scheme::content`](super::Scheme::content), as [`Part::SentAt`](super::Part::SentAt).
    pub field: Field,
    /// How it is written.
    pub format: TimeFormat,
}

/// How a time is written. Only the canonical spelling counts: no sign, no leading zeros, no space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeFormat {
    /// Whole seconds since 1970.
    UnixSeconds,
    /// Whole milliseconds since 1970.
    UnixMillis,
    /// [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339), upper-case `T` and `Z`, at most nine
    /// fractional digits, no leap second: `2026-01-15T09:30:00.142Z`.
    Rfc3339,
}

/// How far [`Scheme::sent_at`](super::Scheme::sent_at) may lie from now; the bounds themselves are
/// accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "there are two directions")]
pub struct Tolerance {
    /// How old a request may be: 1 s to 24 h.
    #[serde(with = "super::duration")]
    pub past: Duration,
    /// How far ahead of our clock it may be dated: 1 s to 24 h.
    #[serde(with = "super::duration")]
    pub future: Duration,
}

impl Tolerance {
    /// 300 s in both directions.
    pub const BASE: Tolerance = Tolerance::past(300);

    /// This many seconds back, and 300 s ahead.
    pub const fn past(seconds: u64) -> Tolerance {
        Tolerance { past: Duration::from_secs(seconds), future: Duration::from_secs(300) }
    }
}

/// A tolerance, or `"any"` where every age is accepted.
pub(super) mod tolerance {
    use serde::de::{Deserializer, Error};
    use serde::ser::Serializer;
    use serde::{Deserialize, Serialize};

    use super::Tolerance;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Word(String),
        Tolerance(Tolerance),
    }

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<Tolerance>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(tolerance) => Written::Tolerance(*tolerance).serialize(to),
            None => Written::Word("any".into()).serialize(to),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Tolerance>, D::Error> {
        match Written::deserialize(from) {
            Ok(Written::Tolerance(tolerance)) => Ok(Some(tolerance)),
            Ok(Written::Word(word)) if word == "any" => Ok(None),
            _ => Err(D::Error::custom(
                r#"a tolerance is `{ past = "300s", future = "300s" }`, or "any" for none"#,
            )),
        }
    }
}
