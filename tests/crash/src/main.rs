//! Breaks Inhook on purpose, and prints what that did beside what it should have done.
//!
//! ```text
//! inhook-crash [--short] [SCENARIO …]
//! ```
//!
//! Each scenario has a control: the same with the very thing taken away that is tested. It must
//! fail, or nothing was tested.

mod beside;
mod child;
mod client;
mod faults;
mod here;
mod latencies;
mod ledger;
mod load;
mod naive;
mod offer;
mod process;
mod receiver;
mod scenarios;
mod shadow;
mod store;
mod table;
mod vfs;

use std::process::ExitCode;
use std::time::Instant;

use inhook::BoxError;

use scenarios::{Run, SCENARIOS, secrets};
use table::Table;

#[tokio::main]
async fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.first().map(String::as_str) {
        Some("receiver") => receive(args.get(1)).await.map(|()| true),
        Some("parts") => parts(args.get(1)).await.map(|()| true),
        _ => {
            let short = args.iter().any(|arg| arg == "--short");
            args.retain(|arg| arg != "--short");
            torture(short, &args).await
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn receive(spec: Option<&String>) -> Result<(), BoxError> {
    receiver::run(serde_json::from_str(spec.ok_or("a receiver needs a specification")?)?).await
}

async fn parts(directory: Option<&String>) -> Result<(), BoxError> {
    secrets::parts::run(directory.ok_or("the parts need a directory")?.as_ref()).await
}

/// Whether all targets are met.
async fn torture(short: bool, names: &[String]) -> Result<bool, BoxError> {
    let known = || SCENARIOS.iter().map(|scenario| scenario.name);
    if let Some(name) = names.iter().find(|name| !known().any(|known| known == **name)) {
        let known: Vec<&str> = known().collect();
        return Err(format!("unknown scenario {name}; there are {}", known.join(", ")).into());
    }
    let seed = std::env::var("INHOOK_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("INHOOK_SEED={seed}");
    let mut table = Table::default();
    for scenario in SCENARIOS {
        if !names.is_empty() && !names.iter().any(|name| name == scenario.name) {
            continue;
        }
        fastrand::seed(seed);
        let start = Instant::now();
        let directory = tempfile::tempdir()?;
        let run = Run { short, directory: directory.path().to_owned() };
        let figures =
            (scenario.run)(run).await.map_err(|error| format!("{}: {error}", scenario.name))?;
        eprintln!("{}: {:.0?}", scenario.name, start.elapsed());
        table.0.extend(figures);
    }
    println!("{table}");
    Ok(table.is_met())
}
