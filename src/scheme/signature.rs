//! Where a signature is, and how it is written.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Field;

/// Where the signature is and how it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "constants are written with `..Signature::BASE`")]
pub struct Signature {
    /// A header for nearly all partners; some write it into the query, a form or the JSON itself.
    pub field: Field,
    /// Further headers that may hold signatures as well, for example of a second key. Each may be
    /// missing, and so may [`field`](Self::field) then, but one must be there. At most 16.
    pub others: Cow<'static, [Cow<'static, str>]>,
    /// What stands before each signature: `sha256=`, `v1,`, or nothing.
    pub prefix: Cow<'static, str>,
    /// One signature, or several.
    pub layout: Layout,
    /// How the MAC is written.
    pub encoding: Encoding,
}

impl Signature {
    /// One signature in lower-case hex without a prefix; the header has to be named.
    pub const BASE: Signature = Signature {
        field: Field::Header(Cow::Borrowed("")),
        others: Cow::Borrowed(&[]),
        prefix: Cow::Borrowed(""),
        layout: Layout::Single,
        encoding: Encoding::Hex,
    };
}

impl Default for Signature {
    fn default() -> Self {
        Self::BASE
    }
}

/// How many signatures a request has, and how they are told apart. Of those with the right prefix
/// and length any one may match, and there may be at most 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Layout {
    /// One, which must carry the prefix.
    Single,
    /// A list with this separator. Entries without the prefix (other versions, [`Field::Parameter`]),
    /// or of another length than a tag has, are ignored.
    List(char),
    /// A list in which one space may follow each separator: `t=1492774577, v1=…`.
    SpacedList(char),
    /// Several lists with this separator, separated by spaces: `t=1492774577,v1=… t=1492774577,v1=…`.
    /// A parameter that is in more than one of them must be the same in each.
    Lists(char),
    /// The header may be there several times, each time with one signature.
    Repeated,
    /// Each signature has a header of its own, whose name ends in a number from 1 to 16:
    /// `x-signature-` stands for `x-signature-1`, `x-signature-2`, and so on.
    Numbered,
}

impl Layout {
    /// What separates the entries of a list.
    pub(crate) fn separator(self) -> Option<char> {
        match self {
            Self::List(separator) | Self::SpacedList(separator) | Self::Lists(separator) => {
                Some(separator)
            }
            Self::Single | Self::Repeated | Self::Numbered => None,
        }
    }
}

/// How a MAC is written as text. But for [`AnyCaseHex`](Self::AnyCaseHex), each has exactly one
/// spelling per MAC; others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// Lower-case hexadecimal.
    Hex,
    /// Hexadecimal with letters in any case, for a partner that sends both.
    AnyCaseHex,
    /// Padded standard base64 (RFC 4648 §4).
    Base64,
    /// Base64 in the URL-safe alphabet, without padding (RFC 4648 §5).
    Base64Url,
}
