//! Whether the comparison that decides looks at a secret in a way that takes another time for another
//! secret: under valgrind, which reports each branch on bytes that it was told to be undefined, and each
//! look into memory by them. `./scripts/constant-time` runs it, with controls that have to be reported.

use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::process::ExitCode;

use inhook::fuzzing::constant_time::{is_signed, is_tag, tag_text};
use inhook::scheme::{Algorithm, Encoding};

unsafe extern "C" {
    fn inhook_on_valgrind() -> c_int;
    fn inhook_secret(bytes: *const c_void, length: usize);
    fn inhook_public(bytes: *const c_void, length: usize);
}

/// The MAC or the key that should be there, which nobody may learn.
fn secret<const LENGTH: usize>() -> [u8; LENGTH] {
    let tag = black_box([0x5a; LENGTH]);
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

/// Of that MAC as text; with its first byte wrong, its last one, and all of it.
fn candidates<const LENGTH: usize>(encoding: Encoding) -> Vec<String> {
    let mut first = [0x5a; LENGTH];
    first[0] ^= 1;
    let mut last = [0x5a; LENGTH];
    last[LENGTH - 1] ^= 1;
    [[0x5a; LENGTH], first, last, [0xa5; LENGTH]].map(|tag| tag_text(&tag, encoding)).into()
}

fn compare<const LENGTH: usize>() {
    for encoding in [Encoding::Hex, Encoding::AnyCaseHex, Encoding::Base64, Encoding::Base64Url] {
        let texts = candidates::<LENGTH>(encoding);
        let is_secret = |texts: &[&[u8]]| publish(is_tag(&secret::<LENGTH>(), texts, encoding));
        let results: Vec<bool> = texts.iter().map(|text| is_secret(&[text.as_bytes()])).collect();
        assert_eq!(results, [true, false, false, false], "{encoding:?} of {LENGTH}");
        // One after the other, whichever is right.
        let all: Vec<&[u8]> = texts.iter().rev().map(|text| text.as_bytes()).collect();
        assert!(is_secret(&all), "{encoding:?} of {LENGTH}");
    }
}

/// What is the MAC of `content` with the secret of 32 bytes as key.
const SIGNED: [(Algorithm, &str); 3] = [
    (Algorithm::HmacSha1, "c615dfe04d41058c5f1607f43eff47a00e2ef503"),
    (Algorithm::HmacSha256, "8753d35a485cdf99e434788fff33e22b40338a098960c5df8d27ef8c9d048b7a"),
    (
        Algorithm::HmacSha512,
        "548390c328aeeb00dcdc0c0e567a907d2fea4e8b9bdcc55d52129000547d2c8849ac435a470fc0dcb3db6f4ea69e77f511bc8a2fd90b49c444396374907ab05e",
    ),
];

/// With the key as the secret, from which the MAC is computed.
fn sign() {
    for (algorithm, right) in SIGNED {
        let wrong = format!("{}{}", if right.starts_with('0') { '1' } else { '0' }, &right[1..]);
        for (text, expected) in [(right, true), (&wrong, false)] {
            let candidates = [text.as_bytes()];
            let is = is_signed(algorithm, &secret::<32>(), b"content", &candidates, Encoding::Hex);
            assert_eq!(publish(is), expected, "{algorithm:?}");
        }
    }
}

/// A comparison that ends at the first byte that differs.
fn early() {
    for text in candidates::<32>(Encoding::Hex) {
        let decoded = const_hex::decode(text).unwrap();
        let tag = secret::<32>();
        let equal = tag.iter().zip(&decoded).all(|(one, other)| black_box(one) == black_box(other));
        black_box(publish(equal));
    }
}

/// A comparison of texts: the secret is looked up in a table of digits.
fn as_text() {
    for text in candidates::<32>(Encoding::Hex) {
        let digits: Vec<u8> = secret::<32>()
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
        Some("compare") => {
            compare::<20>();
            compare::<32>();
            compare::<64>();
        }
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
