//! Bytes at random, for a run that no fuzzer guides.

/// The same bytes for each seed, without an end.
pub fn random_bytes(seed: u64) -> impl Iterator<Item = u8> {
    // Xorshift, which never leaves 0.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[3]
    })
}
