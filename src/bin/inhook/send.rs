//! `inhook send`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::value_parser;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::redirect::Policy;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Failed;
use crate::output::{say, without_password};
use crate::sender::{Sender, new_id};

/// How much of an answer is read, and how much of it is shown.
const MAX_ANSWER: usize = 4 * 1024;
const SHOWN: usize = 200;

/// Signs requests and sends them, and says how they were answered.
///
/// Ends with 0 if every answer was 2xx, 1 if not, and 2 if the usage or the configuration is wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Send {
    /// Where to. It is also what is signed, if the partner signs a URL and `--url` gives no other.
    to: String,
    #[command(flatten)]
    sender: Sender,
    /// How many messages, each with an id of its own unless `--id` gives one.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    repeat: u32,
    /// How many requests at a time.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u16).range(1..=1000))]
    concurrency: u16,
    /// How many times each is sent again, as it was.
    #[arg(long, default_value_t = 0)]
    duplicates: u32,
    /// How long to wait for an answer, instead of as long as the partner does.
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
}

/// How requests were answered.
#[derive(Default)]
struct Summary {
    answers: BTreeMap<String, usize>,
    latencies: Vec<Duration>,
    bodies: Vec<String>,
}

impl Send {
    pub(crate) fn run(&self) -> Result<ExitCode, Failed> {
        // A second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.send())
    }

    async fn send(&self) -> Result<ExitCode, Failed> {
        let signed_url = self.sender.url().unwrap_or(&self.to);
        let prepared = self.sender.prepare(Some(signed_url))?;
        let to = self.to.parse::<reqwest::Url>();
        to.map_err(|error| format!("`{:.200}`: {error}", without_password(&self.to)))?;
        let client = reqwest::Client::builder()
            .timeout(self.timeout.map_or(prepared.deadline(), Duration::from_secs))
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        let copies = self.duplicates.saturating_add(1);
        let total = u64::from(self.repeat).saturating_mul(copies.into());
        let bar = ProgressBar::new(total)
            .with_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} {elapsed_precise}")?);
        let slots = Arc::new(Semaphore::new(self.concurrency.into()));
        let (mut tasks, mut summary, started) =
            (JoinSet::new(), Summary::default(), Instant::now());
        for n in 0..self.repeat {
            // It is signed when its turn comes, so that its time is fresh.
            let mut slot = Some(slots.clone().acquire_owned().await?);
            let request = prepared.request(&new_id(n), self.repeat > 1)?;
            if n == 0 {
                prepared.check(&self.to, &request);
            }
            let to = prepared.destination(&self.to, &request);
            let request = prepared.tampered(request);
            let post = client
                .post(to)
                .headers(request.headers().clone())
                .body::<Bytes>(request.into_body());
            for _ in 0..copies {
                let slot = match slot.take() {
                    Some(slot) => slot,
                    None => slots.clone().acquire_owned().await?,
                };
                let post = post.try_clone().ok_or("a body that can't be sent twice")?;
                tasks.spawn(async move {
                    let _slot = slot;
                    one(post).await
                });
            }
            while let Some(done) = tasks.try_join_next() {
                bar.inc(1);
                summary.add(done?);
            }
        }
        while let Some(done) = tasks.join_next().await {
            bar.inc(1);
            summary.add(done?);
        }
        bar.finish_and_clear();
        summary.print(started.elapsed())?;
        Ok(ExitCode::from(u8::from(!summary.all_accepted())))
    }
}

/// The answer to a request, as a line, and how long it took.
struct Answered {
    answer: String,
    body: String,
    /// Nothing that would be a latency, if there was no answer.
    took: Option<Duration>,
}

async fn one(post: reqwest::RequestBuilder) -> Answered {
    let started = Instant::now();
    let answered = async {
        let mut response = post.send().await?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await? {
            body.extend_from_slice(&piece);
            if body.len() > MAX_ANSWER {
                break;
            }
        }
        let body = String::from_utf8_lossy(&body).trim().chars().take(SHOWN).collect();
        Ok::<_, reqwest::Error>((status.to_string(), body, true))
    };
    let (answer, body, is_answer) = answered.await.unwrap_or_else(|error| {
        // The innermost cause says what it was; the others repeat the URL.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        (format!("no answer: {cause}"), String::new(), false)
    });
    Answered { answer, body, took: is_answer.then(|| started.elapsed()) }
}

impl Summary {
    fn add(&mut self, answered: Answered) {
        let count = self.answers.entry(answered.answer).or_default();
        *count = count.saturating_add(1);
        self.latencies.extend(answered.took);
        if !answered.body.is_empty()
            && !self.bodies.contains(&answered.body)
            && self.bodies.len() < 5
        {
            self.bodies.push(answered.body);
        }
    }

    fn all_accepted(&self) -> bool {
        self.answers.keys().all(|answer| answer.starts_with('2'))
    }

    fn print(&mut self, elapsed: Duration) -> Result<(), Failed> {
        for (answer, count) in &self.answers {
            say(format_args!("{count:>7} x {answer}"))?;
        }
        for body in &self.bodies {
            say(format_args!("          {body}"))?;
        }
        self.latencies.sort();
        let elapsed = elapsed.as_secs_f64();
        if self.latencies.is_empty() {
            return say(format_args!("no latency: there was no answer; {elapsed:.2} s in all"));
        }
        let at = |percent: usize| {
            let last = self.latencies.len().saturating_sub(1);
            let at = last.saturating_mul(percent).div_ceil(100);
            self.latencies.get(at).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
        };
        say(format_args!(
            "latency: p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, max {:.1} ms; {elapsed:.2} s in all",
            at(50),
            at(95),
            at(99),
            at(100)
        ))
    }
}
