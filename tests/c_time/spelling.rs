//! C1 to C4: how a time is written.

use super::*;

#[test]
fn the_canonical_spellings_are_accepted() {
    for (format, time, millis) in [
        (TimeFormat::UnixSeconds, "1768469400", 0),
        (TimeFormat::UnixMillis, "1768469400142", 142),
        (TimeFormat::Rfc3339, NOW_RFC3339, 0),
        (TimeFormat::Rfc3339, "2026-01-15T09:30:00.142Z", 142),
        (TimeFormat::Rfc3339, "2026-01-15T09:30:00.142000000Z", 142),
        (TimeFormat::Rfc3339, "2026-01-15T12:00:00.142+02:30", 142),
        (TimeFormat::Rfc3339, "2026-01-15T01:30:00-08:00", 0),
    ] {
        for signed_at in verify(format, time) {
            assert_eq!(signed_at, Ok(at(NOW) + Duration::from_millis(millis)), "{time}");
        }
    }
}

#[test]
fn c1_extreme_times_are_refused_without_a_panic() {
    for time in [
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "-0",
        "0",
        "1",
        "99999999999999999999",
        "340282366920938463463374607431768211456",
        &"9".repeat(200),
    ] {
        for format in FORMATS {
            for result in verify(format, time) {
                let rejection = result.expect_err(time);
                assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED, "{time}");
            }
        }
    }
    for time in
        ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59-23:59"]
    {
        for result in verify(TimeFormat::Rfc3339, time) {
            assert_eq!(result.expect_err(time).status(), StatusCode::UNAUTHORIZED);
        }
    }
}

#[test]
fn c1_extreme_json_numbers_are_refused_without_a_panic() {
    for json in [
        "-1",
        "-0",
        "0",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999",
        "1e308",
        "-1e308",
        "1.7976931348623157e308",
    ] {
        for format in FORMATS {
            refused(&verifier(in_body(format)), body_time(format, json));
        }
    }
}

#[test]
fn c2_every_other_spelling_of_now_is_refused() {
    for time in [
        "+1768469400",
        "01768469400",
        "00001768469400",
        " 1768469400",
        "1768469400 ",
        "1768469400\t",
        "1768469400.0",
        "1768469400.",
        "1.7684694e9",
        "1.7684694E9",
        "0x69689398",
        "1_768_469_400",
        "1,768,469,400",
        "1768469400,",
        // What follows 9, and would be now if it counted as ten.
        "176846939:",
        "1768469400Z",
        "",
        "１７６８４６９４００",
        "١٧٦٨٤٦٩٤٠٠",
        "1768469400\u{a0}",
        "\u{200f}1768469400",
        "--1768469400",
        "1768469400n",
        "now",
        "null",
    ] {
        for result in verify(TimeFormat::UnixSeconds, time) {
            let rejection = result.expect_err(time);
            assert!(malformed(&rejection), "{time:?}: {rejection}");
        }
        // With the zeros behind the digits it is the same text in milliseconds.
        for result in verify(TimeFormat::UnixMillis, &time.replacen("9400", "9400000", 1)) {
            let rejection = result.expect_err(time);
            assert!(malformed(&rejection), "{time:?}: {rejection}");
        }
    }
}

#[test]
fn c2_rfc_3339_has_few_spellings() {
    for time in [
        "2026-01-15t09:30:00Z",
        "2026-01-15T09:30:00z",
        "2026-01-15 09:30:00Z",
        "2026-01-15T09:30:00",
        "2026-01-15T09:30Z",
        "2026-01-15",
        "20260115T093000Z",
        "2026-1-15T09:30:00Z",
        "2026-01-15T9:30:00Z",
        "+2026-01-15T09:30:00Z",
        "+002026-01-15T09:30:00Z",
        "2026-01-15T09:30:00.Z",
        "2026-01-15T09:30:00,0Z",
        "2026-01-15T09:30:00.0000000000Z",
        "2026-01-15T09:30:00+00",
        "2026-01-15T09:30:00+0000",
        "2026-01-15T09:30:00+00:00:00",
        "2026-01-15T09:30:00Z[UTC]",
        "2026-01-15T09:30:00[UTC]",
        "2026-01-15T09:30:00UTC",
        "2026-01-15T09:30:00 Z",
        " 2026-01-15T09:30:00Z",
        "2026-01-15T09:30:00Z ",
        "2026-01-15T09:30:00Z\t",
        "2026-W03-4T09:30:00Z",
        "2026-015T09:30:00Z",
        "2026-01-15T24:00:00Z",
        "2026-01-15T09:29:60Z",
        "2026-01-16T09:30:00+24:00",
        "2026-01-14T08:30:00-25:00",
        "2026-02-30T09:30:00Z",
        "2026-13-15T09:30:00Z",
        "２026-01-15T09:30:00Z",
        "Thu, 15 Jan 2026 09:30:00 GMT",
        "1768469400",
        "",
    ] {
        for result in verify(TimeFormat::Rfc3339, time) {
            let rejection = result.expect_err(time);
            assert!(malformed(&rejection), "{time:?}: {rejection}");
        }
    }
}

