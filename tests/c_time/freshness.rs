//! C5 to C10: which times are judged, and against which clock.

use super::*;

#[test]
fn c5_both_directions_have_an_exact_bound() {
    for (past, future) in [(300, 300), (1, 1), (30, 86_400), (86_400, 5)] {
        for (offset, expected) in [
            (-past - 1, Err(Some(true))),
            (-past, Ok(())),
            (0, Ok(())),
            (future, Ok(())),
            (future + 1, Err(Some(false))),
            (-past - 86_400, Err(Some(true))),
            (future + 86_400, Err(Some(false))),
        ] {
            let time = (NOW as i64 + offset).to_string();
            let tolerance = Tolerance {
                past: Duration::from_secs(past as u64),
                future: Duration::from_secs(future as u64),
            };
            for (scheme, request) in [
                (in_header(TimeFormat::UnixSeconds), header_time(TimeFormat::UnixSeconds, &time)),
                (
                    in_parameter(TimeFormat::UnixSeconds),
                    parameter_time(TimeFormat::UnixSeconds, &time),
                ),
                (in_body(TimeFormat::UnixSeconds), body_time(TimeFormat::UnixSeconds, &time)),
            ] {
                // By the scheme and by the builder.
                let by_scheme = verifier(Scheme { tolerance: Some(tolerance), ..scheme.clone() });
                let by_builder = builder(scheme).tolerance(tolerance.past, tolerance.future);
                for verifier in [by_scheme, by_builder.build().unwrap()] {
                    let result = verifier.verify(request.clone()).map(drop);
                    let stale = result.map_err(|rejection| match rejection {
                        Rejection::Stale { .. } => Some(true),
                        Rejection::Future { .. } => Some(false),
                        _ => None,
                    });
                    assert_eq!(stale, expected, "{offset} of {past} and {future}");
                }
            }
        }
    }
}

#[test]
fn c5_the_bound_is_exact_below_a_second() {
    for (time, accepted) in [
        ("2026-01-15T09:25:00Z", true),
        ("2026-01-15T09:24:59.999999999Z", false),
        ("2026-01-15T09:35:00.000000000Z", true),
        ("2026-01-15T09:35:00.000000001Z", false),
    ] {
        for result in verify(TimeFormat::Rfc3339, time) {
            assert_eq!(result.is_ok(), accepted, "{time}");
        }
    }
}

#[test]
fn c6_a_time_that_is_not_signed_is_a_wrong_configuration() {
    for format in FORMATS {
        let sent_at = Some(SentAt { field: Field::header("x-timestamp"), format });
        let scheme = Scheme { sent_at: sent_at.clone(), ..presets::GITHUB };
        assert_eq!(builder(scheme).build().unwrap_err(), ConfigError::UncoveredTime);
        // Not even where it would not be judged.
        let scheme = Scheme { sent_at: sent_at.clone(), ..presets::GITHUB };
        let ignored = builder(scheme).ignore_sent_at().build();
        assert_eq!(ignored.unwrap_err(), ConfigError::UncoveredTime);
        // Beside other signed parts as well.
        let content = [Part::Id, Part::Literal(Cow::Borrowed(".")), Part::Body].to_vec().into();
        let scheme = Scheme { sent_at, content, ..presets::STANDARD_WEBHOOKS };
        assert_eq!(builder(scheme).build().unwrap_err(), ConfigError::UncoveredTime);
        // That it stands beside the tag does not sign it.
        let scheme = Scheme { content: Scheme::BASE.content, ..in_parameter(format) };
        assert_eq!(builder(scheme).build().unwrap_err(), ConfigError::UncoveredTime);
    }
}

