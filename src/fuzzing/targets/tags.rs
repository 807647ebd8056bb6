//! Signatures as texts, and the one MAC that each may be.

use crate::fuzzing::choices::Choices;
use crate::scheme::{Algorithm, Encoding};
use crate::verify::mac::{Key, encode, encoded_len};

pub(super) fn check(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    let algorithm =
        choices.one(&[Algorithm::HmacSha1, Algorithm::HmacSha256, Algorithm::HmacSha512]);
    let encodings = [Encoding::Hex, Encoding::AnyCaseHex, Encoding::Base64, Encoding::Base64Url];
    let encoding = choices.one(&encodings);
    let tag = Key::new(algorithm, b"a key").mac([[choices.byte()].as_slice()].into_iter());
    let right = encode(encoding, &tag);
    assert_eq!(right.len(), encoded_len(algorithm, encoding), "{encoding:?}: {right}");

    // Either the data as they are, or the right text with some of its bytes changed.
    let candidate = match choices.one_in(3) {
        true => choices.rest().to_vec(),
        false => {
            let mut text = right.clone().into_bytes();
            for _ in 0..choices.byte() % 4 {
                let at = choices.below(text.len());
                let byte = choices.byte();
                text.iter_mut().skip(at).take(1).for_each(|old| *old = byte);
            }
            text
        }
    };
    let expected = match encoding {
        Encoding::AnyCaseHex => candidate.eq_ignore_ascii_case(right.as_bytes()),
        _ => candidate == right.as_bytes(),
    };
    let accepted = tag.matches_any([candidate.as_slice()].into_iter(), encoding);
    assert_eq!(accepted, expected, "{encoding:?}: {:?}", String::from_utf8_lossy(&candidate));
    // Wherever it stands among others, and whatever they are.
    let wrong = [candidate.as_slice(), b"", right.as_bytes(), &candidate];
    assert!(tag.matches_any(wrong.into_iter(), encoding), "the right one was not found");
    accepted
}
