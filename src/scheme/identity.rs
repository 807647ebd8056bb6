//! What makes two requests the same delivery.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Field;

/// What makes two requests the same delivery.
///
/// It decides what a replayed request can do, so each variant says what it does *not* catch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Identity {
    /// Fields that the MAC covers, together, at most 16 and each once. The best there is: a replay can't change
    /// them. A request that lacks one is answered 400.
    Fields(Cow<'static, [Field]>),
    /// The signed content without its timestamp. A replay is always caught; two events with equal
    /// bodies count as one.
    Content,
    /// [`Scheme::id`](super::Scheme::id), which the MAC does not cover, bound to the content. Equal
    /// bodies under new ids both run; a captured request sent again under a new id runs again. A
    /// missing id counts as empty.
    IdAndContent,
    /// [`Scheme::id`](super::Scheme::id) alone, although the MAC does not cover it: for partners
    /// that write a new time into the body at each attempt and sign no id. Whoever guesses an id can
    /// make the real delivery look like a duplicate, and a captured request under a new id runs
    /// again.
    UnsignedId,
    /// Nothing: every verified request is a delivery of its own.
    None,
}

impl Identity {
    /// The fields, where it is that.
    pub(crate) fn fields(&self) -> &[Field] {
        match self {
            Identity::Fields(fields) => fields,
            _ => &[],
        }
    }
}
