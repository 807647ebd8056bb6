//! A9: secrets and signatures that must not show.

use super::errors::config_errors;
use super::*;

/// Everything that a program may print, in one text.
#[derive(Default)]
struct Printed(String);

impl Printed {
    fn debug(&mut self, value: &impl Debug) {
        self.0 += &format!("{value:?}\n{value:#?}\n");
    }

    fn both(&mut self, value: &(impl Debug + Display)) {
        self.debug(value);
        self.0 += &format!("{value}\n");
    }

    /// The first of the secrets that can be read from it, in any notation.
    fn leaks(&self, secrets: &[&[u8]]) -> Option<String> {
        // `{:#?}` of bytes has one number per line.
        let spaces = |text: &str| text.split_whitespace().collect::<Vec<_>>().join("");
        let printed = [self.0.clone(), self.0.to_lowercase(), spaces(&self.0)];
        let bare = |text: String| text.trim_end_matches('=').to_owned();
        secrets
            .iter()
            .flat_map(|secret| {
                [
                    String::from_utf8_lossy(secret).into_owned(),
                    const_hex::encode(secret),
                    bare(Base64::encode_string(secret)),
                    bare(Base64Url::encode_string(secret)),
                    format!("{secret:?}").trim_matches(['[', ']']).replace(' ', ""),
                ]
            })
            .find(|needle| printed.iter().any(|printed| printed.contains(needle)))
    }
}

#[tokio::test]
async fn a9_no_secret_is_ever_printed() {
    const WEAK: &str = "hunter2hunter2";
    const BEARER: &str = "Bearer 0123456789abcdef";
    let decoded: Vec<Vec<u8>> = [SECRET, OTHER_SECRET]
        .map(|secret| Base64::decode_vec(&secret["whsec_".len()..]).unwrap())
        .into();
    let texts = [SECRET, &SECRET[6..], OTHER_SECRET, &OTHER_SECRET[6..], WEAK];
    let secrets: Vec<&[u8]> =
        texts.iter().map(|text| text.as_bytes()).chain(decoded.iter().map(|key| &**key)).collect();

    // The check itself finds a secret in any notation.
    for secret in &secrets {
        let upper = const_hex::encode_upper(secret);
        for planted in [Base64::encode_string(secret), format!("{secret:#?}"), upper] {
            assert!(Printed(format!("x{planted}x")).leaks(&secrets).is_some(), "{planted}");
        }
    }

    let log = &*LOG;
    let mut printed = Printed::default();
    printed.debug(&Secret::new(SECRET));
    let labelled = Secret::new(WEAK).label("2026-01");
    assert!(format!("{labelled:?}").contains("2026-01"));
    printed.debug(&labelled);
    for scheme in [presets::GITHUB, presets::STANDARD_WEBHOOKS, SHORTLINKS] {
        let builder: VerifierBuilder =
            builder(scheme.clone()).secret(Secret::new(OTHER_SECRET).label("old"));
        let url = format!("https://hook:{WEAK}@hooks.example.com/in?token={WEAK}");
        printed.debug(&builder);
        printed.debug(&builder.clone().url(url));
        let verifier = builder.build().unwrap();
        printed.debug(&verifier);
        let signer = Signer::new(scheme.clone(), SECRET).unwrap();
        printed.debug(&signer);
        printed.debug(&Attack::new(scheme.clone(), SECRET).unwrap().secret(OTHER_SECRET).unwrap());
        printed.debug(&Partner::new(scheme.clone(), SECRET));
        let message = Message::new(shortlink("wh_1")).id("msg_1").sent_at(at(NOW));
        printed.debug(&message);

        let inbox = Arc::new(MemoryInbox::new());
        let layer = VerifyLayer::new(verifier.clone()).body_budget(BodyBudget::new(1 << 20));
        let intake = Intake::new(inbox.clone());
        let service = layer.layer(intake.clone());
        printed.debug(&layer);
        printed.debug(&intake);
        printed.debug(&service);

        let mut good = signer.request(&message).unwrap();
        for name in ["authorization", "x-gitlab-token", "cookie", "proxy-authorization"] {
            set(&mut good, name, BEARER);
        }
        let mut bad = good.clone();
        *bad.body_mut() = Bytes::from_static(b"{}");
        let mut missing = good.clone();
        missing.headers_mut().clear();
        let mut method = good.clone();
        *method.method_mut() = Method::GET;
        for (request, status) in [
            (&good, StatusCode::OK),
            (&bad, StatusCode::UNAUTHORIZED),
            (&missing, StatusCode::UNAUTHORIZED),
            (&method, StatusCode::METHOD_NOT_ALLOWED),
        ] {
            let future = service.clone().oneshot(request.clone().map(Full::new));
            let answer = future.await.unwrap();
            assert_eq!(answer.status(), status);
            printed.debug(answer.headers());
            if let Some(rejection) = answer.extensions().get::<Rejection>() {
                printed.both(rejection);
            }
        }
        let mut service = service;
        let future = tower::Service::call(&mut service, good.clone().map(Full::new));
        printed.debug(&future);
        future.await.unwrap();

        let delivery = verifier.verify(good).unwrap();
        printed.debug(&delivery);
        printed.both(&delivery.key());
        let record = Record::new(delivery.clone(), true);
        printed.debug(&record);
        printed.0 += &String::from_utf8_lossy(&record.to_bytes());
        printed.debug(&inbox);
        let batch = inbox.lease(LeaseOptions::new(1, Duration::from_secs(1), 3)).await.unwrap();
        assert_eq!(batch.jobs.len(), 1);
        printed.debug(&batch);
        printed.debug(&inbox.get(delivery.key()).await.unwrap());
    }

    for (scheme, secret) in [
        (presets::GITHUB, WEAK.to_owned()),
        (presets::GITHUB, format!("{SECRET}\n")),
        (presets::STANDARD_WEBHOOKS, format!("v1,{SECRET}")),
        (presets::STANDARD_WEBHOOKS, format!("{SECRET}=")),
        (presets::STANDARD_WEBHOOKS, SECRET.replace('K', "_")),
        (presets::STANDARD_WEBHOOKS, WEAK.to_owned()),
    ] {
        printed.both(&error(scheme.clone(), secret.clone()));
        let rotated = verifier(scheme.clone()).rotate([Secret::new(secret.clone())]);
        printed.both(&rotated.unwrap_err());
        if let Err(error) = Signer::new(scheme, secret) {
            printed.both(&error);
        }
    }
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    printed.both(&signer.sign(&Message::new("")).unwrap_err());
    printed.both(&signer.sign(&Message::new("").id("\n")).unwrap_err());
    for (_, error) in config_errors() {
        printed.both(&error);
    }

    let logged = log.text();
    // The control: the subscriber is the one that the crate's events reach.
    for event in ["request refused", "accepted"] {
        assert!(logged.contains(event), "{logged}");
    }
    printed.0 += &logged;
    assert_eq!(printed.leaks(&secrets), None);
    assert_eq!(printed.leaks(&[BEARER.as_bytes()]), None);
}

