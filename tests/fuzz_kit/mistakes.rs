//! What people do beside the verification, each time with what finds it.

use super::*;

mod bodies;
mod bypasses;
mod keys;
mod panics;
mod signatures;
mod times;
mod verification;

/// A receiver around a verifier that is right; what it does instead; what finds that, and how.
type Mistake = (&'static str, Scheme, Wrong, Oracle, &'static str);

fn with_body(verifier: &Verifier, request: &Request<Bytes>, body: &[u8]) -> Option<Vec<u8>> {
    changed(verifier, request, |request| *request.body_mut() = Bytes::copy_from_slice(body))
}

/// A header, where it is there once and is text.
fn header(request: &mut Request<Bytes>, name: &'static str, change: impl FnOnce(&str) -> String) {
    let mut values = request.headers().get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return };
    let Ok(value) = value.to_str() else { return };
    let value = HeaderValue::from_str(&change(value)).unwrap();
    request.headers_mut().insert(name, value);
}

/// Each is found by each seed that is tried, and by one of twenty as it is said; the verifier without it is right.
fn find(mistakes: &[Mistake]) {
    for (what, scheme, wrong, oracle, how) in mistakes {
        let [secret, _] = secrets_of(scheme);
        let attack = Attack::for_url(scheme.clone(), secret.clone(), URL).unwrap();
        let verifier = Verifier::builder("acme", scheme.clone(), secret).url(URL);
        let verifier = verifier.clock(Arc::new(FakeClock::new())).build().unwrap();
        let right = Wrapped(verifier, key);
        attack.run(&right, 1_000, 1).unwrap();
        let wrong = Wrapped(right.0, *wrong);
        let found = |seed| attack.run(&wrong, 20_000, seed).expect_err(what);
        let is_it = |it: &Finding| it.oracle == *oracle && it.what.contains(how);
        let is_found = (1..=20).any(|seed| is_it(&found(seed)));
        assert!(is_found, "{what}: not by {oracle:?}, {how}, but: {}", found(1));
    }
}
