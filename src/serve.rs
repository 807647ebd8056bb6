//! An HTTP/1.1 server for a public endpoint.
//!
//! It exists because a webhook endpoint is open to anyone: a client that sends its headers slowly,
//! or never, or does not read its answer, is dropped. HTTP/2 and TLS are for the proxy in front of it.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tower_service::Service;

use crate::error::BoxError;

mod stream;

use stream::Stream;

/// How long to leave `accept` alone when it fails, as it does without a free file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const DAY: Duration = Duration::from_secs(86_400);
/// How long a request's head may be, and how much of a body is read at a time: it is there for each
/// connection, and no budget counts it. Nor is more of an answer kept that nobody reads yet.
const MAX_BUFFER: usize = 64 << 10;

/// Serves an axum router, or any tower service, on a listener.
///
/// ```no_run
/// # async fn example(app: axum::Router) -> Result<(), inhook::BoxError> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// inhook::serve(listener, app).run(inhook::stop_signal()).await?;
/// # Ok(()) }
/// ```
pub fn serve<S>(listener: TcpListener, service: S) -> Serve<S> {
    Serve {
        listener,
        service,
        header_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(30),
        drain: Duration::from_secs(25),
    }
}

/// Completes on Ctrl-C, and on SIGTERM where there is one. Further signals of these kinds do nothing:
/// what is being drained has its time.
pub async fn stop_signal() {
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(error) => {
                tracing::error!(%error, "SIGTERM can't be listened for");
                std::future::pending::<()>().await;
            }
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "Ctrl-C can't be listened for");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = terminated => {}
        () = interrupted => {}
    }
}

/// A server, set up by [`serve`].
pub struct Serve<S> {
    listener: TcpListener,
    service: S,
    header_timeout: Duration,
    write_timeout: Duration,
    drain: Duration,
}

impl<S> Serve<S> {
    /// How long a client may take to send its headers, and how long a connection may be idle
    /// between requests: 10 s unless changed, and a day at most.
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        // hyper adds it to an instant, which has no room for any length.
        self.header_timeout = timeout.min(DAY);
        self
    }

    /// How long a client may leave its answer unread: 30 s unless changed. That begins when the operating system
    /// takes no more of the answer, and ends when it takes some again, which may be after a megabyte.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// How long requests may take to end after the stop: 25 s unless changed.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Serves until `stop` completes, then accepts nothing more and finishes the requests it has.
    ///
    /// # Errors
    ///
    /// The listener does not work.
    pub async fn run<B>(self, stop: impl Future<Output = ()>) -> std::io::Result<()>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        // A listener that does not work at all says so here.
        self.listener.local_addr()?;
        let mut stop = pin!(stop);
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                // Before the next one: in a flood of them those that have ended would be kept.
                Some(ended) = connections.join_next() => say_panic(ended),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(self.connection(stream, &graceful));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection can't be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.listener);
        let ended = async {
            while let Some(ended) = connections.join_next().await {
                say_panic(ended);
            }
        };
        let drained = async { tokio::join!(graceful.shutdown(), ended) };
        if tokio::time::timeout(self.drain, drained).await.is_err() {
            let connections = connections.len();
            tracing::warn!(connections, "the drain is over; connections are cut");
        }
        Ok(())
    }

    fn connection<B>(
        &self,
        stream: TcpStream,
        graceful: &GracefulShutdown,
    ) -> impl Future<Output = ()> + Send + use<S, B>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        // An answer is one small packet; it must not wait for another one.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(self.service.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(MAX_BUFFER)
            .serve_connection(TokioIo::new(Stream::new(stream, self.write_timeout)), service);
        let connection = graceful.watch(connection);
        async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        }
    }
}

fn say_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended in a panic");
    }
}

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("header_timeout", &self.header_timeout)
            .field("write_timeout", &self.write_timeout)
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}
