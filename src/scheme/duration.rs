//! Durations as a person writes them: `300s`, `72h`, `1m 30s`.

use std::time::Duration;

use jiff::fmt::friendly::{SpanParser, SpanPrinter};
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    let text = match (value.as_secs(), value.subsec_nanos()) {
        (seconds @ 1.., 0) if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        (seconds, 0) => format!("{seconds}s"),
        _ => SpanPrinter::new().unsigned_duration_to_string(value),
    };
    to.serialize_str(&text)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    SpanParser::new()
        .parse_unsigned_duration(&text)
        .map_err(|_| Error::custom("not a duration such as \"300s\", \"1m 30s\" or \"72h\""))
}