#[test]
fn c2_a_time_in_the_body_is_text_or_an_integer_without_escapes() {
    for json in [
        "1768469400.0",
        "1768469400.5",
        "1.7684694e9",
        "17684694e2",
        "null",
        "true",
        "[1768469400]",
        r#"{"t":1768469400}"#,
        r#"["1768469400"]"#,
        r#""\u0031768469400""#,
        r#""1768469400\u0000""#,
        r#""1768469400\n""#,
        r#""1768469400.0""#,
    ] {
        let rejection = refused(
            &verifier(in_body(TimeFormat::UnixSeconds)),
            body_time(TimeFormat::UnixSeconds, json),
        );
        assert!(matches!(rejection, Rejection::MalformedTime { .. }), "{json}: {rejection}");
    }
    let escaped = body_time(TimeFormat::Rfc3339, r#""2026-01-15T09:30:00\u005a""#);
    let rejection = refused(&verifier(in_body(TimeFormat::Rfc3339)), escaped);
    assert!(matches!(rejection, Rejection::MalformedTime { .. }));
}

#[test]
fn c2_a_signed_time_has_to_be_there() {
    let scheme = in_header(TimeFormat::UnixSeconds);
    let mut request = signed(&scheme, Some(b"msg_1"), b"", "{}");
    let rejection = refused(&verifier(scheme.clone()), request.clone());
    assert!(matches!(rejection, Rejection::MalformedHeader { .. }));
    request.headers_mut().remove("webhook-timestamp");
    let rejection = refused(&verifier(scheme), request);
    assert!(matches!(rejection, Rejection::MissingHeader { .. }));

    let scheme = in_body(TimeFormat::UnixSeconds);
    for body in
        [r#"{"id":"1"}"#, r#"{"id":"1","T":1768469400}"#, r#"{"id":"1","d":{"t":1768469400}}"#]
    {
        let rejection = refused(&verifier(scheme.clone()), signed(&scheme, None, b"", body));
        assert!(matches!(rejection, Rejection::MalformedTime { .. }), "{body}: {rejection}");
    }
    // Under a repeated key the last one counts, as for whoever parses the body later.
    for (body, accepted) in [
        (r#"{"id":"1","t":1768469400,"t":1000000000}"#, false),
        (r#"{"id":"1","t":1000000000,"t":1768469400}"#, true),
        (r#"{"id":"1","t":1768469400,"t":null}"#, false),
    ] {
        let result = verifier(scheme.clone()).verify(signed(&scheme, None, b"", body));
        assert_eq!(result.is_ok(), accepted, "{body}");
    }
}

#[test]
fn c3_digits_with_something_behind_them_are_refused() {
    for time in [
        "1768469400abc",
        "1768469400;",
        "1768469400e",
        "123abc",
        "1768469400 1",
        "1768469400\u{e9}",
    ] {
        for format in FORMATS {
            for result in verify(format, time) {
                let rejection = result.expect_err(time);
                assert!(malformed(&rejection), "{time:?}: {rejection}");
            }
        }
    }
}

#[test]
fn c4_milliseconds_are_not_taken_for_seconds() {
    for result in verify(TimeFormat::UnixSeconds, "1768469400000") {
        let rejection = result.unwrap_err();
        assert!(matches!(rejection, Rejection::Future { .. }), "{rejection}");
    }
    for result in verify(TimeFormat::UnixMillis, "1768469400") {
        let rejection = result.unwrap_err();
        assert!(matches!(rejection, Rejection::Stale { .. }), "{rejection}");
    }
    // A scheme that says milliseconds judges them as such, in both directions.
    let milliseconds = |now: u64| verify(TimeFormat::UnixMillis, &now.to_string());
    for accepted in [NOW * 1000, NOW * 1000 - 300_000, NOW * 1000 + 300_000] {
        assert!(milliseconds(accepted).iter().all(Result::is_ok));
    }
    for refused in [NOW * 1000 - 300_001, NOW * 1000 + 300_001] {
        assert!(milliseconds(refused).iter().all(Result::is_err));
    }
}
