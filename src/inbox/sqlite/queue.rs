//! What waits for its turn, and how much of it the next transaction takes.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::step::{Accepts, QUEUE_WAIT, Step, behind};

/// The longest transaction in steps, unless changed, and in KiB.
pub(super) const MAX_STEPS: usize = 512;
const MAX_KIB: u32 = 8 << 10;
/// How long an accept may wait in any case.
const SHORT_WAIT: Duration = Duration::from_millis(25);

/// The steps that wait.
///
/// A burst has an end, and an accept may wait for it. A queue that *stands*, one that always has more than
/// a transaction takes, makes each answer later and no accept more. So of that one only what came
/// during the last transaction is kept, which is enough for the next one.
pub(super) struct Queue {
    steps: Receiver<Step>,
    max_steps: usize,
    /// When steps were last taken.
    taken_at: Instant,
    stands: bool,
    /// Since when it does not look like what `stands` says.
    otherwise_since: Option<Instant>,
}

impl Queue {
    pub(super) fn new(steps: Receiver<Step>, max_steps: usize) -> Self {
        let taken_at = Instant::now();
        Self { steps, max_steps, taken_at, stands: false, otherwise_since: None }
    }

    /// Waits for a step, for so long at most, and takes what has queued up by then: there is no timer.
    /// `None` if nothing will ever come.
    pub(super) fn take(&mut self, wait: Duration) -> Option<Vec<Step>> {
        let accept_wait = self.taken_at.elapsed().max(SHORT_WAIT);
        let first = self.steps.try_recv().or_else(|_| {
            // Bursts with pauses in between don't become a queue that stands, however long each of them is.
            self.note(false);
            self.steps.recv_timeout(wait)
        });
        let first = match first {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        let (mut kib, mut left) = (0u32, false);
        let mut taken = Vec::new();
        for step in first.into_iter().chain(std::iter::from_fn(|| self.steps.try_recv().ok())) {
            if self.stands && step.accepts == Accepts::Yes && step.since.elapsed() > accept_wait {
                left = true;
                step.refuse(behind()).reply(Ok(()));
                continue;
            }
            kib = kib.saturating_add(step.kib());
            taken.push(step);
            if taken.len() >= self.max_steps || kib >= MAX_KIB {
                left = true;
                break;
            }
        }
        self.note(left);
        self.taken_at = Instant::now();
        Some(taken)
    }

    /// Whether it stands is what was so for a while.
    fn note(&mut self, left: bool) {
        if left == self.stands {
            self.otherwise_since = None;
        } else if self.otherwise_since.get_or_insert_with(Instant::now).elapsed() > QUEUE_WAIT {
            self.stands = left;
            self.otherwise_since = None;
        }
    }
}
