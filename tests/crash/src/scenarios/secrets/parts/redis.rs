//! [`RedisDedup`], whose address has the secret as its password, on servers that take it, refuse it, don't
//! know what to do with it, or are not there.

use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use inhook::{BoxError, RedisDedup};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::super::requests::{requests, signed};
use super::super::spellings::percent;
use super::guard::guard;
use super::{show, show_error};
use crate::child::PATIENCE;
use crate::receiver::SECRET;

pub const TOLD: &[&str] = &[
    "source=\"redis\" status=401",
    "Redis can't be used yet",
    "Redis refuses the user, the password",
    "the address of Redis is wrong",
    "an address of Redis with TLS",
    "a connection to Redis is given up",
    "the server does not say whether it evicts keys",
    "unknown command",
];

pub async fn run() -> Result<(), BoxError> {
    wrong_addresses().await;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let at = format!("127.0.0.1:{port}");
    let right = format!("redis://:{}@{at}/", percent(SECRET));
    // Not there yet, there, gone, and there again with another password.
    let dedup = Arc::new(RedisDedup::connect(&right).await?);
    show(&dedup);
    guard("redis", dedup.clone(), vec![signed("user.created")?]).await?;
    let server = Server::start(port, &["--requirepass", SECRET]).await?;
    guard("redis", dedup.clone(), requests()?).await?;
    show(&dedup);
    server.stop().await?;
    guard("redis", dedup.clone(), vec![signed("user.created")?]).await?;
    let server = Server::start(port, &["--requirepass", "another"]).await?;
    guard("redis", dedup.clone(), vec![signed("user.created")?]).await?;
    connect(&right).await?;
    for refused in ["user:{}@", "{}:x@", "{}@"] {
        let user = refused.replace("{}", &percent(SECRET));
        connect(&format!("redis://{user}{at}/")).await?;
    }
    server.stop().await?;
    let server = Server::start(port, &["--requirepass", SECRET]).await?;
    connect(&format!("{right}99")).await?;
    connect(&format!("{right}?protocol=resp3")).await?;
    server.stop().await?;
    // Servers that don't know a command repeat what came with it, the password included.
    for unknown in ["AUTH", "HELLO", "INFO", "SET", "EVALSHA"] {
        let password = ["--requirepass", SECRET];
        let options = [&["--rename-command", unknown, ""], &password[..]].concat();
        let server = Server::start(port, &options).await?;
        connect(&right).await?;
        connect(&format!("{right}?protocol=resp3")).await?;
        server.stop().await?;
    }
    Ok(())
}

/// Connects, and has a request deduplicated; with any server, and with one that is asked nothing.
async fn connect(url: &str) -> Result<(), BoxError> {
    for options in [RedisDedup::options(), RedisDedup::options().allow_eviction()] {
        show(&options);
        match options.connect(url).await {
            Ok(dedup) => guard("redis", Arc::new(dedup), vec![signed("user.created")?]).await?,
            Err(error) => show_error(&*error),
        }
    }
    Ok(())
}

async fn wrong_addresses() {
    let password = percent(SECRET);
    for url in [
        // It is not encoded, so its slash ends the name of the host.
        format!("redis://:{SECRET}@localhost/"),
        format!("redis://{SECRET}"),
        format!("rediss://:{password}@localhost/"),
        format!("http://:{password}@localhost/"),
        format!("redis://:{password}@:x/"),
        format!("redis://:{password}@localhost/database"),
        format!("redis://:{password}@localhost/?protocol={password}"),
        format!("redis+unix:///nowhere?pass={password}&db={password}"),
        format!("redis+unix:///nowhere?pass={password}"),
        format!("redis://:{password}@does-not-exist.invalid/"),
        password,
    ] {
        match RedisDedup::connect(&url).await {
            Ok(dedup) => show(&dedup),
            Err(error) => show_error(&*error),
        }
    }
}

/// A `redis-server` on this machine, killed when it is dropped at the latest.
struct Server {
    process: Child,
    _directory: tempfile::TempDir,
}

impl Server {
    async fn start(port: u16, options: &[&str]) -> Result<Self, BoxError> {
        let directory = tempfile::tempdir()?;
        let mut process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .arg("--dir")
            .arg(directory.path())
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let answers = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                if let Some(ended) = process.try_wait()? {
                    return Err(BoxError::from(format!("redis-server: {ended}")));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, answers).await??;
        Ok(Self { process, _directory: directory })
    }

    /// Kills it, and waits until its port is free.
    async fn stop(mut self) -> Result<(), BoxError> {
        Ok(self.process.kill().await?)
    }
}
