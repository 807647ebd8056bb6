//! Attacks on receivers of webhooks: on yours, and on this crate's own.
//!
//! [`Attack`] is for your tests and your fuzz targets. It signs requests as the partner does, makes
//! something of them that nobody may believe, and reports what your [`Receiver`] got wrong as a
//! [`Finding`]. What it asserts is what [`Oracle`] lists.
//!
//! For its own parsers the crate has targets in `fuzz/`, which call into this module as well.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

mod attack;
mod choices;
#[doc(hidden)]
pub mod constant_time;
mod finding;
mod oracle;
mod random;
mod receiver;
mod shell;
#[doc(hidden)]
pub mod targets;

pub use attack::Attack;
pub use finding::Finding;
pub use oracle::Oracle;
pub use receiver::{Receiver, Verdict};

/// A text as it is in a form or in a query.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Puts a value where a pointer points, in new objects where there are none.
fn set_json(json: &mut Value, pointer: &str, new: Value) {
    let mut value = json;
    for token in pointer.split('/').skip(1) {
        let index = token.parse().ok().filter(|at: &usize| value.get(at).is_some());
        if let Some(index) = index {
            value = &mut value[index];
            continue;
        }
        if !value.is_object() {
            *value = Value::Object(serde_json::Map::new());
        }
        value = &mut value[token.replace("~1", "/").replace("~0", "~")];
    }
    *value = new;
}
