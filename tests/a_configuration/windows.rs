//! A10, A11: tolerances, and for how long an id is remembered.

use std::time::SystemTime;

use inhook::dedup::Ticket;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

#[test]
fn a10_a_tolerance_is_between_one_second_and_a_day() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let ok = Duration::from_secs(300);
    for value in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_millis(999),
        DAY + Duration::from_nanos(1),
        Duration::from_secs(u64::from(u32::MAX)),
        Duration::MAX,
    ] {
        for scheme in [presets::STANDARD_WEBHOOKS, SHORTLINKS] {
            for (past, future) in [(value, ok), (ok, value)] {
                let built = builder(scheme.clone()).tolerance(past, future).build();
                assert_eq!(built.unwrap_err(), ConfigError::Tolerance { value });
                let tolerance = Tolerance { past, future };
                let built =
                    builder(Scheme { tolerance: Some(tolerance), ..scheme.clone() }).build();
                assert_eq!(built.unwrap_err(), ConfigError::Tolerance { value });
            }
        }
    }
    for value in [Duration::from_secs(1), DAY] {
        builder(presets::STANDARD_WEBHOOKS).tolerance(value, value).build().unwrap();
    }
}

#[test]
fn a10_only_a_method_of_that_name_turns_the_check_off() {
    let old = signed(&presets::STANDARD_WEBHOOKS, Some(b"msg_1"), b"1000000000", BODY);
    let checked = builder(presets::STANDARD_WEBHOOKS);
    let unchecked = checked.clone().ignore_sent_at().build().unwrap();
    let widest = Duration::from_secs(24 * 60 * 60);
    for builder in [checked.clone(), checked.tolerance(widest, widest)] {
        let rejection = builder.build().unwrap().verify(old.clone()).unwrap_err();
        assert!(matches!(rejection, Rejection::Stale { .. }), "{rejection}");
    }
    assert_eq!(unchecked.verify(old).unwrap().signed_at(), Some(at(1_000_000_000)));
}

#[test]
fn a11_an_id_is_remembered_for_as_long_as_a_replay_is_fresh() {
    let seconds = Duration::from_secs;
    for (past, future) in [(300, 300), (1, 1), (86_400, 86_400), (10, 4_000)] {
        let min = seconds(past + future);
        let with = |ttl| {
            builder(presets::STANDARD_WEBHOOKS).tolerance(seconds(past), seconds(future)).ttl(ttl)
        };
        for ttl in [Duration::ZERO, seconds(past), seconds(future), min - Duration::from_nanos(1)] {
            let error = with(ttl).build().unwrap_err();
            assert!(
                matches!(error, ConfigError::Ttl { ttl: t, min: m, .. } if (t, m) == (ttl, min))
            );
        }
        let request =
            signed(&presets::STANDARD_WEBHOOKS, Some(b"msg_1"), NOW.to_string().as_bytes(), BODY);
        let delivery = with(min).build().unwrap().verify(request).unwrap();
        for durable in [false, true] {
            assert_eq!(delivery.ttl(durable), min);
        }
        assert_eq!(delivery.freshness(), min);
    }
    let ten_years = seconds(3_660 * 86_400);
    builder(presets::STANDARD_WEBHOOKS).ttl(ten_years).build().unwrap();
    for ttl in [ten_years + seconds(1), Duration::MAX] {
        let error = builder(presets::STANDARD_WEBHOOKS).ttl(ttl).build().unwrap_err();
        assert!(matches!(error, ConfigError::Ttl { max, .. } if max == ten_years));
    }
}

#[test]
fn a11_the_default_windows() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let time = NOW.to_string();
    let window = |scheme: Scheme, ignore: bool| {
        let request = signed(&scheme, Some(b"msg_1"), time.as_bytes(), BODY);
        let builder = builder(scheme);
        let builder = if ignore { builder.ignore_sent_at() } else { builder };
        let delivery = builder.build().unwrap().verify(request).unwrap();
        (delivery.ttl(false), delivery.ttl(true))
    };
    let slow = Scheme { retry_horizon: 200 * HOUR, ..presets::STANDARD_WEBHOOKS };
    let tolerances = Duration::from_secs(600);
    assert_eq!(window(presets::STANDARD_WEBHOOKS, false), (96 * HOUR, 96 * HOUR));
    assert_eq!(window(slow, false), (200 * HOUR + tolerances, 200 * HOUR + tolerances));
    assert_eq!(window(presets::SLACK, false), (96 * HOUR, 96 * HOUR));
    // Where no time is judged a capture never goes stale.
    assert_eq!(window(presets::GITHUB, false), (96 * HOUR, 30 * 24 * HOUR));
    assert_eq!(window(presets::SHOPIFY, false), (96 * HOUR, 30 * 24 * HOUR));
    assert_eq!(window(presets::STANDARD_WEBHOOKS, true), (96 * HOUR, 30 * 24 * HOUR));
}

