//! The command line, `inhook`, with the secret in its environment: what it prints when it works, and when
//! it does not.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;

use inhook::{BoxError, MemoryInbox};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::spellings::{hex, percent};
use crate::here::Here;
use crate::receiver::{KEY, SECRET};

pub const TOLD: &[&str] = &[
    r#"{"valid":true,"id":"1","event":"user.created""#,
    r#"{"valid":false,"reason":"wrong_signature"}"#,
    "It is valid as it is",
    "It is refused",
    "without the white space around the secret",
    "without the quotes around the secret",
    "1 x 200 OK",
    "1 x 401 Unauthorized",
    "1 x no answer",
    "takes the name of an environment variable, not the secret",
    "curl --globoff",
];

/// The variable that has the secret.
const VARIABLE: &str = "HOOK_SECRET";
const STANDARD: &[&str] = &["--scheme", "standard-webhooks", "--secret-env", VARIABLE];
const BODY: &str = r#"{"type":"user.created"}"#;

/// Returns all that it prints.
pub async fn run() -> Result<Vec<u8>, BoxError> {
    let mut inhook = Inhook { program: build().await?, said: Vec::new() };
    let sign = [&["sign"], STANDARD, &["--id", "1", "-"]];
    let signed = inhook.run(SECRET, &sign, BODY).await?.stdout;
    let signed = String::from_utf8(signed)?;
    for secret in secrets() {
        inhook.run(&secret, &[&["sign"], STANDARD, &["--curl", "-"]], BODY).await?;
        for request in requests(&signed) {
            for command in ["verify", "doctor"] {
                inhook.run(&secret, &[&[command], STANDARD, &["-"]], &request).await?;
            }
        }
    }
    keys(&mut inhook).await?;
    sends(&mut inhook).await?;
    mistakes(&mut inhook).await?;
    Ok(inhook.said)
}

/// The right one, and what it may have become on its way into the environment.
fn secrets() -> Vec<String> {
    let base64 = SECRET.trim_start_matches("whsec_");
    vec![
        SECRET.into(),
        base64.into(),
        base64.trim_end_matches('=').into(),
        format!("{SECRET}\n"),
        format!("\"{SECRET}\""),
        format!("v1,{SECRET}"),
        SECRET.replace('+', "-").replace('/', "_"),
        KEY.into(),
        hex(KEY),
        KEY[..8].into(),
        "whsec_b3RoZXIgc2VjcmV0IG9mIGEgZm9yZ2Vy".into(),
        String::new(),
    ]
}

