//! URLs that are not the one that the partner signs.

use std::collections::HashSet;

use http::Uri;
use http::uri::Scheme as UriScheme;
use inhook::scheme::Part;

use super::{Case, Mistake};
use crate::output::without_password;

pub(super) fn mistakes(case: &Case) -> Vec<Mistake> {
    let mut all: Vec<Mistake> = Vec::new();
    // What is signed of it: where that is the path alone, nothing is said of the rest.
    let signed = |url: &str| match case.scheme.content.contains(&Part::Url) {
        true => url.to_owned(),
        false => url.parse().map_or(String::new(), |url: Uri| url.path().to_owned()),
    };
    let mut known: HashSet<String> = case.url.iter().map(|url| signed(url)).collect();
    let mut add = |url: String, advice: &str| {
        if known.insert(signed(&url)) {
            let advice = format!("for the URL {:.200}: {advice}", without_password(&url));
            all.push(Mistake::new(advice, Case { url: Some(url), ..case.clone() }));
        }
    };
    let seen = as_seen(case);
    for url in case.url.iter().chain(&seen) {
        for (url, advice) in variants(url, case) {
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
    let host = header(case, "x-forwarded-host")
        .or_else(|| forwarded(case, "host"))
        .or_else(|| header(case, "host"))?;
    let scheme = header(case, "x-forwarded-proto").or_else(|| forwarded(case, "proto"));
    Some(format!("{}://{host}{}", scheme.unwrap_or("https"), target(case)?))
}

fn header<'c>(case: &'c Case, name: &str) -> Option<&'c str> {
    case.request.headers().get(name)?.to_str().ok()
}

/// A parameter of `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)), by the first proxy.
fn forwarded<'c>(case: &'c Case, name: &str) -> Option<&'c str> {
    let first = header(case, "forwarded")?.split(',').next()?;
    let mut pairs = first.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(other, _)| other.eq_ignore_ascii_case(name))?;
    Some(value.trim_matches('"'))
}

/// The path and the query of the request, behind what a proxy says that it took away.
fn target(case: &Case) -> Option<String> {
    let prefix = header(case, "x-forwarded-prefix").unwrap_or_default().trim_end_matches('/');
    Some(format!("{prefix}{}", case.request.uri().path_and_query()?))
}

fn variants(url: &str, case: &Case) -> Vec<(String, &'static str)> {
    let Ok(uri) = url.parse::<Uri>() else { return Vec::new() };
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
        (
            format!("{scheme}://{authority}{}", target(case).unwrap_or_default()),
            "with the path and the query of the request.",
        ),
        (
            format!("{scheme}://{}{rest}", authority.as_str().to_ascii_lowercase()),
            "with the host in lower case.",
        ),
    ]
}
