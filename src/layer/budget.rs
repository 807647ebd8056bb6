use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::verify::Rejection;

/// How long each body may take to arrive, whoever else wants room.
const GRACE: Duration = Duration::from_secs(1);

/// How many bytes of bodies may be in memory: those that are arriving, and those whose request is not answered yet,
/// or whose handler goes on behind a `DedupLayer` though its client hung up. They count as they arrive; nothing is
/// reserved on a sender's word.
///
/// While it is full, a body that has been arriving for more than a second gives way to a new one, the oldest
/// first: it is answered 503. Else anybody could fill it with bodies that never end, which nobody has verified.
#[derive(Debug, Clone)]
pub struct BodyBudget {
    pub(super) shared: Arc<Budget>,
}

impl BodyBudget {
    /// A budget of this many bytes.
    pub fn new(max: usize) -> Self {
        Self { shared: Arc::new(Budget { max, state: Mutex::default() }) }
    }

    /// How many bytes are in memory now.
    pub fn used(&self) -> usize {
        self.shared.state().used
    }
}

#[derive(Debug)]
pub(super) struct Budget {
    max: usize,
    state: Mutex<State>,
}

impl Budget {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// What waits for more of its body, the oldest first.
    arriving: BTreeMap<u64, Arriving>,
    next: u64,
}

#[derive(Debug)]
struct Arriving {
    since: Instant,
    bytes: usize,
    waker: Waker,
}

impl State {
    /// Takes the room of the oldest bodies that have had their time; of none if that is not enough.
    fn evict(&mut self, wanted: usize) -> Vec<Waker> {
        let (mut freed, mut evicted) = (0usize, Vec::new());
        for (number, Arriving { since, bytes, .. }) in &self.arriving {
            if freed >= wanted || since.elapsed() < GRACE {
                break;
            }
            freed = freed.saturating_add(*bytes);
            evicted.push(*number);
        }
        if freed < wanted {
            return Vec::new();
        }
        self.used = self.used.saturating_sub(freed);
        let gone = evicted.into_iter().filter_map(|number| self.arriving.remove(&number));
        gone.map(|arriving| arriving.waker).collect()
    }
}

/// What one body uses of the budget; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
    /// Its number among those that wait for more, once it did.
    number: Option<u64>,
}

impl Held {
    pub(super) fn new(budget: &BodyBudget) -> Self {
        Self { budget: budget.shared.clone(), bytes: 0, number: None }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// So much more of the body is there.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), Rejection> {
        let max = self.budget.max;
        let mut state = self.budget.state();
        let wanted = state.used.saturating_add(bytes).saturating_sub(max);
        let evicted = if wanted > 0 { state.evict(wanted) } else { Vec::new() };
        // The oldest may have been this one.
        let is_evicted = self.number.is_some_and(|number| !state.arriving.contains_key(&number));
        let fits = !is_evicted && state.used.saturating_add(bytes) <= max;
        if fits {
            state.used = state.used.saturating_add(bytes);
            let number = self.number.as_ref();
            if let Some(arriving) = number.and_then(|number| state.arriving.get_mut(number)) {
                arriving.bytes = arriving.bytes.saturating_add(bytes);
            }
            self.bytes = self.bytes.saturating_add(bytes);
        }
        drop(state);
        if !evicted.is_empty() {
            let bodies = evicted.len();
            tracing::warn!(bodies, "the budget is full: what arrived for too long gave way");
        }
        evicted.into_iter().for_each(Waker::wake);
        if fits { Ok(()) } else { Err(Rejection::Overloaded { max }) }
    }

    /// There is nothing more of it for now.
    pub(super) fn wait(&mut self, waker: &Waker) -> Result<(), Rejection> {
        // It is in nobody's way.
        if self.bytes == 0 {
            return Ok(());
        }
        // What a waker does when it is cloned or dropped is not done under the lock.
        let waker = waker.clone();
        let mut state = self.budget.state();
        match self.number {
            Some(number) => {
                let arriving = state.arriving.get_mut(&number).ok_or_else(|| self.evicted())?;
                let old = std::mem::replace(&mut arriving.waker, waker);
                drop(state);
                drop(old);
            }
            None => {
                let bytes = self.bytes;
                let (since, number) = (Instant::now(), state.next);
                state.next = number.wrapping_add(1);
                state.arriving.insert(number, Arriving { since, bytes, waker });
                self.number = Some(number);
            }
        }
        Ok(())
    }

    /// It is all there: from here on nobody takes its room, which is given back when no share is left.
    pub(super) fn complete(&mut self) -> Result<Share, Rejection> {
        if let Some(number) = self.number.take() {
            let arriving = self.budget.state().arriving.remove(&number);
            if arriving.is_none() {
                self.bytes = 0;
                return Err(self.evicted());
            }
        }
        let bytes = std::mem::take(&mut self.bytes);
        Ok(Share { _held: Arc::new(Self { budget: self.budget.clone(), bytes, number: None }) })
    }

    fn evicted(&self) -> Rejection {
        Rejection::Overloaded { max: self.budget.max }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut state = self.budget.state();
        let arriving = self.number.map(|number| state.arriving.remove(&number));
        let is_evicted = matches!(arriving, Some(None));
        if !is_evicted {
            state.used = state.used.saturating_sub(self.bytes);
        }
        // Its waker as well is dropped behind the lock.
        drop(state);
        drop(arriving);
    }
}

/// That of a whole body, for all who need it in memory.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    _held: Arc<Held>,
}
