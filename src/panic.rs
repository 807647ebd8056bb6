//! A panic of the user's code ends what it was doing, and nothing else.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// What the future returns, or the message of its panic.
    #[derive(Debug)]
    pub(crate) struct CatchPanic<F> {
        #[pin]
        pub(crate) future: F,
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, String>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        // The future is dropped after a panic, never polled again.
        std::panic::catch_unwind(AssertUnwindSafe(|| future.poll(cx)))
            .map(|poll| poll.map(Ok))
            .unwrap_or_else(|panic| Poll::Ready(Err(message(&*panic))))
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    message.unwrap_or("no message").to_owned()
}
