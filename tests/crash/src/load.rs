//! Partners that send all the time, and come again with what was not answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::client::{Client, id};
use crate::ledger::Ledger;

/// How long a partner waits before it comes again.
const PAUSE: Duration = Duration::from_millis(10);

/// A number of partners, each with one connection, until it is dropped or the receiver has gone.
pub struct Load {
    tasks: JoinSet<()>,
}

impl Load {
    /// What is not answered 200 is sent again, and so is one in four of what was.
    pub fn start(to: SocketAddr, partners: usize, ledger: &Arc<Ledger>) -> Self {
        let mut tasks = JoinSet::new();
        for _ in 0..partners {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                let Ok(mut client) = Client::connect(to).await else { return };
                loop {
                    let id = id();
                    let mut acks = if fastrand::u8(..4) == 0 { 2 } else { 1 };
                    while acks > 0 {
                        let Ok(answer) = client.send(&id).await else { return };
                        ledger.note(&id, answer).expect("the partner's own disk works");
                        if answer.is_ok() {
                            acks -= 1;
                        } else {
                            tokio::time::sleep(PAUSE).await;
                        }
                    }
                }
            });
        }
        Self { tasks }
    }

    /// How many partners have lost their connection.
    pub fn broken(&mut self) -> usize {
        std::iter::from_fn(|| self.tasks.try_join_next()).count()
    }

    /// Waits until every partner has lost its connection: what was answered is then written down.
    pub async fn ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
