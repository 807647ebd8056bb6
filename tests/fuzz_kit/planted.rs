//! Bugs that are planted in receivers: any seed finds them, in less than a minute each.

use std::time::{Duration, Instant};

use inhook::scheme::Danger;

use super::*;
use crate::homemade::{Bug, Homemade, attack};
use crate::reports::printed_data;

#[test]
fn s5_planted_bugs_are_found() {
    let standard = presets::STANDARD_WEBHOOKS;
    for (scheme, bug, oracle) in [
        (&GITHUB, Bug::EmptyKey, Oracle::RefusesForged),
        (&GITHUB, Bug::PrefixCompare, Oracle::RefusesForged),
        (&standard, Bug::NoTimestampCheck, Oracle::RefusesStale),
        (&standard, Bug::OneSidedTimestamp, Oracle::RefusesStale),
        (&GITHUB, Bug::AlgorithmFromHeader, Oracle::RefusesForged),
        (&standard, Bug::FirstCandidateOnly, Oracle::AcceptsGenuine),
        (&standard, Bug::AnyVersion, Oracle::RefusesChanged),
        (&GITHUB, Bug::FirstOfDuplicateHeaders, Oracle::RefusesRepeated),
        (&standard, Bug::PlusTimestamp, Oracle::RefusesRespelled),
        (&standard, Bug::IdWithDelimiter, Oracle::RefusesChanged),
        (&GITHUB, Bug::UnsignedIdAsKey, Oracle::TwoKeys),
        (&GITHUB, Bug::ReserialisedBody, Oracle::AcceptsGenuine),
        (&GITHUB, Bug::Panics, Oracle::NoPanic),
        (&standard, Bug::OverflowingTime, Oracle::NoPanic),
        (&standard, Bug::BodyAsKey, Oracle::TwoKeys),
        (&standard, Bug::IdAndBodyAsKey, Oracle::OneKey),
        (&standard, Bug::LenientBase64, Oracle::RefusesRespelled),
        (&standard, Bug::SecondNameAsKey, Oracle::OneKey),
    ] {
        for seed in 1..=3 {
            let started = Instant::now();
            let finding = attack(scheme, bug, 100_000, seed).expect_err("a planted bug");
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{bug:?}: {:?}",
                started.elapsed()
            );
            println!("{bug:?}, seed {seed}: found in {:?}", started.elapsed());
            // A wrong key shows in one of two.
            let keys = [Oracle::OneKey, Oracle::TwoKeys];
            let either = keys.contains(&oracle) && keys.contains(&finding.oracle);
            assert!(finding.oracle == oracle || either, "{bug:?}: {finding}");
            // It is small, comes back from what is printed, and can be read and repeated.
            assert!(finding.data.len() <= 32, "{bug:?}: {finding}");
            let receiver = Homemade { scheme: scheme.clone(), bug };
            let again = Attack::new(scheme.clone(), SECRET).unwrap();
            let text = finding.to_string();
            let again = again.check(&receiver, &printed_data(&text)).unwrap_err();
            assert_eq!(again.to_http(), finding.to_http(), "{bug:?}");
            assert!(text.contains("curl --globoff") && text.contains(r" / HTTP/1.1\r\n"), "{text}");
        }
    }
}

#[test]
fn s5_a_rotation_that_goes_wrong_is_found() {
    let scheme = presets::STANDARD_WEBHOOKS;
    let [new, old] = secrets_of(&scheme);
    let attack = Attack::new(scheme.clone(), new.clone()).unwrap().secret(old.clone()).unwrap();
    let clock = Arc::new(FakeClock::new());
    let verifier = Verifier::builder("acme", scheme, new).clock(clock);
    let one = verifier.clone().build().unwrap();
    let both = verifier.secret(old).build().unwrap();
    attack.run(&both, 2_000, 1).unwrap();
    let finding = attack.run(&one, 2_000, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::AcceptsGenuine, "{finding}");
    // By the secret as well as by the id: the next attempt after a rotation is handled again.
    let receiver = Wrapped(both, |verifier, request| {
        let delivery = verifier.verify(request.clone()).ok()?;
        Some([delivery.key().as_bytes().as_slice(), delivery.secret().as_bytes()].concat())
    });
    let finding = attack.run(&receiver, 2_000, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::OneKey, "{finding}");
}

#[test]
fn s5_a_digest_that_is_compared_with_nothing_is_found() {
    let digest = Field::header("x-body-sha256");
    let content = vec![Part::SentAt, Part::Literal(".".into()), Part::Field(digest.clone())];
    let scheme = Scheme {
        content: content.into(),
        digest: Some(digest),
        sent_at: presets::STANDARD_WEBHOOKS.sent_at,
        ..GITHUB
    };
    let attack = Attack::new(scheme.clone(), SECRET).unwrap();
    attack.run(&builder(scheme.clone()).build().unwrap(), 2_000, 1).unwrap();
    let wrong =
        Scheme { digest: None, dangerously_allow: vec![Danger::UnsignedBody].into(), ..scheme };
    let finding = attack.run(&builder(wrong).build().unwrap(), 2_000, 1).unwrap_err();
    let changed = [Oracle::RefusesChanged, Oracle::RefusesRespelled];
    assert!(changed.contains(&finding.oracle), "{finding}");
}
