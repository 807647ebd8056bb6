//! Requests that the partners' own libraries judged, or their documentation decides, against the presets.

use http::StatusCode;
use inhook::presets;

#[path = "common/vector.rs"]
mod vector;

use vector::{Vector, Verdict};

impl Vector {
    /// Whether the preset judges as it must; prints what becomes of the vectors that bind nobody.
    fn check(&self) -> Result<(), String> {
        let preset = presets::find(&self.scheme).ok_or_else(|| self.name())?;
        let (name, result) = (self.name(), self.verifier(&preset.scheme).verify(self.request()));
        let wrong = |what: String| Err(format!("{name}: {what}"));
        if !self.normative {
            println!("{name}: {:?} there, {:?} here", self.expect, result.map(drop));
            return Ok(());
        }
        match (self.expect, result) {
            (Verdict::Valid, Ok(delivery)) => {
                let (id, event) = (delivery.id(), delivery.event());
                if self.id.is_some() && id != self.id.as_deref() {
                    return wrong(format!("the id must be {:?}, not {id:?}", self.id));
                }
                if self.event_type.is_some() && event != self.event_type.as_deref() {
                    return wrong(format!("the type must be {:?}, not {event:?}", self.event_type));
                }
                Ok(())
            }
            (Verdict::Invalid, Err(rejection))
                if rejection.status() == StatusCode::UNAUTHORIZED =>
            {
                Ok(())
            }
            (expected, result) => {
                wrong(format!("must be {expected:?}, but is {:?}", result.map(drop)))
            }
        }
    }
}

#[test]
fn every_preset_judges_as_its_partner_does() {
    let vectors = Vector::all();
    let wrong: Vec<String> = vectors.iter().filter_map(|vector| vector.check().err()).collect();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));

    let normative = |verdict| {
        let of = |vector: &&Vector| vector.normative && vector.expect == verdict;
        vectors.iter().filter(of).count()
    };
    let counts = (normative(Verdict::Valid), normative(Verdict::Invalid));
    assert_eq!(counts, (256, 719), "a vector is missing");
}
