//! Whether the comparison that decides looks at a secret in a way that takes another time for another
//! secret: under valgrind, which reports each branch on bytes that it was told to be undefined, and each
//! look into memory by them. `./scripts/constant-time` runs it, with controls that have to be reported.

use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::process::ExitCode;

use inhook::scheme::Encoding;

unsafe extern "C" {
    fn inhook_on_valgrind() -> c_int;
    fn inhook_secret(bytes: *const c_void, length: usize);
    fn inhook_public(bytes: *const c_void, length: usize);
}

/// The MAC that should be there, which nobody may learn.
fn secret() -> [u8; 32] {
    let tag = black_box([0x5a; 32]);
    // SAFETY: the bytes are ours, and only looked at.
    unsafe { inhook_secret(tag.as_ptr().cast(), tag.len()) };
    tag
}

/// What came of it is no secret: the answer says it.
fn publish(result: bool) -> bool {
    let result = black_box(u8::from(result));
    // SAFETY: the byte is ours, and only looked at.
    unsafe { inhook_public((&raw const result).cast(), 1) };
    result != 0
}

/// In hex and in base64, of that MAC; with its first byte wrong, its last one, and all of it.
fn candidates(encoding: Encoding) -> Vec<String> {
    let mut first = [0x5a; 32];
    first[0] ^= 1;
    let mut last = [0x5a; 32];
    last[31] ^= 1;
    let tags = [[0x5a; 32], first, last, [0xa5; 32]];
    tags.map(|tag| inhook::fuzzing::targets::tag_text(&tag, encoding)).into()
}

fn compare() {
    for encoding in [Encoding::Hex, Encoding::AnyCaseHex, Encoding::Base64, Encoding::Base64Url] {
        let texts = candidates(encoding);
        let results: Vec<bool> = texts
            .iter()
            .map(|text| {
                publish(inhook::fuzzing::targets::is_tag(&secret(), &[text.as_bytes()], encoding))
            })
            .collect();
        assert_eq!(results, [true, false, false, false], "{encoding:?}");
        // One after the other, whichever is right.
        let all: Vec<&[u8]> = texts.iter().rev().map(|text| text.as_bytes()).collect();
        assert!(
            publish(inhook::fuzzing::targets::is_tag(&secret(), &all, encoding)),
            "{encoding:?}"
        );
    }
}

/// With the key as the secret, from which the MAC is computed.
fn sign() {
    // HMAC-SHA256 of `content`, with the secret as key.
    let right = "8753d35a485cdf99e434788fff33e22b40338a098960c5df8d27ef8c9d048b7a";
    let mut texts = candidates(Encoding::Hex);
    texts.push(right.to_owned());
    let signed = |text: &String| {
        let is = inhook::fuzzing::targets::is_signed(
            &secret(),
            b"content",
            &[text.as_bytes()],
            Encoding::Hex,
        );
        publish(is)
    };
    let results: Vec<bool> = texts.iter().map(signed).collect();
    assert_eq!(results, [false, false, false, false, true]);
}

/// A comparison that ends at the first byte that differs.
fn early() {
    for text in candidates(Encoding::Hex) {
        let decoded = const_hex::decode(text).unwrap();
        let tag = secret();
        let equal = tag.iter().zip(&decoded).all(|(one, other)| black_box(one) == black_box(other));
        black_box(publish(equal));
    }
}

/// A comparison of texts: the secret is looked up in a table of digits.
fn as_text() {
    for text in candidates(Encoding::Hex) {
        let digits: Vec<u8> = secret()
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|digit| black_box(b"0123456789abcdef")[usize::from(digit)])
            .collect();
        let differ =
            digits.iter().zip(text.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
        black_box(publish(differ == 0));
    }
}

fn main() -> ExitCode {
    // SAFETY: it takes nothing.
    if unsafe { inhook_on_valgrind() } == 0 {
        eprintln!("this shows nothing outside valgrind: run ./scripts/constant-time");
        return ExitCode::from(2);
    }
    match std::env::args().nth(1).as_deref() {
        Some("compare") => compare(),
        Some("sign") => sign(),
        Some("early") => early(),
        Some("as-text") => as_text(),
        other => {
            eprintln!("{other:?} is none of compare, sign, early and as-text");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
