//! The partner: signs requests, sends them, and remembers what it was answered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use inhook::sign::{Message, Signer};
use inhook::{BoxError, Delivery, Verifier, presets};
use tokio::net::TcpStream;

use crate::receiver::{PUT, SECRET};

/// How long a partner waits.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// `crash-` and twelve digits: found again in the bytes that go to a disk.
pub const ID_LENGTH: usize = 18;

/// An id that no other request of this process has.
pub fn id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("crash-{:012}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    /// Whether it was accepted now, and is no duplicate.
    pub new: bool,
}

impl Answer {
    pub fn is_ok(&self) -> bool {
        self.status == StatusCode::OK
    }
}

/// A partner with one connection.
pub struct Client {
    connection: SendRequest<Full<Bytes>>,
    signer: Signer,
}

impl Client {
    pub async fn connect(to: SocketAddr) -> Result<Self, BoxError> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(Self { connection, signer: Signer::new(presets::STANDARD_WEBHOOKS, SECRET)? })
    }

    /// Sends 1 KB under this id.
    pub async fn send(&mut self, id: &str) -> Result<Answer, BoxError> {
        let response = self.request(self.sign(id)?).await?;
        let new = response.headers().get(PUT).is_some_and(|put| put == "New");
        Ok(Answer { status: response.status(), new })
    }

    /// A request of 1 KB under this id.
    pub fn sign(&self, id: &str) -> Result<Request<Full<Bytes>>, BoxError> {
        request(&self.signer, id)
    }

    /// The same, with an event of this type.
    pub fn sign_event(&self, id: &str, event: &str) -> Result<Request<Full<Bytes>>, BoxError> {
        event_request(&self.signer, id, event, 950)
    }

    /// The same, with this many bytes of data in it.
    pub fn sign_long(&self, id: &str, bytes: usize) -> Result<Request<Full<Bytes>>, BoxError> {
        event_request(&self.signer, id, "user.created", bytes)
    }

    /// What `/healthz` answers.
    pub async fn health(&mut self) -> Result<StatusCode, BoxError> {
        let request = Request::get("/healthz").header("host", "localhost").body(Full::default())?;
        Ok(self.request(request).await?.status())
    }

    pub async fn request(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, BoxError> {
        let exchange = async {
            self.connection.ready().await?;
            let (head, body) = self.connection.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>(Response::from_parts(head, body.collect().await?.to_bytes()))
        };
        Ok(tokio::time::timeout(PATIENCE, exchange).await??)
    }
}

/// The 1 KB that are sent under an id.
pub fn body(id: &str) -> String {
    event_body(id, "user.created", 950)
}

fn event_body(id: &str, event: &str, bytes: usize) -> String {
    format!(r#"{{"type":"{event}","id":"{id}","data":"{}"}}"#, "x".repeat(bytes))
}

/// A verified delivery, signed at this time.
pub fn delivery(verifier: &Verifier, id: &str, at: SystemTime) -> Result<Delivery, BoxError> {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET)?;
    Ok(verifier.verify(signer.request(&Message::new(body(id)).id(id).sent_at(at))?)?)
}

/// A signed request of 1 KB.
pub fn request(signer: &Signer, id: &str) -> Result<Request<Full<Bytes>>, BoxError> {
    event_request(signer, id, "user.created", 950)
}

fn event_request(
    signer: &Signer,
    id: &str,
    event: &str,
    bytes: usize,
) -> Result<Request<Full<Bytes>>, BoxError> {
    let message = Message::new(event_body(id, event, bytes)).id(id);
    let mut request = signer.request(&message)?.map(Full::new);
    *request.uri_mut() = "/hook".parse()?;
    request.headers_mut().insert("host", "localhost".parse()?);
    Ok(request)
}
