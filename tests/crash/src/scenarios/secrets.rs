//! S18: whatever goes wrong, no log, error, panic or answer holds the secret.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use inhook::BoxError;

use super::Run;
use crate::table::Figure;

mod commands;
mod inbox;
pub mod parts;
mod requests;
mod spellings;

use spellings::{hits, spellings};

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let spellings = spellings();
    let figure = |what: String, measured: String, found: usize, met: bool| {
        let control =
            format!("{found} of {} spellings found in a line that holds it", spellings.len());
        let target = "0 hits".into();
        vec![Figure { case: "S18", what, target, measured, control, met }]
    };
    let has_redis = has_redis()?;
    if !has_redis && std::env::var("INHOOK_REQUIRE_REDIS").is_ok_and(|value| value == "1") {
        let what = "the secret in what RedisDedup says, and in the rest".into();
        let missing = "not searched: redis-server is not installed (apt-get install redis-server)";
        return Ok(figure(what, missing.into(), 0, false));
    }
    let rounds = run.rounds(1, 10);
    let (log, db) = (run.directory.join("log"), run.directory.join("inbox.db"));
    let mut said = Vec::new();
    for _ in 0..rounds {
        said.extend(inbox::run(&db, &log).await?.into_bytes());
    }
    // Those of an inbox that is opened again are new.
    said.extend(all_files(&run)?);
    inbox::misconfigured(&db, &log).await?;
    parts::start(&run.directory, &log).await?;
    said.extend(commands::run().await?);
    said.extend(all_files(&run)?);
    let text = String::from_utf8_lossy(&said);
    // Or it was not all that is said.
    let of_redis = if has_redis { parts::redis::TOLD } else { &[] };
    let mut told = [inbox::TOLD, parts::TOLD, commands::TOLD, of_redis].into_iter().flatten();
    if let Some(missing) = told.find(|told| !text.contains(**told)) {
        return Err(format!("nothing is said of {missing:?}").into());
    }
    let hits = hits(&said, &spellings);
    let mut found = 0;
    for spelling in &spellings {
        // As a line among all the others.
        writeln!(OpenOptions::new().append(true).open(&log)?, "{}", spelling.1)?;
        let own = std::slice::from_ref(spelling);
        found += self::hits(&std::fs::read(&log)?, own).len();
    }
    let what = format!(
        "the secret in {} KiB of logs at TRACE, errors, panics, answers, files, commands{}",
        said.len() >> 10,
        if has_redis { "" } else { "; without Redis, which is not installed" }
    );
    let met = hits.is_empty() && found == spellings.len();
    Ok(figure(what, format!("{} hits {}", hits.len(), hits.join(", ")), found, met))
}

/// What is in the files of a run: the log, the inbox, the spill, and what is beside them.
fn all_files(run: &Run) -> Result<Vec<u8>, BoxError> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(&run.directory)? {
        all.extend(std::fs::read(file?.path())?);
    }
    Ok(all)
}

/// Whether there is a server to be started.
fn has_redis() -> Result<bool, BoxError> {
    match std::process::Command::new("redis-server").arg("--version").output() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}
