//! The body of a delivery as a type of the user's.

use serde::de::DeserializeOwned;

/// A body that is not JSON, or not what the type says. It names the field.
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
        path: error.path().to_string(),
        problem: error.inner().to_string(),
    })?;
    let whole = json.end();
    whole.map_err(|error| PayloadError { path: ".".into(), problem: error.to_string() })?;
    Ok(payload)
}
