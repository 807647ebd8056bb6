//! The comparison that decides, alone, for the programs in `tests/constant-time` that look for whatever depends on a
//! secret.

use crate::scheme::{Algorithm, Encoding};
use crate::verify::mac::{self, Key, Tag};

/// Whether one of the texts is this MAC. At most 64 bytes of it count.
pub fn is_tag(mac: &[u8], candidates: &[&[u8]], encoding: Encoding) -> bool {
    Tag::of(mac).matches_any(candidates.iter().copied(), encoding)
}

/// The same from the key on: whether one of the texts is the MAC of the content.
pub fn is_signed(
    algorithm: Algorithm,
    key: &[u8],
    content: &[u8],
    candidates: &[&[u8]],
    encoding: Encoding,
) -> bool {
    let mac = Key::new(algorithm, key).mac([content].into_iter());
    mac.matches_any(candidates.iter().copied(), encoding)
}

/// A MAC as the text of a signature. At most 64 bytes of it count.
pub fn tag_text(mac: &[u8], encoding: Encoding) -> String {
    mac::encode(encoding, &Tag::of(mac))
}
