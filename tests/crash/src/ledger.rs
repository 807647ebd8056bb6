//! What the partner knows: which ids were answered 200, on a disk before anything else is done.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use inhook::BoxError;

use crate::child::PATIENCE;
use crate::client::Answer;

/// The acknowledged ids, in a file that is synced at each.
pub struct Ledger {
    state: Mutex<State>,
}

struct State {
    file: File,
    acked: HashSet<String>,
    /// How often an id was accepted as new.
    new: HashMap<String, u32>,
    /// How often something else was answered.
    refused: HashMap<StatusCode, usize>,
}

impl Ledger {
    pub fn create(path: &Path) -> std::io::Result<Self> {
        let state = State {
            file: File::create(path)?,
            acked: HashSet::new(),
            new: HashMap::new(),
            refused: HashMap::new(),
        };
        Ok(Self { state: Mutex::new(state) })
    }

    /// Writes down an answer.
    pub fn note(&self, id: &str, answer: Answer) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !answer.is_ok() {
            *state.refused.entry(answer.status).or_default() += 1;
            return Ok(());
        }
        if state.acked.insert(id.to_owned()) {
            writeln!(state.file, "{id}")?;
            state.file.sync_data()?;
        }
        if answer.new {
            *state.new.entry(id.to_owned()).or_default() += 1;
        }
        Ok(())
    }

    pub fn acked(&self) -> HashSet<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).acked.clone()
    }

    /// Waits for so many more answers, to the very moment.
    pub async fn answered(&self, more: usize) -> Result<(), BoxError> {
        let (enough, deadline) = (self.count() + more, Instant::now() + PATIENCE);
        while self.count() < enough {
            if Instant::now() > deadline {
                return Err("there is no load".into());
            }
            tokio::time::sleep(Duration::from_micros(fastrand::u64(100..2_000))).await;
        }
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).acked.len()
    }

    /// How often this was answered, which is not 200.
    pub fn refused(&self, with: StatusCode) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.refused.get(&with).copied().unwrap_or_default()
    }

    /// How often something was answered that is neither 200 nor 503.
    pub fn odd_answers(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let odd =
            state.refused.iter().filter(|(with, _)| **with != StatusCode::SERVICE_UNAVAILABLE);
        odd.map(|(_, times)| times).sum()
    }

    /// How many accepts there were of ids that had been accepted before.
    pub fn double_accepts(&self) -> u32 {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.new.values().map(|accepts| accepts - 1).sum()
    }
}
