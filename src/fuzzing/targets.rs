//! The logic of this crate's own targets in `fuzz/`: each takes a fuzzer's bytes, and panics if a property is
//! broken. The targets are one line each, so that the properties are compiled with the crate, and
//! `tests/corpus` replays them without a fuzzer.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an oracle fails by panicking"
)]

use std::sync::{Arc, LazyLock};

use super::Attack;
pub use super::random::random_bytes;
use crate::scheme::presets::{GITHUB, STANDARD_WEBHOOKS};
use crate::verify::Verifier;

mod capture;
mod case;
mod chosen;
#[cfg(feature = "moka")]
mod dedup;
mod fixtures;
mod forms;
mod json;
mod mutation;
#[cfg(feature = "tower")]
mod records;
mod requests;
#[cfg(feature = "toml")]
mod scheme;
mod signed;
mod tags;
mod time;

use capture::Capture;
use fixtures::{KEYED, LISTED, STRIPE_HEADER, Standing, URL, secret};

/// Any headers: accepted is exactly what an independent computation accepts.
///
/// The data is a request as text: lines of `name: value`, an empty line, and the body. Where a
/// signature header says `$new` or `$old`, the right tag under one of two secrets is put in, since no
/// fuzzer guesses a MAC; and where it says `$empty`, that of no secret at all. It is judged by three
/// schemes: [`GITHUB`], [`STANDARD_WEBHOOKS`] and a list of tags in hex. Returns whether one of them accepted it.
///
/// # Panics
///
/// A property is broken: the verifier accepts what the computation refuses, or the reverse, or it
/// answers differently the second time.
pub fn signature_headers(data: &[u8]) -> bool {
    let capture = Capture::parse(data);
    let accepted = [GITHUB, STANDARD_WEBHOOKS, LISTED].map(|scheme| capture.judge(&scheme));
    accepted.contains(&true)
}

/// [`signature_headers`] for lists that hold the time as well: that of `STRIPE`, and one with tags
/// in base64 and another separator.
///
/// # Panics
///
/// A property is broken.
pub fn signature_lists(data: &[u8]) -> bool {
    let capture = Capture::parse(data);
    let accepted = [STRIPE_HEADER, KEYED].map(|scheme| capture.judge(&scheme));
    accepted.contains(&true)
}

/// Any text as a time, in each format: accepted are exactly the canonical spellings of the time that
/// an independent computation makes of them, and what is written again is that time. Returns whether
/// one of the formats accepted it.
///
/// # Panics
///
/// A property is broken.
pub fn timestamps(data: &[u8]) -> bool {
    time::check(data)
}

/// JSON pointers looked up in one pass find what they find in the tree that `serde_json` builds, and so do
/// those in each item of an array, unless a key on the way to that is repeated.
///
/// The data is lines with a pointer each, an empty line, and the body. Returns whether the body is
/// JSON in which every pointer leads to something.
///
/// # Panics
///
/// A property is broken.
pub fn json_pointers(data: &[u8]) -> bool {
    json::check(data)
}

/// Any text as a signature: of all texts it has exactly one spelling per encoding, or, where letters of
/// either case are taken, one but for that. Returns whether the text was that of the right MAC.
///
/// # Panics
///
/// A property is broken.
pub fn tags(data: &[u8]) -> bool {
    tags::check(data)
}

/// Any body as a form, in either encoding: another program reads the same in it, and what that writes in
/// parts is read again. One that is signed by its names and values is the same in any order and spelling.
///
/// The data is a content type, a line feed, and the body. Returns whether it is a form.
///
/// # Panics
///
/// A property is broken.
pub fn forms(data: &[u8]) -> bool {
    forms::check(data)
}

/// Any bytes as a stored record, or those of a real one with a few changed: they are refused, or are a
/// record that is the same however often it is stored, and the real one is what was stored. Returns whether they are.
///
/// # Panics
///
/// A property is broken.
#[cfg(feature = "tower")]
pub fn records(data: &[u8]) -> bool {
    records::check(data)
}

