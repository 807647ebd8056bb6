//! [`VerifyLayer`] and [`Intake`] around a [`MemoryInbox`], which fails now and then.

use std::sync::Arc;

use inhook::testing::{Failing, Mode};
use inhook::{BoxError, Intake, MemoryInbox, Verifier, VerifyLayer, presets};
use tower::Layer;

use super::super::requests::{requests, signed};
use super::{send, show};
use crate::receiver::SECRET;

pub async fn run() -> Result<(), BoxError> {
    let inbox = Arc::new(Failing::new(MemoryInbox::new().max_deliveries(1 << 10)));
    let verifier = Verifier::new("memory", presets::STANDARD_WEBHOOKS, SECRET)?;
    let layer = VerifyLayer::new(verifier);
    let intake = Intake::new(inbox.clone());
    let service = layer.layer(intake.clone());
    show(&(&layer, &intake, &service));
    send(service.clone(), requests()?).await;
    for mode in [Mode::Fails, Mode::LosesAnswers, Mode::Hangs] {
        inbox.set(mode);
        send(service.clone(), vec![signed("user.created")?]).await;
    }
    inbox.set(Mode::Works);
    // Nothing has verified what it gets.
    send(intake, vec![signed("user.created")?]).await;
    show(&inbox);
    show(inbox.inner());
    Ok(())
}
