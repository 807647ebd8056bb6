//! A receiver without a worker in this very process, where its journal can be read.

use std::net::SocketAddr;
use std::sync::Arc;

use inhook::BoxError;
use inhook::inbox::{Inbox, Ledger};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::naive::Naive;
use crate::receiver::app;

/// It serves until it is dropped.
pub struct Here {
    pub address: SocketAddr,
    server: JoinHandle<()>,
}

impl Here {
    pub async fn serve<I>(inbox: Arc<I>, naive: Option<Naive>) -> Result<Self, BoxError>
    where
        I: Inbox + Ledger,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = inhook::serve(listener, app(inbox, naive)?);
        let server = tokio::spawn(async move {
            server.run(std::future::pending()).await.expect("the listener works");
        });
        Ok(Self { address, server })
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.server.abort();
    }
}