#[test]
fn a_deadline_is_that_of_the_scheme() {
    for scheme in [presets::GITHUB, presets::SLACK] {
        assert_eq!(verifier(scheme.clone()).deadline(), scheme.deadline);
    }
}

/// What counts where a scheme says nothing, as its docs have it.
#[test]
fn a_scheme_that_says_nothing_has_the_usual_times() {
    const MINUTE: Duration = Duration::from_secs(60);
    assert_eq!(Scheme::BASE.tolerance, Some(Tolerance { past: 5 * MINUTE, future: 5 * MINUTE }));
    assert_eq!(Scheme::BASE.retry_horizon, 72 * 60 * MINUTE);
    assert_eq!(Scheme::BASE.deadline, Duration::from_secs(10));
}

/// A tolerance, to the nanosecond, with its ends.
fn tolerance() -> impl Strategy<Value = Duration> {
    let nanos = 1_000_000_000..=86_400_000_000_000u64;
    let ends = select(vec![1_000_000_000, 1_000_000_001, 86_399_999_999_999, 86_400_000_000_000]);
    prop_oneof![nanos, ends].prop_map(Duration::from_nanos)
}

/// What a clock may show: usual times, and from 1970 to where milliseconds end.
fn clock() -> impl Strategy<Value = SystemTime> {
    let end = u64::MAX / 2_000 - 1_000_000;
    let seconds = prop_oneof![2 => NOW..2 * NOW, 1 => 0..end, 1 => select(vec![0, 1, end])];
    (seconds, 0..1_000_000_000u64)
        .prop_map(|(seconds, nanos)| at(seconds) + Duration::from_nanos(nanos))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_024,
        // Failures are reproduced from what they print.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Until the last moment at which the same request is accepted again, and stores forget a key at the
    /// millisecond at which it expires.
    #[test]
    fn a11_a_key_outlives_its_request(
        [past, future] in [tolerance(), tolerance()],
        now in clock(),
        ahead in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0],
        shortest in any::<bool>(),
    ) {
        let scheme = Scheme {
            sent_at: Some(SentAt {
                field: Field::header("webhook-timestamp"),
                format: TimeFormat::UnixMillis,
            }),
            ..presets::STANDARD_WEBHOOKS
        };
        let clock = Arc::new(FakeClock::at(now));
        let mut builder = builder(scheme.clone()).tolerance(past, future).clock(clock.clone());
        if shortest {
            builder = builder.ttl(past + future);
        }
        let verifier = builder.build().unwrap();
        let sent_at = now + future.mul_f64(ahead).min(future);
        let message = Message::new(BODY).id("msg_1").sent_at(sent_at);
        let request = Signer::new(scheme, SECRET).unwrap().request(&message).unwrap();
        let delivery = verifier.verify(request.clone()).unwrap();

        let last = delivery.signed_at().unwrap() + past;
        clock.jump_to(last);
        prop_assert_eq!(verifier.verify(request.clone()).unwrap().key(), delivery.key());
        clock.jump_to(last + Duration::from_nanos(1));
        prop_assert!(verifier.verify(request).is_err());

        let lease = Duration::from_secs(1);
        prop_assert!(now + Ticket::new(&delivery, lease).ttl() >= last);
        let millis = |time: SystemTime| time.duration_since(at(0)).unwrap().as_millis();
        for durable in [false, true] {
            prop_assert!(now + delivery.ttl(durable) >= last);
            let record = Record::new(delivery.clone(), durable);
            let expires_at = record.expires_at(record.received_at(), record.received_at());
            prop_assert!(millis(expires_at) > millis(last), "{expires_at:?} {last:?}");
        }
    }
}
