//! Times that are read twice, or too kindly.

use std::time::Duration;

use inhook::scheme::Tolerance;

use super::*;

#[test]
fn s5_times_that_are_read_twice_or_too_kindly_are_found() {
    let stripe = presets::STRIPE;
    let mailgun = Scheme { tolerance: Scheme::BASE.tolerance, ..presets::MAILGUN_FORM };
    find(&[
        (
            "any age",
            presets::SLACK,
            |_, request| {
                let [secret, _] = secrets_of(&presets::SLACK);
                let any = Verifier::builder("acme", presets::SLACK, secret).ignore_sent_at();
                key(&any.build().unwrap(), request)
            },
            Oracle::RefusesStale,
            "it was signed",
        ),
        (
            "a second more than the tolerance",
            presets::STANDARD_WEBHOOKS,
            |_, request| {
                by_tolerance(request, |tolerance| tolerance.past += Duration::from_secs(1))
            },
            Oracle::RefusesStale,
            "it was signed 301 s ago",
        ),
        (
            "a second more ahead",
            presets::STANDARD_WEBHOOKS,
            |_, request| {
                by_tolerance(request, |tolerance| tolerance.future += Duration::from_secs(1))
            },
            Oracle::RefusesStale,
            "it is signed in 301 s",
        ),
        (
            "the first of two times in a list",
            stripe.clone(),
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "stripe-signature", |list| one_time(list, first))
                })
            },
            Oracle::RefusesRepeated,
            "parameter `t`",
        ),
        (
            "the first is signed, the last is fresh",
            stripe.clone(),
            |_, request| by_two_times(request, first, last),
            Oracle::RefusesStale,
            "a time of now is there twice",
        ),
        (
            "the last is signed, the first is fresh",
            stripe,
            |_, request| by_two_times(request, last, first),
            Oracle::RefusesStale,
            "a time of now is there twice",
        ),
        (
            "one name is signed, the other is fresh",
            presets::STANDARD_WEBHOOKS,
            |_, request| {
                let name = |name| request.headers().get(name)?.to_str().ok();
                let own = name("webhook-timestamp")?;
                is_fresh(name("svix-timestamp").unwrap_or(own)).then_some(())?;
                changed(&of_any_age(presets::STANDARD_WEBHOOKS), request, |request| {
                    request.headers_mut().remove("svix-timestamp");
                })
            },
            Oracle::RefusesStale,
            "second name",
        ),
        (
            "under its second name it is of any age",
            presets::STANDARD_WEBHOOKS,
            |verifier, request| match request.headers().contains_key("svix-timestamp") {
                true => key(&of_any_age(presets::STANDARD_WEBHOOKS), request),
                false => key(verifier, request),
            },
            Oracle::RefusesStale,
            "its headers have their second names",
        ),
        (
            "an entry that is a number in any spelling",
            presets::RECURLY,
            |verifier, request| {
                changed(verifier, request, |request| {
                    header(request, "recurly-signature", |list| {
                        let (time, rest) = list.split_once(',').unwrap_or((list, ""));
                        let time = time.parse::<u64>().map_or(time.into(), |time| time.to_string());
                        format!("{time},{rest}")
                    })
                })
            },
            Oracle::RefusesRespelled,
            "the time is `",
        ),
        (
            "a parameter that is a number in any spelling",
            mailgun,
            |verifier, request| {
                let body = std::str::from_utf8(request.body()).ok()?;
                let pairs = body.split('&').map(|pair| match pair.strip_prefix("timestamp=") {
                    Some(time) => format!("timestamp={}", time.trim_start_matches("%2B")),
                    None => pair.to_owned(),
                });
                with_body(verifier, request, pairs.collect::<Vec<_>>().join("&").as_bytes())
            },
            Oracle::RefusesRespelled,
            "the time is `+",
        ),
        (
            "the last of two parameters",
            presets::MAILGUN_FORM,
            |verifier, request| {
                let body = std::str::from_utf8(request.body()).ok()?;
                let tokens: Vec<&str> =
                    body.split('&').filter(|pair| pair.starts_with("token=")).collect();
                let rest = body.split('&').filter(|pair| !pair.starts_with("token="));
                let body = rest.chain(tokens.last().copied()).collect::<Vec<_>>().join("&");
                with_body(verifier, request, body.as_bytes())
            },
            Oracle::RefusesRepeated,
            "parameter `token`",
        ),
    ]);
}

/// The list without all but one of its times.
fn one_time(list: &str, which: fn(&[&str]) -> Option<String>) -> String {
    let (times, others): (Vec<&str>, Vec<&str>) =
        list.split(',').partition(|entry| entry.starts_with("t="));
    which(&times)
        .into_iter()
        .chain(others.into_iter().map(str::to_owned))
        .collect::<Vec<_>>()
        .join(",")
}

fn first(texts: &[&str]) -> Option<String> {
    texts.first().map(|text| (*text).to_owned())
}

fn last(texts: &[&str]) -> Option<String> {
    texts.last().map(|text| (*text).to_owned())
}

/// Standard Webhooks', by another tolerance.
fn by_tolerance(request: &Request<Bytes>, change: fn(&mut Tolerance)) -> Option<Vec<u8>> {
    let mut scheme = presets::STANDARD_WEBHOOKS;
    change(scheme.tolerance.as_mut()?);
    let [secret, _] = secrets_of(&scheme);
    let verifier = Verifier::builder("acme", scheme, secret).clock(Arc::new(FakeClock::new()));
    key(&verifier.build().unwrap(), request)
}

/// By its scheme, but of any age.
fn of_any_age(scheme: Scheme) -> Verifier {
    let [secret, _] = secrets_of(&scheme);
    let builder = Verifier::builder("acme", scheme, secret).url(URL);
    builder.clock(Arc::new(FakeClock::new())).ignore_sent_at().build().unwrap()
}

fn is_fresh(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|time| time.abs_diff(NOW) <= 300)
}

/// Stripe's, where one time is signed and another one fresh. Two that are both fresh are refused.
fn by_two_times(
    request: &Request<Bytes>,
    signed: fn(&[&str]) -> Option<String>,
    fresh: fn(&[&str]) -> Option<String>,
) -> Option<Vec<u8>> {
    let list = request.headers().get("stripe-signature")?.to_str().ok()?;
    let times: Vec<&str> = list.split(',').filter_map(|it| it.strip_prefix("t=")).collect();
    let are_fresh = times.len() == 2 && times.iter().all(|it| is_fresh(it));
    if !is_fresh(&fresh(&times)?) || are_fresh {
        return None;
    }
    changed(&of_any_age(presets::STRIPE), request, |request| {
        header(request, "stripe-signature", |list| one_time(list, signed))
    })
}
