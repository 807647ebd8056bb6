//! What a server can do.

use redis::InfoDict;

/// The first version that can set a key unless it exists, and say what it held, in one command; and
/// whose scripts have flags.
const MODERN: u32 = 7;

/// What INFO says.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) is_modern: bool,
    policy: Option<String>,
}

impl Server {
    /// One that does not say what it is.
    pub(super) const UNKNOWN: Server = Server { is_modern: false, policy: None };

    pub(super) fn read(info: &InfoDict) -> Self {
        let version: Option<String> = info.get("redis_version");
        let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        Self {
            is_modern: major.is_some_and(|major| major >= MODERN),
            policy: info.get("maxmemory_policy"),
        }
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
