//! A1 to A5, A7, A8, A10 and A11: secrets that are none, or another's, and limits that are none.

use std::time::Duration;

use inhook::presets;
use inhook::scheme::KeyFormat;
use inhook::{ConfigError, Secret, Verifier};

use crate::genuine::Genuine;
use crate::notation;

/// Secrets with which anybody could sign, or that are another key than was meant.
#[test]
fn s1_a1_to_a5_no_preset_takes_a_secret_that_is_none() {
    for preset in presets::all() {
        let scheme = &preset.scheme;
        let good = notation::secret(scheme, 1);
        let builder = |secret: &str| {
            let secret = Secret::new(secret).label("key");
            let builder = Verifier::builder("acme", scheme.clone(), secret);
            builder.url("https://hooks.example.com/in")
        };
        let build = |secret: &str| builder(secret).build();
        build(&good).unwrap_or_else(|error| panic!("{}: {error}", preset.name));
        for bad in ["", " ", "\n", "\t \r\n", "short", "whsec_", "whsec_AA==", "v1,whsec_MfKQ="] {
            assert!(build(bad).is_err(), "{}: {bad:?}", preset.name);
            let beside = builder(&good).secret(Secret::new(bad).label("old")).build();
            assert!(beside.is_err(), "{}: {bad:?} beside a good one", preset.name);
        }
        for misspelled in misspelled(&scheme.key, &good) {
            assert!(build(&misspelled).is_err(), "{}: {misspelled:?}", preset.name);
        }
        for padded in [format!("{good}\n"), format!(" {good}"), format!("{good} ")] {
            assert!(build(&padded).is_err(), "{}: {padded:?}", preset.name);
        }
    }
}

/// A secret as it is not written, which has the bytes of another key than was meant, or of none.
fn misspelled(format: &KeyFormat, good: &str) -> Vec<String> {
    let cut = good[..good.len() - 1].to_owned();
    match format {
        KeyFormat::Hex => vec![cut, good.replace('b', "g"), format!("0x{good}")],
        KeyFormat::Base64 { prefix } | KeyFormat::Base64If { prefix } => {
            let text = good.strip_prefix(&**prefix).unwrap();
            let url_safe = text.replace('9', "_");
            let mut bad = vec![cut, format!("{prefix}{url_safe}"), format!("{good}=")];
            if matches!(format, KeyFormat::Base64 { .. }) {
                bad.push(format!("v1,{good}"));
            }
            bad
        }
        _ => Vec::new(),
    }
}

/// A7, A8: a secret that was taken back, and that of another source.
#[test]
fn s1_a7_a8_another_secret_lets_nothing_in() {
    let all = Genuine::all();
    for genuine in &all {
        let (scheme, name) = (genuine.scheme(), genuine.preset.name);
        // A request may say which key it is signed with.
        let label = genuine.vector.params.get("key_id").map_or("0", String::as_str);
        let other = Secret::new(notation::secret(scheme, 2)).label(label);
        let verifier =
            genuine.builder("acme").secret(other.clone().label("other")).build().unwrap();
        verifier.verify(genuine.request.clone()).unwrap();
        verifier.rotate([other]).unwrap();
        let verdict = verifier.verify(genuine.request.clone());
        assert!(verdict.is_err(), "{name}: the old secret was taken back");
    }
}

/// A10, A11: a tolerance is 1 s to 24 h, and an id is remembered for as long as a request is fresh.
#[test]
fn s1_a10_a11_no_preset_takes_a_tolerance_or_a_ttl_that_is_none() {
    let second = Duration::from_secs(1);
    for genuine in Genuine::all() {
        let (scheme, builder) = (genuine.scheme(), genuine.builder("acme"));
        for none in [Duration::ZERO, second / 2, Duration::MAX] {
            let built = builder.clone().tolerance(none, second).build();
            let expected = match scheme.sent_at {
                Some(_) => ConfigError::Tolerance { value: none },
                None => ConfigError::NeedlessTolerance,
            };
            assert_eq!(built.unwrap_err(), expected, "{}", genuine.preset.name);
        }
        let freshness = genuine.verifier.verify(genuine.request.clone()).unwrap().freshness();
        for ttl in [Duration::ZERO, freshness.saturating_sub(Duration::from_nanos(1))] {
            let error = builder.clone().ttl(ttl).build().unwrap_err();
            assert!(matches!(error, ConfigError::Ttl { .. }), "{}: {error}", genuine.preset.name);
        }
    }
}