#[test]
fn c7_a_time_that_was_changed_after_signing_is_refused() {
    let verifier = verifier(presets::STANDARD_WEBHOOKS);
    for signed_at in [NOW, NOW - 200, 1_000_000_000, NOW + 86_400] {
        let request = header_time(TimeFormat::UnixSeconds, &signed_at.to_string());
        for changed in [NOW + 1, NOW - 1, NOW + 10, NOW - 299] {
            let mut request = request.clone();
            set(&mut request, "webhook-timestamp", changed.to_string());
            assert_eq!(refused(&verifier, request), Rejection::WrongSignature);
        }
    }
    for (scheme, header, body) in [
        (presets::SLACK, "x-slack-request-timestamp", "command=%2Fdeploy&text="),
        (presets::STRIPE, "stripe-signature", r#"{"id":"evt_1"}"#),
    ] {
        let signed_at = (NOW - 1).to_string();
        let request = signed(&scheme, None, signed_at.as_bytes(), body);
        let verifier = common::verifier(scheme);
        verifier.verify(request.clone()).unwrap();
        let value = request.headers()[header].to_str().unwrap().to_owned();
        for changed in [NOW, NOW + 1, NOW - 299, NOW + 300] {
            let mut request = request.clone();
            set(&mut request, header, value.replace(&signed_at, &changed.to_string()));
            assert_eq!(refused(&verifier, request), Rejection::WrongSignature);
        }
    }
    let scheme = in_body(TimeFormat::UnixSeconds);
    let mut request = body_time(TimeFormat::UnixSeconds, "1768469399");
    *request.body_mut() = br#"{"id":"1","t":1768469400}"#.to_vec().into();
    assert_eq!(refused(&common::verifier(scheme), request), Rejection::WrongSignature);
}

#[test]
fn c8_the_time_of_the_event_is_never_judged() {
    let body = r#"{"type":"a","created":946684800,"created_at":"2000-01-01T00:00:00Z","timestamp":"2000-01-01T00:00:00Z"}"#;
    let now = NOW.to_string();
    let delivery = verifier(presets::STANDARD_WEBHOOKS)
        .verify(signed(&presets::STANDARD_WEBHOOKS, Some(b"msg_1"), now.as_bytes(), body))
        .unwrap();
    assert_eq!(delivery.signed_at(), Some(at(NOW)));

    // An old event in a new attempt, and a new event in an old attempt.
    let event = r#"{"id":"evt_1","type":"a","created":946684800,"event_time":946684800}"#;
    for scheme in [presets::STRIPE, presets::SLACK] {
        let verifier = verifier(scheme.clone());
        let delivery = verifier.verify(signed(&scheme, None, now.as_bytes(), event)).unwrap();
        assert_eq!(delivery.signed_at(), Some(at(NOW)));
        let event = event.replace("946684800", &now);
        let rejection = refused(&verifier, signed(&scheme, None, b"946684800", event));
        assert!(matches!(rejection, Rejection::Stale { .. }), "{rejection}");
    }

    // Where the partner signs no time of the attempt there is none, whatever headers say.
    for scheme in [presets::GITHUB, presets::SHOPIFY] {
        let mut request = signed(&scheme, Some(b"1"), b"", body);
        for name in ["date", "x-timestamp", "x-hub-timestamp", "webhook-timestamp"] {
            set(&mut request, name, "946684800");
        }
        set(&mut request, "x-shopify-triggered-at", "2000-01-01T00:00:00Z");
        assert_eq!(verifier(scheme).verify(request).unwrap().signed_at(), None);
    }

    let body = format!(
        r#"{{"webhook_id":"1","created_at":"2000-01-01T00:00:00Z","delivered_at":"{NOW_RFC3339}"}}"#
    );
    let delivery = verifier(SHORTLINKS).verify(signed(&SHORTLINKS, None, b"", body)).unwrap();
    assert_eq!(delivery.signed_at(), Some(at(NOW)));
}

#[test]
fn c9_a_clock_before_1970_refuses_and_does_not_panic() {
    let before = |distance: Duration| SystemTime::UNIX_EPOCH.checked_sub(distance).unwrap();
    for now in [
        before(Duration::from_nanos(1)),
        before(Duration::from_millis(1500)),
        before(Duration::from_secs(301)),
        before(Duration::from_secs(100 * 365 * 86_400)),
    ] {
        for format in FORMATS {
            let time = match format {
                TimeFormat::UnixSeconds => NOW.to_string(),
                TimeFormat::UnixMillis => (NOW * 1000).to_string(),
                _ => NOW_RFC3339.to_owned(),
            };
            for (scheme, request) in [
                (in_header(format), header_time(format, &time)),
                (in_parameter(format), parameter_time(format, &time)),
                (in_body(format), body_time(format, &json_time(format, &time))),
            ] {
                let clock = Arc::new(FakeClock::at(now));
                let verifier = builder(scheme).clock(clock).build().unwrap();
                let rejection = refused(&verifier, request);
                assert!(matches!(rejection, Rejection::Future { .. }), "{now:?}: {rejection}");
            }
        }
        // Without a signed time the clock decides nothing, and the window is still computed.
        let clock = Arc::new(FakeClock::at(now));
        let verifier = builder(presets::GITHUB).clock(clock).build().unwrap();
        let delivery = verifier.verify(signed(&presets::GITHUB, Some(b"1"), b"", "{}")).unwrap();
        assert_eq!(delivery.received_at(), now);
        let record = inhook::inbox::Record::new(delivery.clone(), true);
        assert!(record.expires_at(now, now) > now);
    }
    // The largest time against the smallest clock.
    let clock = Arc::new(FakeClock::at(before(Duration::from_secs(100 * 365 * 86_400))));
    let verifier = builder(presets::STANDARD_WEBHOOKS).clock(clock).build().unwrap();
    for time in ["9223372036854775807", "18446744073709551615", "0"] {
        refused(&verifier, header_time(TimeFormat::UnixSeconds, time));
    }
}

#[test]
fn c9_a_jump_moves_the_window_by_its_own_size() {
    const HOUR: u64 = 3_600;
    let clock = Arc::new(FakeClock::new());
    let verifier = builder(presets::STANDARD_WEBHOOKS).clock(clock.clone()).build().unwrap();
    let accepts = |time: u64| {
        verifier.verify(header_time(TimeFormat::UnixSeconds, &time.to_string())).is_ok()
    };
    for wall in [NOW, NOW + HOUR, NOW - HOUR, NOW, 0, NOW] {
        clock.jump_to(at(wall));
        assert!(accepts(wall) && accepts(wall + 300), "{wall}");
        assert!(!accepts(wall + 301));
        if let Some(oldest) = wall.checked_sub(300) {
            assert!(accepts(oldest) && !accepts(oldest - 1));
        }
    }
    // What measures leases does not jump.
    let instant = clock.instant();
    clock.jump_to(at(NOW + HOUR));
    assert_eq!(clock.instant(), instant);
}

/// A clock that goes back between any two looks.
#[derive(Debug)]
struct Backwards(std::sync::atomic::AtomicU64);

impl Clock for Backwards {
    fn now(&self) -> SystemTime {
        at(NOW - self.0.fetch_add(200, std::sync::atomic::Ordering::Relaxed))
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

#[test]
fn c9_one_request_is_judged_by_one_look_at_the_clock() {
    let clock = Arc::new(Backwards(0.into()));
    let verifier = builder(presets::STANDARD_WEBHOOKS).clock(clock).build().unwrap();
    let request = header_time(TimeFormat::UnixSeconds, &NOW.to_string());
    for look in 0..2 {
        let delivery = verifier.verify(request.clone()).unwrap();
        assert_eq!(delivery.received_at(), at(NOW - 200 * look));
    }
    assert!(matches!(verifier.verify(request), Err(Rejection::Future { .. })));
}

#[test]
fn c10_every_preset_that_signs_a_time_judges_it() {
    let timed = PRESETS.into_iter().filter(|scheme| scheme.sent_at.is_some());
    assert_eq!(timed.clone().count(), 4);
    for scheme in timed.chain([SHORTLINKS]) {
        // The defaults of `Verifier::new`, at the time that it really is.
        let verifier = Verifier::new("acme", scheme.clone(), SECRET).unwrap();
        let body = r#"{"webhook_id":"1","delivered_at":"2001-09-09T01:46:40Z"}"#;
        let request = signed(&scheme, Some(b"msg_1"), b"1000000000", body);
        let rejection = refused(&verifier, request);
        let Rejection::Stale { age } = rejection else { panic!("{rejection}") };
        assert!(age > Duration::from_secs(20 * 365 * 86_400));
    }
    // A time that one scheme signs is there in those that are built on it.
    let own = Signature { field: Field::header("x-signature"), ..presets::SVIX.signature };
    let derived = Scheme { signature: own, ..presets::SVIX };
    refused(&verifier(derived.clone()), signed(&derived, Some(b"1"), b"1000000000", "{}"));
}

#[test]
fn c10_a_header_time_is_judged_before_the_body_is_read() {
    for scheme in [presets::STANDARD_WEBHOOKS, presets::SLACK, presets::STRIPE] {
        let verifier = verifier(scheme.clone());
        for (time, fresh) in [(NOW, true), (NOW - 301, false), (NOW + 301, false)] {
            let request = signed(&scheme, Some(b"msg_1"), time.to_string().as_bytes(), "{}");
            assert_eq!(verifier.check_headers(request.headers()).is_ok(), fresh);
        }
    }
    assert_eq!(presets::STANDARD_WEBHOOKS.tolerance.unwrap().past, 300 * SECOND);
}
