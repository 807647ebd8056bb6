//! What holds for every record: when its key expires, and that its bytes are the whole of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use inhook::inbox::Record;
use inhook::scheme::{Field, Identity, Part, Scheme, SentAt, Signature, TimeFormat};
use inhook::sign::{Message, Signer};
use inhook::testing::FakeClock;
use inhook::{Secret, Verifier};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::rules::same;
use super::search::Search;

const SECRET: &str = "a secret for records";

/// A request, and the settings of whoever verifies it.
#[derive(Debug, Clone)]
struct Request {
    id: String,
    event: String,
    body: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
    source: String,
    label: String,
    now: SystemTime,
    ttl: Duration,
    tolerance: Duration,
    signs_time: bool,
}

fn request() -> impl Strategy<Value = Request> {
    let value = vec(prop_oneof![8 => 0x20u8..0x7f, 1 => 0x80u8.., 1 => Just(b'\t')], 0..20);
    let headers = vec(("[a-z!#$%&'*+.^_`|~0-9-]{1,12}", value), 0..6);
    let body = prop_oneof![
        vec(any::<u8>(), 0..60),
        // What separates the parts of a record.
        vec(select(b"\r\n: x{\"".to_vec()), 0..30),
    ];
    let settings =
        ("\\PC{1,20}", ".{1,20}", time(), duration(600, 86_400), duration(1, 300), any::<bool>());
    (("[!-~]{1,40}", "[!-~]{1,40}", body, headers), settings).prop_map(
        |((id, event, body, headers), (source, label, now, ttl, tolerance, signs_time))| Request {
            id,
            event,
            body,
            headers,
            source,
            label,
            now,
            ttl,
            tolerance,
            signs_time,
        },
    )
}

/// From `least` to `most` seconds, rarely whole.
fn duration(least: u64, most: u64) -> impl Strategy<Value = Duration> {
    (least..most, select(vec![0, 1, 499_999, 999_999, 1_000_000, 999_999_999]))
        .prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

/// From far before 1970 to far in the future.
fn time() -> impl Strategy<Value = SystemTime> {
    let seconds = prop_oneof![
        4 => 0i64..4_000_000_000,
        1 => -4_000_000_000i64..0,
        1 => select(vec![-1i64, 0, 1, 253_402_300_799]),
    ];
    (seconds, 0u32..1_000_000_000).prop_map(|(seconds, nanos)| {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        let time = if seconds < 0 {
            SystemTime::UNIX_EPOCH - distance
        } else {
            SystemTime::UNIX_EPOCH + distance
        };
        time + Duration::from_nanos(nanos.into())
    })
}

/// The same, and the ends of what a time can be.
fn any_time() -> impl Strategy<Value = SystemTime> {
    let end = |step: fn(SystemTime, Duration) -> Option<SystemTime>| {
        let mut time = SystemTime::UNIX_EPOCH;
        for power in (0..63).rev() {
            time = step(time, Duration::from_secs(1 << power)).unwrap_or(time);
        }
        time
    };
    let (first, last) =
        (end(|time, by| time.checked_sub(by)), end(|time, by| time.checked_add(by)));
    prop_oneof![4 => time(), 1 => Just(first), 1 => Just(last)]
}

impl Request {
    fn record(&self) -> Record {
        let timed = self.is_timed();
        let scheme = Scheme {
            signature: Signature { field: Field::header("x-signature"), ..Signature::BASE },
            id: Some(Field::header("x-id")),
            event: Some(Field::header("x-event")),
            sent_at: timed.then(|| SentAt {
                field: Field::header("x-time"),
                format: TimeFormat::UnixSeconds,
            }),
            content: match timed {
                true => vec![Part::SentAt, Part::Literal(".".into()), Part::Body].into(),
                false => Scheme::BASE.content,
            },
            identity: Identity::IdAndContent,
            ..Scheme::BASE
        };
        let message = Message::new(self.body.clone()).id(&self.id).event(&self.event);
        let signer = Signer::new(scheme.clone(), SECRET).unwrap();
        let mut request = signer.request(&message.sent_at(self.now)).unwrap();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            if !name.as_str().starts_with("x-") {
                request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
            }
        }
        let secret = Secret::new(SECRET).label(&*self.label);
        let verifier = Verifier::builder(&*self.source, scheme, secret);
        let verifier = match timed {
            true => verifier.tolerance(self.tolerance, self.tolerance),
            false => verifier,
        };
        let verifier = verifier.ttl(self.ttl);
        let verifier = verifier.clock(Arc::new(FakeClock::at(self.now))).build().unwrap();
        Record::new(verifier.verify(request).unwrap(), true)
    }

    /// Nobody signs a time before 1970.
    fn is_timed(&self) -> bool {
        self.signs_time && self.now >= SystemTime::UNIX_EPOCH
    }

    fn freshness(&self) -> Duration {
        if self.is_timed() { self.tolerance * 2 } else { Duration::ZERO }
    }
}