/// Operations on a [`MemoryDedup`](crate::MemoryDedup), in any order and at any time: each answer is what
/// a model says that is a few lines long.
///
/// The data are pairs of bytes: what is done (claim with a new ticket, claim again, commit, release, let
/// time pass, set the wall clock) and to which. Returns whether a delivery was granted to a second ticket.
///
/// # Panics
///
/// The store answers differently.
#[cfg(feature = "moka")]
pub fn dedup_operations(data: &[u8]) -> bool {
    dedup::operations(data)
}

/// Any text as a scheme file: it is refused with a message that names the file and a line of it, or what
/// is printed of it is the same scheme, and what that signs it accepts: with other headers and in another
/// order too, and with another body only where the scheme says that this is not signed, as the same
/// delivery.
///
/// The data is the file, a zero byte, and the body of a message. Returns whether there was a request that
/// the scheme accepted.
///
/// # Panics
///
/// A property is broken.
#[cfg(feature = "toml")]
pub fn scheme_files(data: &[u8]) -> bool {
    scheme::check(data)
}

/// The same for a scheme that the data chooses key by key.
///
/// # Panics
///
/// A property is broken.
#[cfg(feature = "toml")]
pub fn schemes(data: &[u8]) -> bool {
    scheme::chosen(data)
}

/// Any request for any scheme: whatever is accepted has the right tag of all that an independent reading of
/// it says is signed, by the key that it says; it is in time. It is judged so again, with other headers and in
/// another order too, as is one that is refused. After any bit of it is changed it is refused, or just as right and
/// the same delivery; where that is signed anew, it is the same exactly if what identifies it is. Of another source it
/// is another one. What all of the scheme's own rules were followed for has no wrong signature.
///
/// The data chooses a scheme as in `schemes`, then what is changed, then the request: text with the
/// method and the target, lines of `name: value`, an empty line, and the body, or edits to one that has all
/// that the scheme asks for. In it `$tag` and `$old` stand for the right tag under either of two keys, `$empty` for
/// that under none, and `$sha` for the digest of the body. Returns whether it was accepted.
///
/// # Panics
///
/// A property is broken.
pub fn requests(data: &[u8]) -> bool {
    requests::check(data)
}

/// The same for the scheme of a preset: any request of a partner.
///
/// The data is the preset's name, a line feed, and the request as text. Returns whether it was accepted.
///
/// # Panics
///
/// A property is broken.
pub fn partner_requests(data: &[u8]) -> bool {
    requests::of_partner(data)
}

/// An [`Attack`] on a [`Verifier`] of each preset, which the first byte chooses. Returns whether there was
/// something to try.
///
/// # Panics
///
/// A property is broken.
pub fn attacks(data: &[u8]) -> bool {
    static ATTACKS: LazyLock<Vec<(Attack, Verifier)>> = LazyLock::new(|| {
        let attacked = |preset: &crate::presets::Preset| {
            let scheme = &preset.scheme;
            let secret = secret(scheme);
            let attack = Attack::for_url(scheme.clone(), secret.clone(), URL);
            let builder = Verifier::builder("attacked", scheme.clone(), secret).url(URL);
            (
                attack.expect("a preset"),
                builder.clock(Arc::new(Standing)).build().expect("a preset"),
            )
        };
        crate::presets::all().map(attacked).collect()
    });
    let (choice, data) = data.split_first().unwrap_or((&0, &[]));
    let (attack, verifier) = &ATTACKS[usize::from(*choice) % ATTACKS.len()];
    attack.check(verifier, data).expect("what holds of a receiver")
}

/// What a partner signs is accepted, and what somebody changed on its way is not.
///
/// From the data come one of six schemes ([`GITHUB`], [`STANDARD_WEBHOOKS`], one that has everything inside
/// the JSON body, `STRIPE`, `SLACK` and `SHOPIFY`), a time, an id, a body and one mutation. A request
/// that is signed in time has to be accepted with its id; after the mutation it has to be refused, unless
/// that changed neither a signed byte nor the spelling of the tag. Returns whether the mutated request
/// was accepted.
///
/// # Panics
///
/// A property is broken.
pub fn sign_mutate_verify(data: &[u8]) -> bool {
    mutation::check(data)
}
