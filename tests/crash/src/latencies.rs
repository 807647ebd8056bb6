//! How long things took.

use std::fmt;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn push(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that this share of them did not exceed: 0.99 for the 99th percentile.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let position = (sorted.len() as f64 * share) as usize;
        sorted.get(position.min(last)).copied().unwrap_or_default()
    }

    pub fn max(&self) -> Duration {
        self.quantile(1.0)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p95, p99, max] =
            [0.5, 0.95, 0.99, 1.0].map(|share| self.quantile(share).as_secs_f64() * 1e3);
        write!(f, "p50 {p50:.1}, p95 {p95:.1}, p99 {p99:.1}, max {max:.1} ms")
    }
}