#[test]
fn the_bytes_of_a_record_are_the_whole_of_it() {
    Search::new(512).finds_none(request(), |request| {
        let record = request.record();
        let again = Record::from_bytes(&record.to_bytes()).map_err(|error| error.to_string())?;
        same("body", &*request.body, &again.body()[..])?;
        same("headers", record.headers(), again.headers())?;
        same("id", Some(&*request.id), again.id())?;
        same("event", Some(&*request.event), again.event())?;
        same("source", &*request.source, again.source())?;
        same("label", &*request.label, again.secret())?;
        same("record", &record, &again)
    });
}

#[test]
fn d13_a_window_that_ends_inside_a_millisecond_is_not_cut() {
    let nano = Duration::from_nanos(1);
    let request = Request {
        id: "1".into(),
        event: "push".into(),
        body: Vec::new(),
        headers: Vec::new(),
        source: "acme".into(),
        label: "0".into(),
        now: SystemTime::UNIX_EPOCH,
        ttl: Duration::from_secs(600) + nano,
        tolerance: Duration::from_secs(1) + nano,
        signs_time: true,
    };
    let stored = Record::from_bytes(&request.record().to_bytes()).unwrap();
    for now in [request.now, request.now + request.ttl] {
        let ends = (request.now + request.ttl).max(now + request.freshness());
        assert!(stored.expires_at(request.now, now) >= ends);
    }
}

#[test]
fn bytes_that_were_changed_are_refused_or_are_another_record() {
    let change = (any::<Index>(), 0usize..3, vec(any::<u8>(), 0..3));
    Search::new(2_048).finds_none((request(), change), |(request, (at, cut, put))| {
        let mut bytes = request.record().to_bytes().to_vec();
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + cut);
        bytes.splice(at..end, put.iter().copied());
        let Ok(record) = Record::from_bytes(&Bytes::from(bytes)) else { return Ok(()) };
        same("record", Ok(&record), Record::from_bytes(&record.to_bytes()).as_ref())
    });
}

#[test]
fn d13_a_key_is_kept_for_its_window_and_while_a_replay_is_fresh() {
    Search::new(1_024).finds_none((request(), any_time(), any_time()), |(request, start, now)| {
        let expires_at = request.record().expires_at(*start, *now);
        let window = start.checked_add(request.ttl);
        let fresh = now.checked_add(request.freshness());
        let ends = window.into_iter().chain(fresh).max().unwrap_or(*start);
        if expires_at < ends {
            return Err(format!("{expires_at:?} is before {ends:?}"));
        }
        // Stores count in milliseconds, and forget at the one after the last at which it is fresh.
        let late = expires_at.duration_since(ends).unwrap_or_default();
        let far = window.is_none() || fresh.is_none();
        if late > Duration::from_millis(2) && !far {
            return Err(format!("{expires_at:?} is {late:?} after {ends:?}"));
        }
        Ok(())
    });
}
