//! What a server can do.

use redis::aio::MultiplexedConnection;
use redis::{InfoDict, RedisError};

use super::operations::{Ask, COMMITTED, commit, release};

/// The first version that can set a key unless it exists, and say what it held, in one command.
const SETS_AND_GETS: u32 = 7;
/// How long what is tried out is there, in milliseconds, where it can't be removed.
const TRY_OUT: u64 = 10_000;

/// What it says of itself, and what came of trying.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Whether one command claims a key.
    pub(super) sets_and_gets: bool,
    /// Whether a script may say that it runs when there is no room.
    pub(super) has_flags: bool,
    policy: Option<String>,
}

impl Server {
    pub(super) async fn ask(connection: &mut MultiplexedConnection) -> Result<Self, RedisError> {
        match Ask::Command(redis::cmd("INFO")).send(connection).await {
            Ok(info) => Ok(Self::read(&info)),
            // Some providers forbid it, or don't know it.
            Err(error) if matches!(error.code(), Some("NOPERM" | "ERR")) => {
                Ok(Self { sets_and_gets: false, has_flags: false, policy: None })
            }
            Err(error) => Err(error),
        }
    }

    fn read(info: &InfoDict) -> Self {
        let version: Option<String> = info.get("redis_version");
        let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        Self {
            sets_and_gets: major.is_some_and(|major| major >= SETS_AND_GETS),
            has_flags: false,
            policy: info.get("maxmemory_policy"),
        }
    }

    /// Records something, and removes it: where that can't be done nothing may be claimed, since it would be claimed
    /// again as soon as its lease is over.
    pub(super) async fn try_out(
        &mut self,
        connection: &mut MultiplexedConnection,
        key: &str,
    ) -> Result<(), RedisError> {
        let commit = |has_flags| commit(has_flags, key, "", TRY_OUT);
        match commit(true).send::<bool>(connection).await {
            Ok(_) => self.has_flags = true,
            Err(error) if error.code() == Some("ERR") || is_full(&error) => {
                match commit(false).send::<bool>(connection).await {
                    Err(error) if !is_full(&error) => return Err(error),
                    _ => {}
                }
            }
            Err(error) => return Err(error),
        }
        release(key, COMMITTED).send::<bool>(connection).await.map(drop)
    }

    /// Why it would forget inside the window.
    pub(super) fn problem(&self) -> Option<String> {
        match self.policy.as_deref() {
            Some("noeviction") => None,
            Some(policy) => Some(format!(
                "the server's maxmemory-policy is {policy}, so it may forget ids inside the window; set it to noeviction, or call `allow_eviction`"
            )),
            None => Some(
                "the server does not say whether it evicts keys; make sure that it does not, and call `allow_eviction`"
                    .into(),
            ),
        }
    }
}

/// `maxmemory` is reached, and nothing may be evicted; old servers say so inside another error.
pub(super) fn is_full(error: &RedisError) -> bool {
    error.code() == Some("OOM") || says(error, "OOM command not allowed")
}

pub(super) fn says(error: &RedisError, text: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(text))
}
