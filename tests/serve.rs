//! The server's own limits, over real connections: time to send a request and to read its answer, and the length of
//! a head.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use inhook::serve;
use inhook::serve::Serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tracing_subscriber::util::SubscriberInitExt;

#[path = "common/log.rs"]
mod log;

use log::Log;

const COMPLETE: &[u8] = b"POST /hook HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";

/// Serves on a free port for as long as the test runs.
async fn start(app: Router, set: impl FnOnce(Serve<Router>) -> Serve<Router>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(set(serve(listener, app)).run(std::future::pending()));
    address
}

#[tokio::test]
async fn e3_slow_headers_and_idle_connections_are_dropped() {
    let timeout = Duration::from_millis(300);
    let app = Router::new().route("/hook", post(|| async {}));
    let address = start(app, |server| server.header_timeout(timeout)).await;
    for opening in [&b""[..], b"POST /hook HTTP/1.1\r\nhost:", COMPLETE] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(opening).await.unwrap();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest));
        closed.await.unwrap_or_else(|_| panic!("still open after {opening:?}")).unwrap();
        assert_eq!(rest.starts_with(b"HTTP/1.1 200"), opening == COMPLETE);
    }
}

/// What is answered to somebody who does not read it takes memory and a connection.
#[tokio::test]
async fn e3_a_client_that_does_not_read_is_dropped() {
    let timeout = Duration::from_millis(300);
    let app = Router::new().route("/hook", post(|| async { "x".repeat(10_000) }));
    let address = start(app, |server| server.write_timeout(timeout)).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let closed = async {
        loop {
            stream.writable().await.unwrap();
            match stream.try_write(COMPLETE) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return error,
            }
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(20), closed).await;
    let error = error.expect("it is answered and answered").kind();
    assert!(
        [std::io::ErrorKind::ConnectionReset, std::io::ErrorKind::BrokenPipe].contains(&error),
        "{error}"
    );
}

#[tokio::test]
async fn time_outs_for_ever_are_long_ones() {
    let app = Router::new().route("/hook", post(|| async {}));
    let set = |server: Serve<Router>| {
        server.header_timeout(Duration::MAX).write_timeout(Duration::MAX).drain(Duration::MAX)
    };
    let mut stream = TcpStream::connect(start(app, set).await).await.unwrap();
    for _ in 0..2 {
        stream.write_all(COMPLETE).await.unwrap();
        let mut answer = [0; 12];
        let _ = stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        while !answer.ends_with(b"\r\n\r\n") {
            answer.rotate_left(1);
            answer[11] = stream.read_u8().await.unwrap();
        }
    }
}

/// It is in memory as a whole, and no budget counts it.
#[tokio::test]
async fn a_head_of_much_more_than_64_kib_is_a_431() {
    let app = Router::new().route("/hook", post(|| async {}));
    let address = start(app, |server| server).await;
    for (length, status) in [(60_000, "HTTP/1.1 200"), (300_000, "HTTP/1.1 431")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let value = "x".repeat(length);
        let head = format!("POST /hook HTTP/1.1\r\nhost: x\r\nx-long: {value}\r\n\r\n");
        // The answer may come, and the connection end, before all of it is sent.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = [0; 12];
        let _ = stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(std::str::from_utf8(&answer).unwrap(), status, "{length}");
    }
}

/// A handler that is not behind a layer of Inhook: its panic ends the connection, and the log says so, of one that
/// is handled while the server runs as of the last ones while it stops; whether these end in time or not.
#[tokio::test]
async fn each_panic_of_a_connection_is_said() {
    fn fails() -> http::StatusCode {
        panic!("the handler's own")
    }
    for one_hangs in [false, true] {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let _log = subscriber.set_default();
        let (began, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let signals = (began.clone(), goes_on.clone());
        let panics = move || {
            let (began, goes_on) = signals.clone();
            async move {
                began.notify_one();
                goes_on.notified().await;
                fails()
            }
        };
        let signal = began.clone();
        let hangs = move || {
            signal.notify_one();
            std::future::pending::<()>()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let app = Router::new().route("/hook", post(panics)).route("/hang", post(hangs));
        let server = serve(listener, app).drain(Duration::from_millis(500));
        let server = tokio::spawn(server.run(async { drop(stopped.await) }));
        let send = async |path| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = String::from_utf8(COMPLETE.to_vec()).unwrap().replace("/hook", path);
            stream.write_all(request.as_bytes()).await.unwrap();
            began.notified().await;
            stream
        };
        let mut first = send("/hook").await;
        goes_on.notify_one();
        assert_eq!(first.read(&mut [0; 1]).await.unwrap(), 0, "it is not answered");
        let mut last = vec![send("/hook").await];
        if one_hangs {
            last.push(send("/hang").await);
        }
        stop.send(()).unwrap();
        goes_on.notify_one();
        server.await.unwrap().unwrap();
        let said = log.text();
        assert_eq!(said.matches("a connection ended in a panic").count(), 2, "{said}");
        // What ended in time was not cut.
        let cut = said.lines().find(|line| line.contains("connections are cut"));
        assert_eq!(cut.is_some_and(|line| line.contains("connections=1")), one_hangs, "{said}");
    }
}
