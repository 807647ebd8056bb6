//! Durations as a person writes them: `300s`, `72h`, `1m 30s`.

use std::time::Duration;

use jiff::SignedDuration;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    let text = match (value.subsec_nanos(), value.as_secs()) {
        (0, seconds) if seconds > 0 && seconds.is_multiple_of(3600) => {
            format!("{}h", seconds / 3600)
        }
        (0, seconds) => format!("{seconds}s"),
        _ => format!("{}ms", value.as_millis()),
    };
    to.serialize_str(&text)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let parsed = text.parse::<SignedDuration>().ok().and_then(|value| value.try_into().ok());
    parsed.ok_or_else(|| {
        Error::custom(format!("`{text}` is not a duration such as \"300s\", \"1m 30s\" or \"72h\""))
    })
}
