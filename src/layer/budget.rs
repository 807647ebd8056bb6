use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::verify::Rejection;

/// How many bytes of bodies may be in memory: those that are arriving, and those whose request is
/// not answered yet. They count as they arrive; nothing is reserved on a sender's word.
#[derive(Debug, Clone)]
pub struct BodyBudget {
    pub(super) shared: Arc<Budget>,
}

impl BodyBudget {
    /// A budget of this many bytes.
    pub fn new(max: usize) -> Self {
        Self { shared: Arc::new(Budget { max, used: AtomicUsize::new(0) }) }
    }

    /// How many bytes are in memory now.
    pub fn used(&self) -> usize {
        self.shared.used.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(super) struct Budget {
    max: usize,
    used: AtomicUsize,
}

/// The share of the budget that one request uses; given back when the request is answered or
/// dropped.
#[derive(Debug)]
pub(super) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Held {
    pub(super) fn new(budget: &BodyBudget) -> Self {
        Self { budget: budget.shared.clone(), bytes: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, bytes: usize) -> Result<(), Rejection> {
        let max = self.budget.max;
        let fits = |used: usize| used.checked_add(bytes).filter(|used| *used <= max);
        let added = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        added.map_err(|_| Rejection::Overloaded { max })?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
