//! URLs that are not the one that the partner signs.

use http::header::{HOST, HeaderName};
use http::uri::Scheme as UriScheme;

use super::{Case, Mistake};

pub(super) fn mistakes(case: &Case) -> Vec<Mistake> {
    let mut all: Vec<Mistake> = Vec::new();
    let mut add = |url: String, advice: &str| {
        let known = Some(&url) == case.url.as_ref();
        if !known && all.iter().all(|other| other.case.url.as_ref() != Some(&url)) {
            let advice = format!("for the URL {url:.200}: {advice}");
            all.push(Mistake::new(advice, Case { url: Some(url), ..case.clone() }));
        }
    };
    let seen = as_seen(case);
    for url in case.url.iter().chain(&seen) {
        for (url, advice) in variants(url) {
            add(url, advice);
        }
    }
    if let Some(seen) = seen {
        add(seen, "that is the one in the request; configure it if it is the public one.");
    }
    all
}

/// The URL by the request's own headers. The library never believes them; here they are a hint.
fn as_seen(case: &Case) -> Option<String> {
    let header = |name: HeaderName| case.request.headers().get(name)?.to_str().ok();
    let host = header(HeaderName::from_static("x-forwarded-host")).or_else(|| header(HOST))?;
    let scheme = header(HeaderName::from_static("x-forwarded-proto")).unwrap_or("https");
    let target = case.request.uri().path_and_query()?;
    Some(format!("{scheme}://{host}{target}"))
}

fn variants(url: &str) -> Vec<(String, &'static str)> {
    let Ok(uri) = url.parse::<http::Uri>() else { return Vec::new() };
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Vec::new();
    };
    let rest = uri.path_and_query().map_or("/", |rest| rest.as_str());
    let (path, query) =
        rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let other = if *scheme == UriScheme::HTTPS { "http" } else { "https" };
    let host = authority.host();
    let port = if *scheme == UriScheme::HTTPS { 443 } else { 80 };
    let slash = match path.strip_suffix('/') {
        Some(shorter) => shorter.to_owned(),
        None => format!("{path}/"),
    };
    vec![
        (
            format!("{other}://{authority}{rest}"),
            "a proxy ends TLS, so the server sees another scheme than the partner.",
        ),
        (
            format!("{scheme}://{host}{rest}"),
            "the server behind a proxy sees another URL than the partner signs.",
        ),
        (format!("{scheme}://{host}:{port}{rest}"), "with its default port."),
        (
            format!("{other}://{host}{rest}"),
            "a proxy ends TLS, so the server sees another scheme and port than the partner.",
        ),
        (
            format!("{scheme}://{authority}{slash}{query}"),
            "the slash at the end of the path counts.",
        ),
        (format!("{scheme}://{authority}{path}"), "without its query."),
    ]
}
