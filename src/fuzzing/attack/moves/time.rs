//! Times that are no time, or are the same one written otherwise.

use super::place;
use super::{Attempt, Move, refused};
use crate::fuzzing::attack::Attack;
use crate::fuzzing::attack::genuine::Genuine;
use crate::fuzzing::oracle::Oracle;
use crate::scheme::{Field, SentAt, TimeFormat};

/// What overflows, or is read as something else.
const EXTREMES: [&str; 14] = [
    "",
    "0",
    "-1",
    "-9223372036854775808",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999",
    "1e400",
    "NaN",
    "0x65",
    "9999-12-31T23:59:59Z",
    "0000-00-00T00:00:00Z",
    "+292277026596-12-04T15:30:08Z",
];

pub(super) fn extreme(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    changed(attack, genuine, |_| choices.one(&EXTREMES).to_owned())
}

/// The same time, written otherwise.
pub(super) fn respelled(attempt: Attempt<'_, '_>) -> Option<Move> {
    let Attempt { attack, genuine, choices, .. } = attempt;
    let SentAt { field, format } = attack.scheme.sent_at.as_ref()?;
    let which = choices.byte();
    // Around the value of a header HTTP has no spaces.
    if which % 6 == 5 && matches!(field, Field::Parameter(_)) {
        return changed(attack, genuine, |time| format!(" {time}"));
    }
    changed(attack, genuine, |time| match (format, which % 5) {
        (TimeFormat::Rfc3339, 0) => time.to_ascii_lowercase(),
        (TimeFormat::Rfc3339, 1) => time.replace('Z', "+00:00"),
        (TimeFormat::Rfc3339, 2) => time.replace('Z', ".0Z"),
        (TimeFormat::Rfc3339, 3) => time.replace('T', " "),
        (TimeFormat::Rfc3339, _) => time.replace('Z', "0Z"),
        (_, 0) => format!("+{time}"),
        (_, 1) => format!("0{time}"),
        (_, 2) => format!("{time}.0"),
        (_, 3) => format!("{time}e0"),
        (_, _) => format!("{time}abc"),
    })
}

fn changed(attack: &Attack, genuine: &Genuine, spell: impl FnOnce(&str) -> String) -> Option<Move> {
    let field = &attack.scheme.sent_at.as_ref()?.field;
    let old = place::read(&attack.scheme, &genuine.request, field)?;
    let new = spell(&old);
    if new == old {
        return None;
    }
    let request = place::replaced(&attack.scheme, &genuine.request, field, new.as_bytes())?;
    refused(request, Oracle::RefusesRespelled, format!("the time is `{new}`, and was `{old}`"))
}
