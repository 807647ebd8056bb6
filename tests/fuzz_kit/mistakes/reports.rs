//! What is said of a receiver that changes its mind, of a scheme that no attack is made on, and as a command.

use std::cell::Cell;
use std::process::Command;

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

/// What the printed command writes is the request, whatever is in it.
#[test]
fn s5_a_finding_is_a_file_of_its_request() {
    let attack = Attack::new(GITHUB, SECRET).unwrap();
    let verifier = builder(GITHUB).build().unwrap();
    for wrong in [b"\xff".as_slice(), b"'", b"\\", b"%"] {
        // A receiver that cannot read bodies with this in them.
        let receiver = Picky(&verifier, wrong);
        let finding = attack.run(&receiver, 20_000, 1).unwrap_err();
        assert_eq!(finding.oracle, Oracle::AcceptsGenuine, "{finding}");
        let directory = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &finding.to_printf()]).current_dir(&directory);
        assert!(shell.status().unwrap().success());
        let file = std::fs::read(directory.path().join("request.http")).unwrap();
        assert_eq!(file, finding.to_http(), "{finding}");
        assert!(finding.to_string().contains(&finding.to_printf()), "{finding}");
    }
}

struct Picky<'v>(&'v Verifier, &'static [u8]);

impl Receiver for Picky<'_> {
    fn receive(&self, request: &Request<Bytes>) -> Verdict {
        match request.body().windows(self.1.len()).any(|it| it == self.1) {
            true => Verdict::Refused,
            false => self.0.receive(request),
        }
    }

    fn now(&self) -> SystemTime {
        Receiver::now(self.0)
    }
}

/// A receiver that wants of ids and bodies what the partner does is not accused, once that is said.
#[test]
fn s5_ids_and_bodies_are_as_the_partner_has_them() {
    let preset = presets::GITHUB;
    let verifier = builder(preset.clone()).build().unwrap();
    let receiver = Wrapped(verifier, |verifier, request| {
        let id = request.headers().get("x-github-delivery")?.to_str().ok()?;
        (id.len() == 36 && request.body().len() <= 4_096).then(|| key(verifier, request))?
    });
    let finding = Attack::new(preset.clone(), SECRET).unwrap().run(&receiver, 100, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::AcceptsGenuine, "{finding}");
    assert!(finding.what.contains("with the id `16777216` and"), "{finding}");
    let attack = Attack::new(preset, SECRET).unwrap();
    let attack = attack.ids(|n| format!("{n:08x}-8cf0-11ef-9b1c-0242ac120002"));
    let long = attack.run(&receiver, 20_000, 1).unwrap_err();
    assert!(long.request.body().len() > 4_096, "{long}");
    let attack = attack.max_body(4_096);
    attack.run(&receiver, 20_000, 1).unwrap();
}

#[test]
fn s5_no_attempt_at_all_is_a_finding() {
    let attack = Attack::new(GITHUB, SECRET).unwrap();
    let finding = attack.run(&builder(GITHUB).build().unwrap(), 0, 1).unwrap_err();
    assert_eq!(finding.oracle, Oracle::Tried, "{finding}");
}
