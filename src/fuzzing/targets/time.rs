//! A text as a time: what it means by the rules of its format, computed without a calendar library.

use std::time::{Duration, SystemTime};

use crate::scheme::TimeFormat;
use crate::timestamp;

/// 9999-12-30T22:00:00.999999999Z, the last time that the verifier's calendar has.
const LAST: i128 = 253_402_207_200_999_999_999;

pub(super) fn check(text: &[u8]) -> bool {
    [TimeFormat::UnixSeconds, TimeFormat::UnixMillis, TimeFormat::Rfc3339]
        .map(|format| check_format(format, text))
        .contains(&true)
}

fn check_format(format: TimeFormat, text: &[u8]) -> bool {
    let read = timestamp::parse(format, text);
    let shown = String::from_utf8_lossy(text);
    let nanos = match format {
        TimeFormat::UnixSeconds => whole(text).map(|value| value * 1_000_000_000),
        TimeFormat::UnixMillis => whole(text).map(|value| value * 1_000_000),
        TimeFormat::Rfc3339 => rfc3339(text).filter(|nanos| *nanos <= LAST),
    };
    assert_eq!(read, nanos.and_then(system_time), "{format:?}: {shown:?}");
    let (Some(time), Some(nanos)) = (read, nanos) else { return false };

    let written = timestamp::write(format, time);
    match format {
        TimeFormat::Rfc3339 => {
            // Written are whole milliseconds, and nothing before 1970.
            let millis = nanos.max(0) / 1_000_000 * 1_000_000;
            let again = timestamp::parse(format, written.as_bytes());
            assert_eq!(again, system_time(millis), "{shown:?} was written as {written:?}");
        }
        _ => {
            assert_eq!(written, shown, "{format:?}");
            let value = written.parse().ok();
            let number = value.and_then(|value| timestamp::from_integer(format, value));
            assert_eq!(number, Some(time), "{shown:?} as a JSON number");
        }
    }
    true
}

/// At most 19 digits as a program writes them.
fn whole(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    let value: i128 = text.parse().ok()?;
    ((0..10_i128.pow(19)).contains(&value) && value.to_string() == text).then_some(value)
}

/// Nanoseconds since 1970.
fn rfc3339(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let (date, rest) = text.split_once('T')?;
    let (year, month, day) = three(date, '-', [4, 2, 2])?;
    let zone = rest.find(['Z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone);
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) if (1..=9).contains(&fraction.len()) => {
            (time, digits(&format!("{fraction:0<9}"), 9)?)
        }
        Some(_) => return None,
        None => (time, 0),
    };
    let (hour, minute, second) = three(time, ':', [2, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month).ok().filter(|month| (1..=12).contains(month))?;
    if !(1..=months[month - 1]).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset = match zone.split_at(1) {
        ("Z", "") => 0,
        (sign, offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
            if sign == "Z" || hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if sign == "-" { -60 } else { 60 }
        }
    };
    // Years before this one have as many leap days; 0000 is one of them.
    let leap_days = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let day = year * 365 + leap_days + months[..month - 1].iter().sum::<i128>() + day - 1;
    let seconds = (day - 719_528) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    Some(seconds * 1_000_000_000 + fraction)
}

fn three(text: &str, separator: char, lens: [usize; 3]) -> Option<(i128, i128, i128)> {
    let parts: Vec<&str> = text.split(separator).collect();
    let [one, two, three] = parts[..] else { return None };
    Some((digits(one, lens[0])?, digits(two, lens[1])?, digits(three, lens[2])?))
}

fn digits(text: &str, len: usize) -> Option<i128> {
    let all = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok())?
}

fn system_time(nanos: i128) -> Option<SystemTime> {
    let distance = nanos.unsigned_abs();
    let seconds = u64::try_from(distance / 1_000_000_000).ok()?;
    let distance = Duration::new(seconds, u32::try_from(distance % 1_000_000_000).ok()?);
    match nanos {
        0.. => SystemTime::UNIX_EPOCH.checked_add(distance),
        _ => SystemTime::UNIX_EPOCH.checked_sub(distance),
    }
}
