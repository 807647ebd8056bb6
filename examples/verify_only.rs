//! Verification alone, without tokio and without tower: here behind a server of plain threads.
//!
//! ```text
//! WEBHOOK_SECRET=whsec_… cargo run --no-default-features --example verify_only [-- 127.0.0.1:3000]
//! ```
//!
//! Nothing is deduplicated or stored here: that is what the rest of the crate is for.

use std::io::{Read, Write};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use inhook::{BoxError, Verifier, presets};

/// More than any event of the partner.
const MAX_BODY: usize = 1 << 20;

fn answer(verifier: &Verifier, request: &mut tiny_http::Request) -> Result<StatusCode, BoxError> {
    let mut signed = Request::new(Bytes::new());
    for header in request.headers() {
        let name = HeaderName::from_bytes(header.field.as_str().as_str().as_bytes())?;
        // Appended, not inserted: a header that is there twice must be seen to be.
        signed.headers_mut().append(name, HeaderValue::from_str(header.value.as_str())?);
    }
    // What can't be right is refused before its body is read.
    if let Err(rejection) = verifier.check_headers(signed.headers()) {
        eprintln!("refused: {rejection}");
        return Ok(rejection.status());
    }
    let mut body = Vec::new();
    request.as_reader().take(MAX_BODY as u64 + 1).read_to_end(&mut body)?;
    if body.len() > MAX_BODY {
        return Ok(StatusCode::PAYLOAD_TOO_LARGE);
    }
    *signed.body_mut() = body.into();
    match verifier.verify(signed) {
        Ok(delivery) => {
            println!("{} {}", delivery.event().unwrap_or("an event"), delivery.key());
            std::io::stdout().flush()?;
            Ok(StatusCode::NO_CONTENT)
        }
        Err(rejection) => {
            // The reason stays on this side.
            eprintln!("refused: {rejection}");
            Ok(rejection.status())
        }
    }
}

fn main() -> Result<(), BoxError> {
    let secret = std::env::var("WEBHOOK_SECRET")?;
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let verifier = Verifier::new("acme", presets::STANDARD_WEBHOOKS, secret)?;
    let server = tiny_http::Server::http(&listen)?;
    println!("listening on http://{}", server.server_addr());
    for mut request in server.incoming_requests() {
        let status = answer(&verifier, &mut request).unwrap_or(StatusCode::BAD_REQUEST);
        let response = tiny_http::Response::empty(status.as_u16());
        if let Err(error) = request.respond(response) {
            eprintln!("the client has gone: {error}");
        }
    }
    Ok(())
}
