//! The test that README shows.

use inhook::fuzzing::Attack;
use inhook::{Verifier, presets};

#[test]
fn nobody_is_let_in() -> Result<(), inhook::BoxError> {
    let secret = "a secret of at least sixteen bytes";
    let receiver = Verifier::new("github-acme", presets::GITHUB, secret)?;
    // 10,000 attempts. A seed makes the same choices again.
    let seed = std::env::var("ATTACK_SEED").ok().map(|text| text.parse()).transpose()?;
    Attack::new(presets::GITHUB, secret)?.run(&receiver, 10_000, seed.unwrap_or(1))?;
    Ok(())
}
