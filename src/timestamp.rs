//! The text of a time becomes a `SystemTime`, or nothing. One spelling per format.

use std::time::{Duration, SystemTime};

use crate::scheme::TimeFormat;

/// Parses the canonical spelling only, so that the text that was signed is the time that is judged.
pub(crate) fn parse(format: TimeFormat, text: &[u8]) -> Option<SystemTime> {
    match format {
        TimeFormat::UnixSeconds => unix(digits(text)?, TimeFormat::UnixSeconds),
        TimeFormat::UnixMillis => unix(digits(text)?, TimeFormat::UnixMillis),
        TimeFormat::Rfc3339 => rfc3339(text),
    }
}

/// A JSON number in place of the text; `None` for RFC 3339.
pub(crate) fn from_integer(format: TimeFormat, value: u64) -> Option<SystemTime> {
    unix(value, format)
}

/// Writes a time in the spelling that [`parse`] reads. Times before 1970 count as 1970.
pub(crate) fn write(format: TimeFormat, time: SystemTime) -> String {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    match format {
        TimeFormat::UnixSeconds => since_1970.as_secs().to_string(),
        TimeFormat::UnixMillis => since_1970.as_millis().to_string(),
        TimeFormat::Rfc3339 => {
            let time = time.max(SystemTime::UNIX_EPOCH);
            let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MAX);
            format!("{time:.3}")
        }
    }
}

fn unix(value: u64, format: TimeFormat) -> Option<SystemTime> {
    let since_1970 = match format {
        TimeFormat::UnixSeconds => Duration::from_secs(value),
        TimeFormat::UnixMillis => Duration::from_millis(value),
        TimeFormat::Rfc3339 => return None,
    };
    SystemTime::UNIX_EPOCH.checked_add(since_1970)
}

/// ASCII digits without a sign or a leading zero. 19 of them always fit, and reach further than any
/// clock.
fn digits(text: &[u8]) -> Option<u64> {
    let leading_zero = text.len() > 1 && text.starts_with(b"0");
    if !(1..=19).contains(&text.len()) || leading_zero {
        return None;
    }
    let (value, canonical) = text.iter().fold((0u64, true), |(value, canonical), byte| {
        let digit = byte.wrapping_sub(b'0');
        (value.wrapping_mul(10).wrapping_add(digit.into()), canonical & (digit < 10))
    });
    canonical.then_some(value)
}

fn rfc3339(text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok().filter(|text| is_rfc3339_shape(text.as_bytes()))?;
    text.parse::<jiff::Timestamp>().ok()?.try_into().ok()
}

/// `YYYY-MM-DDTHH:MM:SS[.f{1,9}](Z|±HH:MM)`: the parser takes more spellings than RFC 3339 has.
fn is_rfc3339_shape(text: &[u8]) -> bool {
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    let shaped = |text: &[u8], shape: &[u8]| {
        text.len() == shape.len()
            && text.iter().zip(shape).all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                _ => byte == shape,
            })
    };
    let zone = match rest {
        [b'.', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return false;
            }
            fraction.get(digits..).unwrap_or_default()
        }
        _ => rest,
    };
    // The parser takes second 60 for second 59, and offsets of more than a day.
    let below = |text: Option<&[u8]>, end: &[u8]| text.is_some_and(|text| text < end);
    let is_offset = shaped(zone, b"+00:00") || shaped(zone, b"-00:00");
    shaped(date_time, b"0000-00-00T00:00:00")
        && below(date_time.get(17..), b"60")
        && (zone == b"Z" || is_offset && below(zone.get(1..3), b"24"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanos: u32) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos))
    }

    #[test]
    fn reads_the_canonical_spellings() {
        assert_eq!(parse(TimeFormat::UnixSeconds, b"0"), at(0, 0));
        assert_eq!(parse(TimeFormat::UnixSeconds, b"1768469393"), at(1_768_469_393, 0));
        assert_eq!(parse(TimeFormat::UnixMillis, b"1768469393142"), at(1_768_469_393, 142_000_000));
        for text in ["2026-01-15T09:30:00.142Z", "2026-01-15T10:30:00.142+01:00"] {
            assert_eq!(parse(TimeFormat::Rfc3339, text.as_bytes()), at(1_768_469_400, 142_000_000));
        }
    }

    #[test]
    fn c1_c2_c3_refuses_every_other_spelling() {
        for text in [
            "",
            "-1",
            "+169",
            "00169",
            " 169",
            "169\t",
            "1.7e9",
            "0x65",
            "1_7",
            "123abc",
            "00",
            "١٢٣",
            "99999999999999999999",
            "-9223372036854775808",
            "18446744073709551615",
        ] {
            assert_eq!(parse(TimeFormat::UnixSeconds, text.as_bytes()), None, "{text:?}");
        }
        for text in [
            "2026-01-15",
            "2026-01-15 09:30:00Z",
            "2026-01-15t09:30:00z",
            "2026-01-15T09:30:00",
            "2026-01-15T09:30:00.Z",
            "2026-01-15T09:30:00.1234567890Z",
            "2026-13-15T09:30:00Z",
            "2026-01-15T09:30:00+0100",
            "2026-01-15T09:30:00Z[UTC]",
            "2026-01-15T09:30:60Z",
            "2016-12-31T23:59:60.5Z",
            "2026-01-15T09:30:00+24:00",
            "2026-01-15T09:30:00-25:59",
            "+002026-01-15T09:30:00Z",
            "2026-01-15T09:30:00,142Z",
            "2026-01-15T09:30:00Z ",
            "２026-01-15T09:30:00Z",
        ] {
            assert_eq!(parse(TimeFormat::Rfc3339, text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_768_469_400_142);
        let whole = SystemTime::UNIX_EPOCH + Duration::from_secs(1_768_469_400);
        for (format, time) in [
            (TimeFormat::UnixSeconds, whole),
            (TimeFormat::UnixMillis, time),
            (TimeFormat::Rfc3339, time),
        ] {
            assert_eq!(parse(format, write(format, time).as_bytes()), Some(time), "{format:?}");
        }
        // In the calendar's last second, after it, and before the first that is written.
        for (seconds, nanos, text) in [
            (253_402_207_200, 990_000_000, "9999-12-30T22:00:00.990Z"),
            (253_402_207_200, 999_999_999, "9999-12-30T22:00:00.999Z"),
            (253_402_207_201, 0, "9999-12-30T22:00:00.999Z"),
        ] {
            let time = at(seconds, nanos).unwrap();
            assert_eq!(write(TimeFormat::Rfc3339, time), text);
        }
        let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_millis(1);
        assert_eq!(write(TimeFormat::Rfc3339, before_1970), "1970-01-01T00:00:00.000Z");
    }
}
