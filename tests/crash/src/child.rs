//! A receiver's process, seen from outside.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use inhook::BoxError;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::faults::Fault;
use crate::receiver::{Said, Spec};

/// How long anything that must happen may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running receiver, killed when this is dropped.
pub struct Receiver {
    child: Child,
    stdin: ChildStdin,
    said: Arc<Mutex<Vec<Said>>>,
    count: watch::Receiver<usize>,
    /// How many faults were told to it.
    faults: usize,
    reader: JoinHandle<()>,
}

impl Receiver {
    /// Starts it, and waits until it accepts or works.
    pub async fn start(spec: &Spec) -> Result<Self, BoxError> {
        let stderr = match &spec.log {
            Some(log) => OpenOptions::new().create(true).append(true).open(log)?.into(),
            None => Stdio::inherit(),
        };
        let mut child = Command::new(std::env::current_exe()?)
            .args(["receiver", &serde_json::to_string(spec)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().ok_or("no stdin")?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (counter, count) = watch::channel(0);
        let heard = said.clone();
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                // The last line of a process that was killed may be half a line.
                let Ok(said) = serde_json::from_str(&line) else { break };
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(said);
                counter.send_modify(|count| *count += 1);
            }
        });
        let mut receiver = Self { child, stdin, said, count, faults: 0, reader };
        receiver.wait_for(|said| matches!(said, Said::Listening(_) | Said::Working)).await?;
        Ok(receiver)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let listening = |said: &Said| match said {
            Said::Listening(address) => Some(*address),
            _ => None,
        };
        self.said().iter().find_map(listening).expect("it accepts requests")
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it was not waited for")
    }

    /// All that it has said.
    pub fn said(&self) -> Vec<Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has said this.
    pub async fn wait_for(&mut self, what: impl Fn(&Said) -> bool) -> Result<(), BoxError> {
        self.wait_for_more(0, what).await
    }

    /// Waits until it has said this after it had said so much.
    pub async fn wait_for_more(
        &mut self,
        said: usize,
        what: impl Fn(&Said) -> bool,
    ) -> Result<(), BoxError> {
        let mut count = self.count.clone();
        let heard = count.wait_for(|_| self.said().iter().skip(said).any(&what));
        match tokio::time::timeout(PATIENCE, heard).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(format!("it ended: {:?}", self.child.wait().await?).into()),
            Err(_) => {
                let (said, faults) = (self.said(), self.faults);
                let last = said.last();
                Err(format!(
                    "it never said what was waited for: {faults} faults, {} lines, {last:?}",
                    said.len()
                )
                .into())
            }
        }
    }

    /// Changes what goes wrong, from now on.
    pub async fn set(&mut self, fault: Fault) -> Result<(), BoxError> {
        let line = format!("{}\n", serde_json::to_string(&fault)?);
        self.stdin.write_all(line.as_bytes()).await?;
        self.faults += 1;
        let set = Said::Set(self.faults);
        self.wait_for(|said| *said == set).await
    }

    /// SIGKILL; returns all that it said.
    pub async fn kill(mut self) -> Result<Vec<Said>, BoxError> {
        self.child.kill().await?;
        (&mut self.reader).await?;
        Ok(self.said())
    }

    /// Waits until it ends by itself, as after abort().
    pub async fn ended(mut self) -> Result<Vec<Said>, BoxError> {
        tokio::time::timeout(PATIENCE, self.child.wait()).await??;
        (&mut self.reader).await?;
        Ok(self.said())
    }
}
