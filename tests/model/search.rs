//! The search for a case in which a property does not hold, and the way back to it.
//!
//! Each case has a seed of its own. `PROPTEST_CASES` is how many are tried and `PROPTEST_RNG_SEED`
//! the first seed. A failure prints its seed, and what is left of the case after shrinking. It comes
//! back by that, and stays as a named test; no file keeps it.

use std::fmt::{self, Debug};
use std::hash::{BuildHasher, Hasher, RandomState};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

pub(crate) struct Search {
    pub(crate) cases: u32,
    seed: u64,
}

/// A case in which the property does not hold.
pub(crate) struct Found<T> {
    pub(crate) case: T,
    pub(crate) reason: String,
    /// How many cases it took.
    pub(crate) cases: u32,
    seed: u64,
}

impl Search {
    /// So many cases, unless the environment says otherwise.
    pub(crate) fn new(cases: u32) -> Self {
        let said = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
        let seed = match Config::default().rng_seed {
            RngSeed::Fixed(seed) => seed,
            RngSeed::Random => random(),
        };
        Self { cases: said.unwrap_or(cases), seed }
    }

    /// So many cases, whatever the environment says.
    pub(crate) fn exactly(cases: u32) -> Self {
        Self { cases, seed: random() }
    }

    /// The cases of one seed, the same each time.
    pub(crate) fn seeded(cases: u32, seed: u64) -> Self {
        Self { cases, seed }
    }

    pub(crate) fn run<S: Strategy>(
        &self,
        strategy: S,
        holds: impl Fn(&S::Value) -> Result<(), String>,
    ) -> Result<(), Found<S::Value>> {
        println!("{} cases, PROPTEST_RNG_SEED={}", self.cases, self.seed);
        for n in 0..self.cases {
            let seed = self.seed.wrapping_add(n.into());
            let config = Config {
                cases: 1,
                rng_seed: RngSeed::Fixed(seed),
                failure_persistence: None,
                max_shrink_iters: 20_000,
                max_shrink_time: 120_000,
                ..Config::default()
            };
            let tried = TestRunner::new(config)
                .run(&strategy, |case| holds(&case).map_err(TestCaseError::fail));
            match tried {
                Ok(()) => {}
                Err(TestError::Fail(reason, case)) => {
                    return Err(Found { case, reason: reason.to_string(), cases: n + 1, seed });
                }
                Err(TestError::Abort(reason)) => panic!("aborted: {reason}"),
            }
        }
        Ok(())
    }

    /// The property holds in all cases.
    pub(crate) fn finds_none<S: Strategy>(
        &self,
        strategy: S,
        holds: impl Fn(&S::Value) -> Result<(), String>,
    ) {
        if let Err(found) = self.run(strategy, holds) {
            panic!("{found}");
        }
    }
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl<T: Debug> fmt::Display for Found<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\nin {:#?}", self.reason, self.case)?;
        write!(f, "again: PROPTEST_CASES=1 PROPTEST_RNG_SEED={} (case {})", self.seed, self.cases)
    }
}
