//! The promise itself, kept account of apart from the model: what was accepted is in the ledger until
//! it is settled, nothing is accepted twice inside its window, fences never fall, attempts are counted
//! before they run.

use std::collections::BTreeMap;

use inhook::inbox::{Entry, Job, State};

use super::op::Name;

#[derive(Debug, Default)]
pub(crate) struct Promise {
    accepted: BTreeMap<Name, Accepted>,
    fences: BTreeMap<Name, u64>,
}

#[derive(Debug)]
struct Accepted {
    /// Not before this: accepted, or revived.
    started_at: i64,
    /// Once it is settled: the latest that the wall clock showed since.
    settled: Option<i64>,
    /// Attempts that were begun, without those that were given back.
    attempts: u32,
}

impl Promise {
    /// `window` is how long it has to be remembered.
    pub(crate) fn accept(&mut self, name: Name, now: i64, window: i64) -> Result<(), String> {
        let accepted = Accepted { started_at: now, settled: None, attempts: 0 };
        match self.accepted.insert(name, accepted) {
            None => Ok(()),
            Some(Accepted { started_at, settled: Some(seen), .. })
                if seen >= started_at + window =>
            {
                Ok(())
            }
            Some(before) => Err(format!("accepted twice inside its window: {before:?}")),
        }
    }

    pub(crate) fn revive(&mut self, name: Name, now: i64) {
        if let Some(accepted) = self.accepted.get_mut(&name) {
            accepted.started_at = now;
        }
    }

    pub(crate) fn begin(&mut self, name: Name, job: &Job) -> Result<(), String> {
        let (fence, last) = (job.lease().fence(), self.fences.entry(name).or_default());
        if fence <= *last {
            return Err(format!("the fence fell from {last} to {fence}"));
        }
        *last = fence;
        let accepted = self.accepted.get_mut(&name).ok_or("a job of what was never accepted")?;
        accepted.attempts += 1;
        Ok(())
    }

    pub(crate) fn give_back(&mut self, name: Name) {
        if let Some(accepted) = self.accepted.get_mut(&name) {
            accepted.attempts -= 1;
        }
    }

    /// Handled, skipped or discarded.
    pub(crate) fn settle(&mut self, name: Name, now: i64) {
        if let Some(accepted) = self.accepted.get_mut(&name) {
            accepted.settled.get_or_insert(now);
        }
    }

    pub(crate) fn replay(&mut self, name: Name) {
        if let Some(accepted) = self.accepted.get_mut(&name) {
            accepted.settled = None;
        }
    }

    pub(crate) fn passed(&mut self, now: i64) {
        for seen in self.accepted.values_mut().filter_map(|accepted| accepted.settled.as_mut()) {
            *seen = now.max(*seen);
        }
    }

    /// Whether the whole ledger keeps it.
    pub(crate) fn check(&self, listed: &BTreeMap<Name, Entry>) -> Result<(), String> {
        for (name, accepted) in
            self.accepted.iter().filter(|(_, accepted)| accepted.settled.is_none())
        {
            let Some(entry) = listed.get(name) else {
                return Err(format!("{name:?} was accepted, is not settled, and is lost"));
            };
            if !matches!(entry.state, State::Pending | State::Leased | State::Dead) {
                return Err(format!("{name:?} was never settled, and is {:?}", entry.state));
            }
            if entry.total_attempts != accepted.attempts {
                let (begun, counted) = (accepted.attempts, entry.total_attempts);
                return Err(format!(
                    "{name:?}: {begun} attempts were begun, {counted} are counted"
                ));
            }
        }
        Ok(())
    }
}
