//! JSON that was parsed and written again.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::rewrite::{Escapes, Style, rewrite};
use super::{Case, Mistake};

/// Longer bodies would take minutes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The body in each style that is known.
pub(super) fn mistakes(case: &Case) -> impl Iterator<Item = Mistake> + use<> {
    let body = case.request.body().clone();
    let styles = Style::ALL.into_iter().flat_map(|style| Escapes::ALL.map(|it| (style, it)));
    let styles = styles.filter({
        let is_json = body.len() <= MAX_BYTES && is_json(&body);
        move |_| is_json
    });
    let (case, mut known) = (case.clone(), HashSet::from([Sha256::digest(&body)]));
    styles.flat_map(move |(style, escapes)| {
        let json = std::str::from_utf8(&body).ok();
        let written = json.and_then(|json| rewrite(json, style, escapes));
        let ended = written.as_ref().map(|written| [&written[..], b"\n"].concat());
        let both = [(written, ""), (ended, ", with a line break at its end")];
        let (style, escapes) = (style.name, escapes.name());
        both.map(|(signed, end)| {
            let signed = signed.filter(|signed| known.insert(Sha256::digest(signed)))?;
            let advice = format!(
                "with the JSON as {style} writes it{escapes}{end}: it was parsed and serialised again; verify the raw bytes, before anything parses them."
            );
            Some(Mistake::unlikely(advice, case.with_body(signed)))
        })
    })
    .flatten()
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}
