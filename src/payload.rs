//! The body of a delivery as a type of the user's.

use serde::de::DeserializeOwned;

/// How many characters of a text that may quote the body are kept: it goes to the log, to the partner and to the
/// dead letters.
const MAX_QUOTED: usize = 200;

/// A body that is not JSON, or not what the type says. It names the field. Both texts may quote what is there,
/// of which some 200 characters are kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload does not deserialize at `{path}`: {problem}")]
#[non_exhaustive]
pub struct PayloadError {
    /// Where it went wrong, such as `repository.owner.id`; `.` for the whole payload.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

pub(crate) fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, PayloadError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let payload = serde_path_to_error::deserialize(&mut json).map_err(|error| PayloadError {
        path: cut(error.path().to_string()),
        problem: cut(error.inner().to_string()),
    })?;
    let whole = json.end();
    whole.map_err(|error| PayloadError { path: ".".into(), problem: error.to_string() })?;
    Ok(payload)
}

/// A long text without its middle: its end says what was expected, and where.
fn cut(text: String) -> String {
    let count = text.chars().count();
    if count <= MAX_QUOTED {
        return text;
    }
    let half = MAX_QUOTED / 2;
    let first: String = text.chars().take(half).collect();
    let last: String = text.chars().skip(count.saturating_sub(half)).collect();
    format!("{first}…{last}")
}
