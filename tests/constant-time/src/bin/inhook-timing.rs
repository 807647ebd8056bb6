//! Whether the comparison that decides takes another time for another request: Welch's t-test on many timings
//! of two kinds of it, as dudect does (Reparaz, Balasch and Verbauwhede, "Dude, is my code constant time?",
//! 2016). An |t| above 4.5 is a difference. `./scripts/constant-time` runs it.

use std::env;
use std::hint::black_box;

use dudect_bencher::rand::RngExt;
use dudect_bencher::{BenchRng, Class, CtRunner, ctbench_main};
use inhook::fuzzing::constant_time::{is_tag, tag_text};
use inhook::scheme::Encoding;

ctbench_main!(early_exit, first_or_last_byte_wrong, right_or_wrong, right_is_first_or_last_of_16);

type Mac = [u8; 32];
type Text = [u8; 64];

/// How many requests are timed of each pair.
fn samples() -> usize {
    let samples = env::var("INHOOK_SAMPLES").ok().map(|samples| samples.parse().unwrap());
    samples.unwrap_or(10_000_000)
}

fn text(mac: &Mac) -> Text {
    tag_text(mac, Encoding::Hex).into_bytes().try_into().unwrap()
}

fn wrong_at(mac: &Mac, byte: usize) -> Text {
    let mut wrong = *mac;
    wrong[byte] ^= 1;
    text(&wrong)
}

/// Times what `decide` makes of one or the other, by chance. Both lie in the same place, so that where they
/// came from makes no difference.
fn time<const N: usize>(
    runner: &mut CtRunner,
    rng: &mut BenchRng,
    [left, right]: [[Text; N]; 2],
    decide: impl Fn(&[Text; N]) -> bool,
) {
    let mut texts = left;
    for _ in 0..samples() {
        let (class, kind) =
            if rng.random() { (Class::Left, &left) } else { (Class::Right, &right) };
        texts.copy_from_slice(black_box(kind));
        runner.run_one(class, || decide(black_box(&texts)));
    }
}

fn first_or_last_byte_wrong(runner: &mut CtRunner, rng: &mut BenchRng) {
    let mac: Mac = rng.random();
    let kinds = [[wrong_at(&mac, 0)], [wrong_at(&mac, 31)]];
    time(runner, rng, kinds, |[text]| is_tag(&mac, &[text], Encoding::Hex));
}

fn right_or_wrong(runner: &mut CtRunner, rng: &mut BenchRng) {
    let mac: Mac = rng.random();
    let kinds = [[text(&mac)], [wrong_at(&mac, 15)]];
    time(runner, rng, kinds, |[text]| is_tag(&mac, &[text], Encoding::Hex));
}

fn right_is_first_or_last_of_16(runner: &mut CtRunner, rng: &mut BenchRng) {
    let mac: Mac = rng.random();
    let wrong = wrong_at(&mac, 15);
    let (mut first, mut last) = ([wrong; 16], [wrong; 16]);
    first[0] = text(&mac);
    last[15] = text(&mac);
    time(runner, rng, [first, last], |texts| {
        is_tag(&mac, &texts.each_ref().map(|text| &text[..]), Encoding::Hex)
    });
}

/// The control, which has to be noticed: a comparison that ends at the first byte that differs.
fn early_exit(runner: &mut CtRunner, rng: &mut BenchRng) {
    let mac: Mac = rng.random();
    let kinds = [[wrong_at(&mac, 0)], [wrong_at(&mac, 31)]];
    time(runner, rng, kinds, |[text]| {
        let tag = const_hex::decode_to_array::<_, 32>(text).unwrap();
        mac.iter().zip(&tag).all(|(one, other)| black_box(one) == black_box(other))
    });
}
