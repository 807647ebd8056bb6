//! Reading a body under its cap, its deadline and its budget.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use http_body_util::LengthLimitError;
use tokio::time::Sleep;

use super::Config;
use super::budget::{BodyBudget, Held, Share};
use crate::error::BoxError;
use crate::verify::Rejection;

/// How many frames of one body are taken before others run.
const FRAMES_AT_ONCE: usize = 64;

/// The body as far as it has arrived. One frame, the usual case, is not copied.
#[derive(Debug)]
pub(super) struct Received {
    first: Bytes,
    rest: BytesMut,
    held: Held,
}

impl Received {
    pub(super) fn new(budget: &BodyBudget) -> Self {
        Self { first: Bytes::new(), rest: BytesMut::new(), held: Held::new(budget) }
    }

    pub(super) fn poll<B>(
        &mut self,
        mut body: Pin<&mut B>,
        deadline: Pin<&mut Sleep>,
        config: &Config,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Bytes, Share), Rejection>>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        // Most bodies are there at once, and never start the timer.
        let late = |()| Err(Rejection::BodyTimeout { deadline: config.body_deadline });
        for _ in 0..FRAMES_AT_ONCE {
            let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else {
                return match self.held.wait(cx.waker()) {
                    Ok(()) => deadline.poll(cx).map(late),
                    Err(rejection) => Poll::Ready(Err(rejection)),
                };
            };
            match frame {
                None => return Poll::Ready(self.take()),
                Some(Ok(frame)) => {
                    // Trailers are not signed, so they are dropped.
                    let Ok(data) = frame.into_data() else { continue };
                    if let Err(rejection) = self.push(data, config.max_body) {
                        return Poll::Ready(Err(rejection));
                    }
                }
                Some(Err(error)) => {
                    // An outer layer may have a cap of its own.
                    return Poll::Ready(Err(match is_length_limit(&*error.into()) {
                        true => Rejection::TooLarge { max: config.max_body },
                        false => Rejection::BodyAborted,
                    }));
                }
            }
        }
        // A body that always has a frame, if an empty one, lets others run, and has its deadline.
        cx.waker().wake_by_ref();
        deadline.poll(cx).map(late)
    }

    fn push(&mut self, mut data: impl Buf, max: usize) -> Result<(), Rejection> {
        let held = self.held.bytes();
        if data.remaining() > max.saturating_sub(held) {
            return Err(Rejection::TooLarge { max });
        }
        self.held.add(data.remaining())?;
        if held == 0 {
            self.first = data.copy_to_bytes(data.remaining());
        } else {
            // It is a slice of what was read from the network.
            let first = std::mem::take(&mut self.first);
            self.rest.extend_from_slice(&first);
            self.rest.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        }
        Ok(())
    }

    /// The whole body, and its share of the budget.
    fn take(&mut self) -> Result<(Bytes, Share), Rejection> {
        let share = self.held.complete()?;
        let body = match self.rest.is_empty() {
            true => std::mem::take(&mut self.first),
            false => std::mem::take(&mut self.rest).freeze(),
        };
        Ok((body, share))
    }
}

/// Whether a cap of somebody else's was reached; servers wrap such errors.
fn is_length_limit(error: &(dyn Error + 'static)) -> bool {
    error.is::<LengthLimitError>() || error.source().is_some_and(is_length_limit)
}
