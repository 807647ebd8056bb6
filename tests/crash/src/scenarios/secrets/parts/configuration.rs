//! Secrets that are none, and what is made of those that are.

use inhook::scheme::{KeyFormat, Scheme};
use inhook::sign::{Message, Signer};
use inhook::{BoxError, Secret, Verifier, presets};

use super::super::spellings::hex;
use super::{show, show_error};
use crate::receiver::{KEY, SECRET};

pub fn run() -> Result<(), BoxError> {
    let base64 = SECRET.trim_start_matches("whsec_");
    let in_hex = Scheme { key: KeyFormat::Hex, ..presets::GITHUB };
    for (scheme, right, wrong) in [
        (
            presets::STANDARD_WEBHOOKS,
            SECRET.to_owned(),
            vec![
                format!("v1,{SECRET}"),
                format!("{SECRET}="),
                base64.trim_end_matches('=').to_owned(),
                SECRET.replace('+', "-").replace('/', "_"),
                KEY.to_owned(),
            ],
        ),
        (presets::GITHUB, KEY.to_owned(), Vec::new()),
        (in_hex, hex(KEY), vec![format!("0x{}", hex(KEY)), hex(KEY)[1..].to_owned(), KEY.into()]),
    ] {
        let padded = ["\n", "\r\n", " "].map(|end| format!("{right}{end}"));
        for wrong in wrong.into_iter().chain(padded).chain([format!("\u{feff}{right}")]) {
            refused(&scheme, &right, &[Secret::new(wrong).label("wrong")])?;
        }
        let secret = || Secret::new(&*right);
        refused(&scheme, &right, &[secret().label("twice"), secret().label("twice")])?;
        refused(&scheme, &right, &vec![secret(); 17])?;
        accepted(&scheme, &right)?;
    }
    let short = Signer::new(presets::GITHUB, &KEY[..8]);
    short.err().iter().for_each(|error| show_error(error));
    pasted();
    Ok(())
}

/// Errors of a verifier that is to be built, of one that has the right secret, and of a signer.
fn refused(scheme: &Scheme, right: &str, secrets: &[Secret]) -> Result<(), BoxError> {
    let mut builder = Verifier::builder("refused", scheme.clone(), secrets[0].clone());
    for secret in &secrets[1..] {
        builder = builder.secret(secret.clone());
    }
    show(&builder);
    show_error(&builder.build().err().ok_or("a wrong secret is accepted")?);
    let verifier = Verifier::new("refused", scheme.clone(), right)?;
    show_error(
        &verifier.rotate(secrets.iter().cloned()).err().ok_or("a wrong secret is accepted")?,
    );
    show(&verifier);
    if let Err(error) = Signer::new(scheme.clone(), secrets[0].clone()) {
        show_error(&error);
    }
    Ok(())
}

/// All that has a right secret in it.
fn accepted(scheme: &Scheme, right: &str) -> Result<(), BoxError> {
    let secret = Secret::new(right).label("the label");
    show(&secret);
    let builder = Verifier::builder("accepted", scheme.clone(), secret.clone());
    show(&builder);
    let verifier = builder.build()?;
    verifier
        .rotate([secret.clone(), Secret::new("another secret, of nobody")])
        .err()
        .iter()
        .for_each(|error| show_error(error));
    show(&verifier);
    let signer = Signer::new(scheme.clone(), secret)?;
    show(&signer);
    let message = Message::new(r#"{"type":"user.created"}"#).id("1");
    show(&verifier.verify(signer.request(&message)?)?);
    signer.sign(&Message::new("").id("\n")).err().iter().for_each(|error| show_error(error));
    Ok(())
}

/// Into a scheme file, where somebody may look for a place for it, and into the URL of the endpoint.
fn pasted() {
    let scheme = "name = \"acme\"\nsignature = { field = { header = \"x-signature\" } }\n";
    for line in [
        format!("key = \"{SECRET}\""),
        format!("key = \"{KEY}\""),
        format!("key = {SECRET}"),
        format!("key = {{ {KEY} = 1 }}"),
        format!("key = {{ base64 = \"{SECRET}\" }}"),
        format!("key = [\"{SECRET}\"]"),
        format!("secret = \"{SECRET}\""),
        format!("[key]\nraw = \"{SECRET}\""),
        format!("[key]\n{} = 1", hex(KEY)),
    ] {
        let read = Scheme::from_toml("acme.toml", &format!("{scheme}{line}\n"));
        read.err().iter().for_each(|error| show_error(error));
    }
    for url in [
        format!("https://hook:{SECRET}@example.com/in#1"),
        format!("https://example.com?token={SECRET}#1"),
        format!("hook:{SECRET}@example.com"),
    ] {
        let builder = Verifier::builder("pasted", presets::GITHUB, SECRET).url(url);
        show(&builder);
        builder.build().err().iter().for_each(|error| show_error(error));
    }
}
