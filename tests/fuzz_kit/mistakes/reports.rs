//! What is said of a receiver that changes its mind, of a scheme that no attack is made on, and as a command.

use std::cell::Cell;

use super::*;

/// Every other request is refused, whatever it is.
struct Moody(Homemade, Cell<bool>);

impl Receiver for Moody {
    fn receive(&self, request: &Request<Bytes>) -> Verdict {
        self.1.set(!self.1.get());
        if self.1.get() { self.0.receive(request) } else { Verdict::Refused }
    }

    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

#[test]
fn s5_a_receiver_that_changes_its_mind_is_found() {
    let right = Homemade { scheme: presets::STANDARD_WEBHOOKS, bug: Bug::None };
    let attack = Attack::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let finding = attack.run(&Moody(right, Cell::new(false)), 100, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::Stable, "{finding}");
}

#[test]
fn s5_an_attack_that_has_nothing_to_try_says_why() {
    // What two parameters of the query say, a signer does not know.
    let fields = vec![Part::Field(Field::query("tenant"))];
    let scheme = Scheme {
        content: fields.into(),
        dangerously_allow: vec![Danger::UnsignedBody].into(),
        ..GITHUB
    };
    let attack = Attack::new(scheme.clone(), SECRET).unwrap();
    let finding = attack.run(&builder(scheme).build().unwrap(), 100, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::Tried, "{finding}");
    assert!(finding.what.contains("tenant"), "{finding}");
}

/// The command does what was done, and says no more of the shell's language.
#[test]
fn s5_a_finding_is_a_command_of_its_method_and_target() {
    let url = "https://hooks.example.com/it's?x='";
    let attack = Attack::for_url(with_target(), SECRET, url).unwrap();
    let verifier = builder(with_target()).build().unwrap();
    let finding = attack
        .run(
            &Wrapped(verifier, |verifier, request| {
                changed(verifier, request, |request| *request.method_mut() = Method::POST)
            }),
            20_000,
            1,
        )
        .unwrap_err();
    assert_ne!(finding.request.method(), Method::POST, "{finding}");
    let curl = finding.to_curl();
    assert!(curl.contains(&format!(" --request {} ", finding.request.method())), "{curl}");
    assert!(curl.contains(r"'http://127.0.0.1:3000/it'\''s?x='\'''"), "{curl}");
}
