//! [`run`]: a server and a worker in one process, ended in order.

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::sync::watch;
use tower_service::Service;

use crate::error::BoxError;
use crate::events::Handled;
use crate::inbox::{Inbox, Job};
use crate::retry::Failure;
use crate::serve::Serve;
use crate::worker::Worker;

/// Runs a server and a worker until `stop` completes, then drains both. If one of them fails
/// the other one is drained as well.
///
/// # Errors
///
/// What [`Serve::run`] or [`Worker::run`] returned.
pub async fn run<S, B, I, H>(
    serve: Serve<S>,
    worker: Worker<I, H>,
    stop: impl Future<Output = ()>,
) -> Result<(), BoxError>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    I: Inbox + ?Sized,
    H: Service<Job, Response = Handled, Error = Failure> + Clone + Send + 'static,
    H::Future: Send,
{
    let (stopping, _) = watch::channel(false);
    let stopped = || {
        let mut stopping = stopping.subscribe();
        async move { drop(stopping.wait_for(|stopping| *stopping).await) }
    };
    let server = async {
        let result = serve.run(stopped()).await;
        stopping.send_replace(true);
        result
    };
    let worker = async {
        let result = worker.run(stopped()).await;
        stopping.send_replace(true);
        result
    };
    let mut halves = std::pin::pin!(async { tokio::join!(server, worker) });
    let (served, worked) = tokio::select! {
        ended = &mut halves => ended,
        () = stop => {
            stopping.send_replace(true);
            halves.await
        }
    };
    served?;
    Ok(worked?)
}
