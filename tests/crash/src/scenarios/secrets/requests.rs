//! All that may be sent to a receiver. Whatever is refused, and each header that may have a credential, has
//! the secret in it.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderValue, Request};
use bytes::Bytes;
use http_body_util::Full;
use inhook::sign::{Message, Signer};
use inhook::{BoxError, presets};

use crate::client::id;
use crate::receiver::SECRET;

/// What is not even HTTP, or never ends; the secret is where a partner may have put it.
pub fn raw() -> [String; 5] {
    [
        format!("POST /hook?secret={SECRET} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("POST /{SECRET} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("GET /hook HTTP/9.9\r\nauthorization: {SECRET}\r\n\r\n"),
        format!("{SECRET}\r\n\r\n"),
        format!("POST /hook HTTP/1.1\r\nhost: localhost\r\nx-gitlab-token: {SECRET}"),
    ]
}

/// A valid request, with a credential beside it.
pub fn signed(event: &str) -> Result<Request<Full<Bytes>>, BoxError> {
    sign(SECRET, Message::new(format!(r#"{{"type":"{event}"}}"#)).id(id()))
}

fn sign(secret: &str, message: Message) -> Result<Request<Full<Bytes>>, BoxError> {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, secret)?;
    let mut request = signer.request(&message)?.map(Full::new);
    *request.uri_mut() = "/hook".parse()?;
    request.headers_mut().insert("host", "localhost".parse()?);
    for credential in ["authorization", "proxy-authorization", "cookie", "x-gitlab-token"] {
        request.headers_mut().insert(credential, SECRET.parse()?);
    }
    Ok(request)
}

/// Valid ones, one of them twice, forged ones, and those that are none; handlers fail and panic at some.
pub fn requests() -> Result<Vec<Request<Full<Bytes>>>, BoxError> {
    let message = || Message::new(r#"{"type":"user.created"}"#).id(id());
    let hour = Duration::from_secs(3_600);
    let mut requests = vec![
        sign(SECRET, message())?,
        sign("whsec_b3RoZXIgc2VjcmV0IG9mIGEgZm9yZ2Vy", message())?,
        sign(SECRET, message().sent_at(SystemTime::now() - hour))?,
        sign(SECRET, message().sent_at(SystemTime::now() + hour))?,
        sign(SECRET, Message::new("not JSON").id(id()))?,
        sign(SECRET, Message::new("").id(id()))?,
        sign(SECRET, Message::new(vec![b'x'; 2 << 20]).id(id()))?,
        signed("failure")?,
        signed("panic")?,
    ];
    // A valid request again: its id is known.
    requests.push(requests[0].clone());
    let base64 = SECRET.trim_start_matches("whsec_");
    let tags = vec![format!("v1,{base64}"); 20].join(" ");
    let changes: [(&'static str, &[u8]); 11] = [
        ("webhook-signature", b""),
        ("webhook-signature", b"v1,"),
        ("webhook-signature", b"v1,!!!"),
        ("webhook-signature", b"\xff\xfe"),
        ("webhook-signature", SECRET.as_bytes()),
        ("webhook-signature", tags.as_bytes()),
        ("webhook-id", b"a.b"),
        ("webhook-id", SECRET.as_bytes()),
        ("webhook-timestamp", b"soon"),
        ("webhook-timestamp", SECRET.as_bytes()),
        ("content-encoding", b"gzip"),
    ];
    for (name, value) in changes {
        let mut request = signed("user.created")?;
        request.headers_mut().insert(name, HeaderValue::from_bytes(value)?);
        requests.push(request);
    }
    for name in ["webhook-signature", "webhook-id", "webhook-timestamp"] {
        let mut request = signed("user.created")?;
        request.headers_mut().remove(name);
        requests.push(request);
        let mut request = signed("user.created")?;
        request.headers_mut().append(name, SECRET.parse()?);
        requests.push(request);
    }
    let mut get = signed("user.created")?;
    *get.method_mut() = axum::http::Method::GET;
    requests.push(get);
    Ok(requests)
}
