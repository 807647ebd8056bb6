//! What is asked of a server.

use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, RedisError, Script, ScriptInvocation};

/// What a key holds whose delivery was handled. Before, it holds a token.
pub(super) const COMMITTED: &str = "committed";

/// For older servers: the same as `SET key token NX PX lease GET`.
static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('GET', KEYS[1])
         if not held then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
         return held",
    )
});

/// A claim that lapsed and was not taken over is committed all the same: the work is done.
const COMMIT_SOURCE: &str = "local held = redis.call('GET', KEYS[1])
     if held and held ~= ARGV[1] and held ~= ARGV[2] then return 0 end
     redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
     return 1";

static COMMIT: LazyLock<Script> = LazyLock::new(|| Script::new(COMMIT_SOURCE));

/// On servers that know the flag: what was claimed has room to be committed, however full the server is.
static COMMIT_WHEN_FULL: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("#!lua flags=allow-oom\n{COMMIT_SOURCE}")));

static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
         return redis.call('DEL', KEYS[1])",
    )
});

pub(super) enum Ask {
    Command(Cmd),
    /// By its hash; where the server does not know it, it is loaded first.
    Script(ScriptInvocation<'static>),
}

impl Ask {
    pub(super) async fn send<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<T, RedisError> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Script(script) => script.invoke_async(connection).await,
        }
    }
}

/// Answered with what the key held; the lease is in milliseconds.
pub(super) fn claim(sets_and_gets: bool, key: &str, token: &str, lease: u64) -> Ask {
    if sets_and_gets {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(token).arg("NX").arg("PX").arg(lease).arg("GET");
        Ask::Command(set)
    } else {
        let mut claim = CLAIM.key(key);
        claim.arg(token).arg(lease);
        Ask::Script(claim)
    }
}

/// Answered with whether nobody else has the key; the window is in milliseconds.
pub(super) fn commit(has_flags: bool, key: &str, token: &str, ttl: u64) -> Ask {
    let script = if has_flags { &COMMIT_WHEN_FULL } else { &COMMIT };
    let mut commit = script.key(key);
    commit.arg(token).arg(COMMITTED).arg(ttl);
    Ask::Script(commit)
}

/// Answered with whether the key held the token, and does no more.
pub(super) fn release(key: &str, token: &str) -> Ask {
    let mut release = RELEASE.key(key);
    release.arg(token);
    Ask::Script(release)
}
