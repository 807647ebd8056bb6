//! [`Spill`] around an inbox that is down: deliveries go to a file, and from there to the inbox. What waits
//! in the file at the end stays there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use bytes::Bytes;
use http_body_util::Full;
use inhook::testing::{Failing, Mode};
use inhook::{BoxError, Intake, MemoryInbox, Spill, Verifier, VerifyLayer, presets};
use rusqlite::Connection;
use tower::Layer;

use super::super::requests::{requests, signed};
use super::{send, show, show_error};
use crate::child::PATIENCE;
use crate::receiver::SECRET;

pub async fn run(directory: &Path) -> Result<(), BoxError> {
    let path = directory.join("spill.db");
    let primary = Arc::new(Failing::new(MemoryInbox::new()));
    let options = || Spill::options(primary.clone()).all_sources();
    show(&options());
    let spill = Arc::new(options().open(&path).await?);
    // This process has it already, and the inbox of the receiver is no spill.
    for other in [&path, &directory.join("inbox.db")] {
        show_error(&*options().open(other).await.err().ok_or("a spill is opened twice")?);
    }
    let verifier = Verifier::new("spill", presets::STANDARD_WEBHOOKS, SECRET)?;
    let service = VerifyLayer::new(verifier).layer(Intake::new(spill.clone()));
    let sends = async |requests: Vec<Request<Full<Bytes>>>| send(service.clone(), requests).await;
    primary.set(Mode::Fails);
    sends(requests()?).await;
    locked(&path, sends(vec![signed("user.created")?])).await?;
    primary.set(Mode::Works);
    let handed_over = async {
        while spill.waiting().await? > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, BoxError>(())
    };
    tokio::time::timeout(PATIENCE, handed_over).await??;
    primary.set(Mode::Fails);
    sends(requests()?).await;
    show(&spill);
    show(spill.store());
    Ok(())
}

/// While somebody else has the lock of a file.
async fn locked(path: &Path, work: impl Future<Output = ()>) -> Result<(), BoxError> {
    let other = Connection::open(path)?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    work.await;
    Ok(other.execute_batch("ROLLBACK")?)
}