#[test]
fn a9_no_signature_is_logged_or_shown() {
    let request = signed(&SHORTLINKS, None, b"", shortlink("wh_1"));
    let signature = request.headers()["x-webhook-signature"].to_str().unwrap().to_owned();
    let mut forged = request.clone();
    *forged.body_mut() = Bytes::from_static(b"{}");
    let verifier = verifier(SHORTLINKS);
    let rejection = verifier.verify(forged).unwrap_err();
    let delivery = verifier.verify(request).unwrap();
    let mut printed = Printed::default();
    printed.both(&rejection);
    printed.debug(&delivery);
    printed.debug(&Record::new(delivery.clone(), true));
    let tag = &signature["sha256=".len()..];
    assert!(!printed.0.contains(tag), "{}", printed.0);
}

/// The name of the key in a scheme file may be taken for the place of the secret.
#[test]
fn a9_a_secret_that_is_pasted_into_a_scheme_file_is_not_repeated() {
    let scheme = "name = \"acme\"\nsignature = { field = { header = \"x-signature\" } }\n";
    for pasted in [
        format!("key = \"{SECRET}\""),
        format!("key = {SECRET}"),
        format!("key = [\"{SECRET}\"]"),
        format!("key = {{ base64 = \"{SECRET}\" }}"),
        format!("[key]\n\"{SECRET}\" = \"\""),
        format!("secret = \"{SECRET}\""),
        format!("key_id = \"{SECRET}\""),
        format!("algorithm = \"{SECRET}\""),
        format!("content = [\"{SECRET}\"]"),
        format!("tolerance = \"{SECRET}\""),
        format!("deadline = \"{SECRET}\""),
        format!("multipart = \"{SECRET}\""),
    ] {
        let mut printed = Printed::default();
        let error = Scheme::from_toml("acme.toml", &format!("{scheme}{pasted}\n")).unwrap_err();
        printed.both(&error);
        assert_eq!(printed.leaks(&[SECRET.as_bytes()]), None, "{pasted}");
    }
}