/// A valid one, and others that have the secret where a partner may have put it.
fn requests(signed: &str) -> Vec<String> {
    let with = |header: &str| signed.replacen("\r\n", &format!("\r\n{header}: {SECRET}\r\n"), 1);
    let instead = |header: &str| {
        let lines = signed.split("\r\n").map(|line| match line.starts_with(header) {
            true => format!("{header}: {SECRET}"),
            false => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\r\n")
    };
    vec![
        signed.into(),
        signed.replace("user", "USER"),
        with("authorization"),
        with("webhook-signature"),
        instead("webhook-signature"),
        instead("webhook-timestamp"),
        instead("webhook-id"),
        instead("content-length"),
        format!("POST /{SECRET}\r\n"),
        format!("{SECRET}\r\n\r\n"),
    ]
}

/// Partners whose requests name their key, and those whose secrets are written in another way.
async fn keys(inhook: &mut Inhook) -> Result<(), BoxError> {
    let pusher = ["--scheme", "pusher", "--secret-env", VARIABLE];
    for secret in [
        format!(r#"{{"public_key":"key-1","private_key":"{SECRET}"}}"#),
        format!(r#"{{"public_key":"","private_key":"{SECRET}"}}"#),
        format!(r#"{{"private_key":"{SECRET}"}}"#),
        format!(r#"{{"public_key":"key-1","private_key":"{SECRET}""#),
        SECRET.to_owned(),
    ] {
        let signed = inhook.run(&secret, &[&["sign"], &pusher, &["-"]], BODY).await?.stdout;
        let signed = String::from_utf8(signed)?;
        for command in ["verify", "doctor"] {
            inhook.run(&secret, &[&[command], &pusher, &["-"]], &signed).await?;
        }
    }
    for scheme in ["github", "stripe", "adyen"] {
        for secret in [SECRET.to_owned(), KEY.to_owned(), hex(KEY), format!("{KEY}\n")] {
            let scheme = ["--scheme", scheme, "--secret-env", VARIABLE];
            inhook.run(&secret, &[&["sign"], &scheme, &["-"]], BODY).await?;
        }
    }
    Ok(())
}

/// To a receiver, and to nobody.
async fn sends(inhook: &mut Inhook) -> Result<(), BoxError> {
    let here = Here::serve(Arc::new(MemoryInbox::new()), None).await?;
    let (at, password) = (here.address, percent(SECRET));
    for to in [
        format!("http://{at}/hook"),
        format!("http://me:{password}@{at}/hook"),
        // Nobody listens there.
        format!("http://me:{password}@127.0.0.1:1/hook"),
        format!("http://me:{password}@:x/hook"),
        format!("me:{password}@{at}"),
    ] {
        for secret in [SECRET, "whsec_b3RoZXIgc2VjcmV0IG9mIGEgZm9yZ2Vy"] {
            inhook.run(secret, &[&["send", &to], STANDARD, &["-"]], BODY).await?;
        }
    }
    Ok(())
}

/// The secret in place of what is asked for, and where nothing is.
async fn mistakes(inhook: &mut Inhook) -> Result<(), BoxError> {
    for secret in [SECRET, KEY, &hex(KEY)] {
        for command in ["sign", "verify", "doctor"] {
            let args = [command, "--scheme", "github", "--secret-env", secret, "-"];
            inhook.run(SECRET, &[&args], BODY).await?;
            let secret = format!("--secret={secret}");
            inhook.run(SECRET, &[&[command, &secret], STANDARD, &["-"]], BODY).await?;
        }
    }
    inhook.run(SECRET, &[&["sign"], STANDARD, &["--param", SECRET, "-"]], BODY).await?;
    let unset = ["sign", "--scheme", "github", "--secret-env", "NOT_SET", "-"];
    inhook.run(SECRET, &[&unset], BODY).await?;
    // Where somebody may look for a place for it.
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("acme.toml");
    let scheme = "name = \"acme\"\nsignature = { field = { header = \"x-signature\" } }\n";
    std::fs::write(&file, format!("{scheme}key = \"{SECRET}\"\n"))?;
    let file = file.to_str().ok_or("a directory with another name")?;
    inhook.run(SECRET, &[&["check", file]], "").await?;
    inhook.run(SECRET, &[&["sign", "--scheme", file, "--secret-env", VARIABLE, "-"]], BODY).await?;
    Ok(())
}

struct Inhook {
    program: PathBuf,
    said: Vec<u8>,
}

impl Inhook {
    async fn run(
        &mut self,
        secret: &str,
        args: &[&[&str]],
        stdin: &str,
    ) -> Result<Output, BoxError> {
        let mut child = Command::new(&self.program)
            .args(args.concat())
            .env(VARIABLE, secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        // One that ends before it has read everything is none the worse for it.
        let _ = child.stdin.take().ok_or("no stdin")?.write_all(stdin.as_bytes()).await;
        let output = child.wait_with_output().await?;
        self.said.extend(&output.stdout);
        self.said.extend(&output.stderr);
        Ok(output)
    }
}

/// Builds it as this program was built, and says where it is.
async fn build() -> Result<PathBuf, BoxError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--package", "inhook", "--bin", "inhook"]);
    build.args(["--features", "cli", "--message-format", "json"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output();
    let messages = String::from_utf8(built.await?.stdout)?;
    let mut messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = messages.find_map(|message| Some(message["executable"].as_str()?.into()));
    Ok(program.ok_or("the command line can't be built")?)
}
