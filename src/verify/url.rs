//! The public URL of an endpoint, as it is configured.

use http::Uri;
use http::uri::Scheme as UriScheme;

use crate::error::ConfigError;

/// A URL in the spellings that may be signed.
#[derive(Debug)]
pub(crate) struct PublicUrl {
    /// As it was given, then with its default port added or taken away.
    pub(crate) spellings: Vec<String>,
    pub(crate) path: String,
}

impl PublicUrl {
    pub(crate) fn parse(text: &str, either_port: bool) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::Url { url: without_secrets(text) };
        let url: Uri = text.parse().map_err(|_| wrong())?;
        let default_port = match url.scheme() {
            Some(scheme) if *scheme == UriScheme::HTTPS => ":443",
            Some(scheme) if *scheme == UriScheme::HTTP => ":80",
            _ => return Err(wrong()),
        };
        let authority = url.authority().ok_or_else(wrong)?.as_str();
        // The parser drops a fragment, which is no part of what a partner requests, and takes any port.
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let port = host.rsplit_once(']').map_or(host, |(_, port)| port).split_once(':');
        let is_port = |(_, port): (&str, &str)| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && url.port_u16().is_some()
        };
        if text.contains('#') || !port.is_none_or(is_port) {
            return Err(wrong());
        }
        let start = text.find("://").map_or(0, |at| at.saturating_add(3));
        let rest = text.get(start.saturating_add(authority.len())..).unwrap_or_default();
        // Without a path the port could be taken for the beginning of what is signed next.
        if either_port && !rest.starts_with('/') {
            return Err(wrong());
        }
        let mut spellings = vec![text.to_owned()];
        let other = match (url.port(), authority.strip_suffix(default_port)) {
            (Some(_), Some(without)) => Some(without.to_owned()),
            (None, _) => Some(format!("{authority}{default_port}")),
            (Some(_), None) => None,
        };
        if let Some(other) = other.filter(|_| either_port) {
            let scheme = text.get(..start).unwrap_or_default();
            spellings.push(format!("{scheme}{other}{rest}"));
        }
        Ok(Self { spellings, path: url.path().to_owned() })
    }
}

/// A text that is no URL, without the password that may be in it, of which nobody knows where it begins, and the
/// query, in which there may be a token.
fn without_secrets(text: &str) -> String {
    let (shown, hidden) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    let end = hidden.chars().next().map(|first| format!("{first}…")).unwrap_or_default();
    match shown.rsplit_once('@') {
        // That may be a password with such a character in it, or a query with an address.
        _ if hidden.contains('@') => "…".into(),
        Some((_, rest)) => format!("…@{rest}{end}"),
        None => format!("{shown}{end}"),
    }
}

/// Without the query.
pub(crate) fn base(url: &str) -> &str {
    url.split_once('?').map_or(url, |(base, _)| base)
}
