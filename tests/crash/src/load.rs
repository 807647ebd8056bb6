//! Partners that send all the time, and come again with what was not answered.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::client::{Client, id};
use crate::ledger::Ledger;

/// A number of partners, each with one connection, until it is dropped or the receiver has gone.
pub struct Load {
    tasks: JoinSet<()>,
}

impl Load {
    /// One in four requests is followed by a copy of it.
    pub fn start(to: SocketAddr, partners: usize, ledger: &Arc<Ledger>) -> Self {
        let mut tasks = JoinSet::new();
        for _ in 0..partners {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                let Ok(mut client) = Client::connect(to).await else { return };
                loop {
                    let id = id();
                    for _ in 0..if fastrand::u8(..4) == 0 { 2 } else { 1 } {
                        let Ok(answer) = client.send(&id).await else { return };
                        ledger.note(&id, answer).expect("the partner's own disk works");
                    }
                }
            });
        }
        Self { tasks }
    }

    /// Waits until every partner has lost its connection: what was answered is then written down.
    pub async fn ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
