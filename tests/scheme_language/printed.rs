//! A scheme that is printed and read again is the same one.

use std::time::Duration;

use inhook::scheme::{Answer, Tolerance};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Any, with those that a person writes more often than chance does.
fn duration() -> impl Strategy<Value = Duration> {
    let units = select(vec![1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000, 3_600_000_000_000]);
    let written = (units, 1..100u64).prop_map(|(unit, count)| Duration::from_nanos(unit * count));
    prop_oneof![written, any::<Duration>()]
}

/// Within what is allowed.
fn tolerance() -> impl Strategy<Value = Duration> {
    duration().prop_map(|value| value.clamp(Duration::from_secs(1), Duration::from_secs(86_400)))
}

prop_compose! {
    /// A preset with other names, texts and times.
    fn scheme()(
        preset in select(presets::all().collect::<Vec<_>>()),
        name in "\\PC{1,60}",
        body in "(?s).{0,60}",
        retry_horizon in prop_oneof![Just(Duration::ZERO), duration()],
        deadline in duration().prop_filter("none at all", |value| !value.is_zero()),
        tolerance in weighted(0.8, (tolerance(), tolerance())),
    ) -> Scheme {
        let mut scheme = preset.scheme.clone();
        if scheme.sent_at.is_some() {
            scheme.tolerance = tolerance.map(|(past, future)| Tolerance { past, future });
        }
        let answer = Answer { status: 200, body: body.into() };
        Scheme { name: name.into(), answer, retry_horizon, deadline, ..scheme }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        // Failures are reproduced from what they print.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_printed_is_read_as_the_same_scheme(scheme in scheme()) {
        let printed = scheme.to_toml();
        let read = Scheme::from_toml("printed.toml", &printed);
        prop_assert_eq!(read.as_ref(), Ok(&scheme), "{}", printed);
    }
}
