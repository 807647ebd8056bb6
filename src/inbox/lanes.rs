use std::collections::HashMap;

use super::LeaseOptions;

/// How many deliveries of each source may be leased: as many as there are, unless it says less.
#[derive(Debug, Clone, Default)]
pub struct SourceRoom {
    /// Of a source that is not named.
    each: Option<usize>,
    named: HashMap<String, usize>,
}

impl SourceRoom {
    /// So many of each source that is not named.
    pub fn set_each(&mut self, room: usize) {
        self.each = Some(room);
    }

    /// So many of this source.
    pub fn set(&mut self, source: impl Into<String>, room: usize) {
        self.named.insert(source.into(), room);
    }

    /// How many of this source may be leased.
    pub fn of(&self, source: &str) -> usize {
        self.named.get(source).copied().or(self.each).unwrap_or(usize::MAX)
    }

    /// Whether a source is named, or none is, that may have nothing.
    #[cfg(feature = "worker")]
    pub(crate) fn is_closed(&self) -> bool {
        self.each == Some(0) || self.named.values().any(|room| *room == 0)
    }

    /// Whether any source is limited.
    pub fn is_limited(&self) -> bool {
        self.each.is_some() || !self.named.is_empty()
    }
}

/// What may be leased, with the names of the sources: deliveries that were never tried, and those
/// that were.
pub(super) struct Lanes<F, R> {
    pub(super) first: F,
    pub(super) retries: R,
}

impl<F, R> Lanes<F, R> {
    /// Takes from both in turn, for as long as both have something, within what the options allow.
    pub(super) fn take<T, S>(mut self, options: &LeaseOptions, mut retry_next: bool) -> Vec<T>
    where
        F: Iterator<Item = (S, T)>,
        R: Iterator<Item = (S, T)>,
        S: AsRef<str>,
    {
        let mut room = Room { left: HashMap::new(), sources: &options.sources };
        let mut retries_left = options.max_retries;
        let mut taken = Vec::new();
        while taken.len() < options.max {
            let mut retry = |room: &mut Room<'_>| {
                retries_left = retries_left.checked_sub(1)?;
                room.next(&mut self.retries)
            };
            let next = match retry_next {
                true => retry(&mut room).or_else(|| room.next(&mut self.first)),
                false => room.next(&mut self.first).or_else(|| retry(&mut room)),
            };
            let Some(next) = next else { break };
            taken.push(next);
            retry_next = !retry_next;
        }
        taken
    }
}

/// What the sources still may have.
struct Room<'o> {
    left: HashMap<String, usize>,
    sources: &'o SourceRoom,
}

impl Room<'_> {
    /// The next one whose source has room.
    fn next<T, S: AsRef<str>>(&mut self, queue: &mut impl Iterator<Item = (S, T)>) -> Option<T> {
        queue.find(|(source, _)| self.take(source.as_ref())).map(|(_, found)| found)
    }

    /// Whether there was room for one more.
    fn take(&mut self, source: &str) -> bool {
        if !self.sources.is_limited() {
            return true;
        }
        let all = self.sources.of(source);
        let left = self.left.entry(source.to_owned()).or_insert(all);
        let taken = *left > 0;
        *left = left.saturating_sub(1);
        taken
    }
}
