//! Records, as a store has them.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use super::fixtures::Standing;
use crate::clock::Clock;
use crate::fuzzing::choices::Choices;
use crate::inbox::Record;
use crate::scheme::presets::STANDARD_WEBHOOKS;
use crate::secret::Secret;
use crate::sign::{Message, Signer};
use crate::verify::Verifier;

pub(super) fn check(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    let bytes = match choices.one_in(3) {
        true => choices.rest().to_vec(),
        // A real one, and what a disk may make of it.
        false => {
            let mut bytes = GENUINE.to_bytes().to_vec();
            for _ in 0..choices.byte() % 5 {
                let at = choices.below(bytes.len() + 1);
                match choices.byte() % 4 {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, choices.byte()),
                    2 => drop(bytes.drain(at..(at + 1).min(bytes.len()))),
                    _ => {
                        let byte = choices.byte();
                        bytes.iter_mut().skip(at).take(1).for_each(|old| *old = byte);
                    }
                }
            }
            bytes
        }
    };
    let bytes = Bytes::from(bytes);
    let read = Record::from_bytes(&bytes);
    if bytes == GENUINE.to_bytes() {
        assert!(
            read.as_ref().is_ok_and(|read| *read == *GENUINE),
            "another record than was stored"
        );
    }
    let Ok(record) = read else { return false };
    let written = record.to_bytes();
    let again = Record::from_bytes(&written).expect("a record that was just written");
    assert_eq!(again.to_bytes(), written, "a record changes when it is stored");
    assert!(record.body().len() <= bytes.len(), "more than there was");
    true
}

static GENUINE: LazyLock<Record> = LazyLock::new(|| {
    let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").label("2026-01");
    let message = Message::new(r#"{"type":"user.created"}"#).id("msg_1").sent_at(Standing.now());
    let signer = Signer::new(STANDARD_WEBHOOKS, secret.clone()).expect("a preset");
    let builder = Verifier::builder("records", STANDARD_WEBHOOKS, secret).clock(Arc::new(Standing));
    let verifier = builder.build().expect("a preset");
    let delivery = verifier.verify(signer.request(&message).expect("a message"));
    Record::new(delivery.expect("a signed request"), true)
});
